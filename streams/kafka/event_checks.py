"""What single events say of who sent them: partitioner, clock, and holdout.

Nothing here decides what counts.  A worker looks at some of the records that it reads
and exposes what it saw; `reshelf doctor` and the console look at the ends of the topics.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from policy.assignment import in_holdout
from schemas.messages.fields import BASELINE, FALLBACK
from schemas.topics import IMPRESSIONS
from streams.kafka.clients import partition_of
from streams.kafka.records import Batch, Record, TopicPartition
from streams.metrics import REGISTRY, Registry
from streams.page_settings import LayoutSettings

log = logging.getLogger("reshelf")

SOURCE_HEADER = "reshelf-producer"
"""A header of an event that names who sent it; producers may leave it out."""
MOST_SOURCES = 20
OTHER_SOURCES = "(others)"
PLACES = RIGHT, WRONG = "right", "wrong"
"""Whether a record is in the partition that murmur2 of its key says."""
SIDES = AS_DRAWN, HOLDOUT_SAW_LEARNED, LEARNED_SAW_HOLDOUT = "as_drawn", "holdout_saw_learned", "learned_saw_holdout"
"""Whether a page view shows the side of the experiment that salt, share and unit give."""
SPAN_S = 300.0
_MOST = 4
_RECORDS_FOR_ONE_MORE = 500
_REST_S = 600.0
_EXPOSE_S = 1.0


class Holdout(NamedTuple):
    """What decides which units are in the holdout."""

    salt: str
    share: float

    @classmethod
    def of(cls, layouts: LayoutSettings) -> Holdout:
        """As the settings say."""
        return cls(layouts.holdout_salt, layouts.holdout_share)


class _Event(msgspec.Struct):
    occurred_at: int
    unit: str = ""
    page: str = ""
    variant: int = FALLBACK


class EventCheck(NamedTuple):
    """What a record says: `place` is one of `PLACES`, `side` one of `SIDES`; empty where it says nothing of that.

    `ahead_ms` is event time minus append time, None where it has none.
    """

    place: str
    source: str
    ahead_ms: int | None
    side: str
    page: str = ""


_decode = msgspec.json.Decoder(_Event).decode


def check_event(record: Record, tp: TopicPartition, partitions: int, holdout: Holdout) -> EventCheck:
    """Look at a record of an event topic that has so many partitions."""
    place = "" if record.key is None else RIGHT if partition_of(record.key, partitions) == tp.partition else WRONG
    try:
        event = _decode(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return EventCheck(place, "", None, "")
    side = _side(event, holdout) if tp.topic == IMPRESSIONS.name else ""
    return EventCheck(place, _source(record), event.occurred_at - record.timestamp, side, event.page)


def _side(event: _Event, holdout: Holdout) -> str:
    if event.variant == FALLBACK or not event.unit:
        return ""
    drawn, shown = in_holdout(event.unit, holdout.salt, holdout.share), event.variant == BASELINE
    return AS_DRAWN if drawn == shown else HOLDOUT_SAW_LEARNED if drawn else LEARNED_SAW_HOLDOUT


def _source(record: Record) -> str:
    names = (content for name, content in record.headers or () if name == SOURCE_HEADER)
    return (next(names, b"") or b"").decode(errors="replace")[:64]


class Clocks:
    """The largest event time minus append time of each source, over the last one to two spans.

    A clock that is right gives the shortest way of an event to the log, a little below 0; one that
    is ahead more than 0.
    """

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._began = steady()
        self._before: dict[tuple[str, str], int] = {}
        self._now: dict[tuple[str, str], int] = {}

    def note(self, topic: str, check: EventCheck) -> None:
        """Take over what a record says."""
        if check.ahead_ms is None:
            return
        if self._steady() - self._began >= SPAN_S:
            self._before, self._now, self._began = self._now, {}, self._steady()
        key = topic, check.source
        if key not in self._now and len(self._now) >= MOST_SOURCES:
            key = topic, OTHER_SOURCES
        self._now[key] = max(check.ahead_ms, self._now.get(key, check.ahead_ms))

    def ahead_ms(self) -> dict[tuple[str, str], int]:
        """By topic and source, in milliseconds."""
        keys = self._before.keys() | self._now.keys()
        return {key: max(seen[key] for seen in (self._before, self._now) if key in seen) for key in sorted(keys)}


class EventChecks:
    """Looks at a few records of each batch that a worker reads, and counts what they say."""

    def __init__(
        self,
        starts: Mapping[str, list[int]],
        topics: Iterable[str],
        holdout: Holdout,
        metrics: Registry = REGISTRY,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._partitions = {topic: len(starts[topic]) for topic in topics}
        self._holdout = holdout
        self._metrics = metrics
        self._steady = steady
        self._clocks = Clocks(steady)
        self._logged: dict[str, float] = {}
        self._exposed_at = float("-inf")
        for topic in self._partitions:
            for place in PLACES:
                metrics.add("reshelf_partition_checks_total", topic, place, by=0)
        for side in SIDES if IMPRESSIONS.name in self._partitions else ():
            metrics.add("reshelf_holdout_checks_total", side, by=0)

    def look_at(self, batch: Batch) -> None:
        """Look at the first of its records, and in a large batch at some more, evenly spread."""
        partitions, records = self._partitions.get(batch.tp.topic), batch.records
        if partitions is None or not records:
            return
        number = min(_MOST, 1 + len(records) // _RECORDS_FOR_ONE_MORE)
        checks = [
            check_event(records[at * len(records) // number], batch.tp, partitions, self._holdout)
            for at in range(number)
        ]
        for check in checks:
            self._clocks.note(batch.tp.topic, check)
        self._count(batch.tp, checks)

    def _count(self, tp: TopicPartition, checks: list[EventCheck]) -> None:
        places = Counter(check.place for check in checks if check.place)
        for place, number in places.items():
            self._metrics.add("reshelf_partition_checks_total", tp.topic, place, by=number)
        for side, number in Counter(check.side for check in checks if check.side).items():
            self._metrics.add("reshelf_holdout_checks_total", side, by=number)
        now = self._steady()
        if now - self._exposed_at >= _EXPOSE_S:
            self._exposed_at, ahead = now, self._clocks.ahead_ms()
            self._metrics.put("reshelf_event_clock_seconds", {key: value / 1000 for key, value in ahead.items()})
        if places[WRONG] and now - self._logged.get(tp.topic, float("-inf")) >= _REST_S:
            self._logged[tp.topic] = now
            log.error("Records of %s are not in the partition of their key. %s", tp, PARTITIONER_REMEDY)


PARTITIONER_REMEDY = (
    "Set partitioner=murmur2_random in the producers that are made with librdkafka (confluent-kafka, node-rdkafka and "
    "others): its default, consistent_random, sends keys elsewhere than Java's clients, so that clicks and purchases "
    "of a unit do not meet and events that are sent again count twice. What was sent before stays where it is; "
    "docs/start/producing.md says how to repair that."
)
