"""What becomes of each record: accepted, skipped, or invalid with a reason.

A verdict depends on the partition's log and the fold settings alone.  It is
made once for an offset and kept with the batch, so that folding again after a
conflict never asks twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from schemas.codec import bad_record
from schemas.dead_letters import DeadLetter
from schemas.foreign_content import key_of
from schemas.times import odd_unit
from schemas.topic import Topic
from schemas.topics import IMPRESSIONS
from streams.fold.fast.path import BUILT, event_rules, fast_events_of, make_event_path, make_fast_path, recent_names
from streams.fold.names.quota import NewNames, Refusal
from streams.fold.window import Kind, RecentNames, reach_of, without_repeated
from streams.kafka.records import Record, TopicPartition
from streams.settings import FoldSettings

if TYPE_CHECKING:
    from streams.fold.fast.compiled import EventPath, FastEvents, FastPath

Admit = Callable[["Accepted"], Refusal | None]
DUPLICATE, FORGOTTEN, ROBOT, REPEATED, UNDECLARED = "duplicate", "forgotten", "robot", "repeated", "undeclared"
SKIPPED = (DUPLICATE, FORGOTTEN, ROBOT, REPEATED, UNDECLARED)
QUOTA = "quota"
"""Why a record is skipped: it does not count, and is not dead-lettered."""
LARGEST_DEAD_LETTER = 900_000
"""In bytes; producers and topics take 1,000,000, with what a dead letter adds."""
Marks = tuple[bool, bool, bool]
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError)


class Accepted(NamedTuple):
    """An event that counts; `new_*` say whether its page view, unit or order is new on the partition lately."""

    offset: int
    bucket: int
    event: Any
    new_view: bool
    new_unit: bool
    new_order: bool


class Rejected(NamedTuple):
    """A record for the dead letters."""

    record: Record
    reason: str
    detail: str

    def dead_letter(self, tp: TopicPartition) -> DeadLetter:
        """The record whole, or without its content where that is too much for one record more."""
        record, detail = self.record, self.detail
        key, value, headers = record.key, record.value, tuple(record.headers)
        size = len(key or b"") + len(value or b"") + sum(len(name) + len(text or b"") for name, text in headers)
        if size > LARGEST_DEAD_LETTER:
            detail = f"{detail} (its {size} bytes do not fit into a dead letter: read them at its offset)"
            key, value, headers = (key or b"")[:1_000], None, ()
        return DeadLetter(*tp, record.offset, self.reason, detail, key, value, headers, record.timestamp)


SendDeadLetters = Callable[[TopicPartition, Sequence[Rejected]], Awaitable[None]]
"""Publishes the rejected records of a partition to the dead letters and waits for the acknowledgements."""


@dataclass(slots=True)
class Judged:
    """The verdicts on consecutive records, by kind, each in the order of the log.

    `fast_events` are those that the fast path accepted; `accepted` the others.  `skipped` holds offsets by verdict,
    `refusals` how many records are over which quota, by its setting, with the newest of each.
    """

    accepted: list[Accepted] = field(default_factory=list)
    fast_events: FastEvents | None = None
    rejected: list[Rejected] = field(default_factory=list)
    skipped: dict[str, list[int]] = field(default_factory=lambda: {verdict: [] for verdict in SKIPPED})
    refusals: dict[str, tuple[int, Refusal]] = field(default_factory=dict)

    def refuse(self, record: Record, refusal: Refusal) -> None:
        """Reject a record that is over a quota."""
        count, _ = self.refusals.get(refusal.setting, (0, refusal))
        self.refusals[refusal.setting] = count + 1, refusal
        self.rejected.append(Rejected(record, QUOTA, str(refusal)))

    def tally(self, floor: int | None) -> Counter[str]:
        """How many records got which verdict: all, or those at or above the offset `floor`."""
        if floor is None:
            verdicts = Counter(rejection.reason for rejection in self.rejected)
            verdicts["applied"] = len(self.accepted) + (len(self.fast_events) if self.fast_events else 0)
            verdicts.update({verdict: len(offsets) for verdict, offsets in self.skipped.items()})
        else:
            verdicts = Counter(rejection.reason for rejection in self.rejected if rejection.record.offset >= floor)
            verdicts["applied"] = sum(accepted.offset >= floor for accepted in self.accepted)
            verdicts["applied"] += self.fast_events.since(floor) if self.fast_events else 0
            skipped = self.skipped.items()
            verdicts.update({verdict: sum(at >= floor for at in offsets) for verdict, offsets in skipped})
        return +verdicts


def bucket_of(time_ms: int, bucket_ms: int) -> int:
    """Start of the time bucket that holds `time_ms`; 0 where there is one bucket for all time."""
    return time_ms - time_ms % bucket_ms if bucket_ms else 0


class Judge:
    """Judges the records of one partition of an event topic, in order of their offsets.

    To be fed from the beginning of the window before the first verdict that is used, or with a
    window that knows what came before; verdicts on warm-up records are to be thrown away.  With
    `built` the compiled fast path takes what is plain.
    """

    def __init__(
        self, topic: Topic, settings: FoldSettings, built: bool = BUILT, recent: RecentNames | None = None
    ) -> None:
        assert topic.message is not None
        self._decode: Callable[[Any], Any] = msgspec.json.Decoder(topic.message).decode
        self._settings = settings
        self._rules = rules = event_rules(topic, settings)
        self.newest = 0
        """The largest append time so far (ms); a worker that resumes sets it from its watermark."""
        self.recent = recent or recent_names(reach_of(topic, settings), built)
        self._topic = topic
        self._forgets = bool(topic.tombstone)
        self._time = attrgetter(topic.time_field)
        self._built = built and topic is IMPRESSIONS
        self._fast_path: FastPath | None = self._new_fast_path()
        self._full, self._bucket = False, -1
        self._mark: Callable[[Any], Marks] = lambda _: (False, False, False)
        if rules.marks_views:
            self._mark = self._mark_view
        elif rules.marks_orders:
            self._mark = self._mark_order
        self._event_path: EventPath | None = None
        if built and topic is not IMPRESSIONS and not topic.parts:
            self._event_path = make_event_path(self._decode, Accepted, self._rules, settings, self.recent)

    def judge(
        self,
        records: Sequence[Record],
        first: int = 0,
        admit: Admit | None = None,
        new_names: NewNames | None = None,
    ) -> Judged:
        """The verdicts on `records`, which continue what was judged before.

        Those below offset `first` only warm the windows up.  `admit` says why an event
        is over a quota of names, if it is; it is not asked where the fast path finds room in `new_names`.
        """
        judged = Judged()
        if self._full:
            self._fast_path, self._full = self._new_fast_path(), False
        listed, at = list(records), 0
        if self._fast_path is None:
            self._judge_events(listed, judged, first, admit)
            return judged
        judged.fast_events = fast_events = fast_events_of(self._fast_path)
        while at < len(listed):
            at = self._fast_path.take(listed, at, first, self.newest, fast_events, judged.skipped, new_names)
            self.newest = self._fast_path.newest
            if new_names is not None:
                new_names.settle()
            if at < len(listed):
                self._judge_record(listed[at], judged, first, admit)
                at += 1
        self._note_bucket(self._fast_path)
        return judged

    def _judge_events(self, records: list[Record], judged: Judged, first: int, admit: Admit | None) -> None:
        at = 0
        while at < len(records):
            if self._event_path is not None:
                refused: list[tuple[Record, Refusal]] = []
                accepted, skipped = judged.accepted, judged.skipped
                at = self._event_path.take(records, at, first, self.newest, accepted, skipped, admit, refused)
                self.newest = self._event_path.newest
                for record, refusal in refused:
                    judged.refuse(record, refusal)
            if at < len(records):
                self._judge_record(records[at], judged, first, admit)
                at += 1

    def admit_names(self, accepted: Accepted, groups_of: Callable[[str, str], tuple[int, int]]) -> None:
        """Take over for the fast path that the quota has admitted an event; `groups_of` names those of key and page."""
        if self._fast_path is not None:
            event = accepted.event
            self._fast_path.admit_names(event, accepted.bucket, groups_of(event.page, event.segment))

    def _note_bucket(self, fast_path: FastPath) -> None:
        """It knows names by bucket: once a newer one begins, those of the ones before are hardly met again."""
        newer = fast_path.bucket > self._bucket
        self._full = self._full or fast_path.full or (newer and self._bucket >= 0)
        self._bucket = max(self._bucket, fast_path.bucket)

    def _new_fast_path(self) -> FastPath | None:
        return make_fast_path(self._settings, self.recent) if self._built else None

    def _judge_record(self, record: Record, judged: Judged, first: int, admit: Admit | None) -> None:
        value, offset = record.value, record.offset
        self.newest = max(self.newest, record.timestamp)
        self.recent.enter(offset, record.timestamp)
        robot = self._is_robot(record)
        if value is None and self._forgets and record.key:
            judged.skipped[FORGOTTEN].append(offset)
            return
        try:
            event = self._decode(value)
        except _DECODE_ERRORS as error:
            bad = bad_record(value, error)
            if offset >= first:
                judged.rejected.append(Rejected(record, bad.reason, bad.detail))
            return
        marks = self._mark(event)
        new = self._without_repeated(record, event)
        if self.recent.seen(Kind.EVENT, event.event_id):
            judged.skipped[DUPLICATE].append(offset)
            return
        if offset >= first:
            verdict = ROBOT if robot else REPEATED if new is None else UNDECLARED if self._undeclared(event) else ""
            self._weigh(record, new or event, marks, verdict, judged, admit)

    def _weigh(
        self, record: Record, event: Any, marks: Marks, verdict: str, judged: Judged, admit: Admit | None
    ) -> None:
        """Accept an event that is no duplicate, or say why not."""
        time_ms = self._time(event)
        accepted = Accepted(record.offset, bucket_of(time_ms, self._settings.bucket_ms), event, *marks)
        if invalid := self._invalid(record, event, time_ms):
            judged.rejected.append(invalid)
        elif verdict:
            judged.skipped[verdict].append(record.offset)
        elif admit is not None and (refusal := admit(accepted)):
            judged.refuse(record, refusal)
        else:
            judged.accepted.append(accepted)

    def _undeclared(self, event: Any) -> bool:
        """Whether it is of a kind of signals that the namespace does not count."""
        return self._rules.kinds is not None and event.kind not in self._rules.kinds

    def _is_robot(self, record: Record) -> bool:
        """Whether its key has brought more than a person would; records of every kind are counted."""
        most = self._rules.most
        return bool(most) and self.recent.count(record.key or b"") > most

    def _without_repeated(self, record: Record, event: Any) -> Any:
        """The event without what its unit reported lately, None where that is all; noted for duplicates too."""
        topic = self._topic
        if record.key != event.unit.encode():
            return event
        if topic.parts:
            return without_repeated(topic, event, self.recent.part_seen)
        if not topic.once_per_slot:
            return event
        click = f"{event.page}\n{event.unit}\n{event.page_view_id}\n{event.slot}"
        return None if self.recent.seen(Kind.CLICK, click) else event

    def _mark_view(self, event: Any) -> Marks:
        """Noted for duplicates too: what a warm-up sees must not depend on what came before it."""
        new_view = not self.recent.seen(Kind.VIEW, f"{event.page}\n{event.page_view_id}")
        new_unit = not self.recent.seen(Kind.UNIT, f"{event.page}\n{event.unit}")
        return new_view, new_unit, False

    def _mark_order(self, event: Any) -> Marks:
        return False, False, not self.recent.seen(Kind.ORDER, f"{event.page}\n{event.order_id}")

    def _invalid(self, record: Record, event: Any, time_ms: int) -> Rejected | None:
        """Why the record breaks a rule that all events share, if it does."""
        key = record.key
        if key is None or key != event.unit.encode():
            said = f"; the key {named}" if (named := key_of(key)) else ""
            return Rejected(record, "key", f"expected the unit {event.unit!r} as key, got {key!r}"[:500] + said)
        lateness, limits = record.timestamp - time_ms, self._settings
        if limits.max_clock_skew_ms and -lateness > limits.max_clock_skew_ms:
            return Rejected(
                record, "early", f"event time is {-lateness} ms after append time, limit {limits.max_clock_skew_ms}"
            )
        rules = self._rules
        if rules.late and lateness > rules.late:
            detail = odd_unit(time_ms) or f"append time is {lateness} ms after event time, limit {rules.late}"
            return Rejected(record, "late", detail)
        if rules.life and bucket_of(time_ms, limits.bucket_ms) + rules.life < self.newest:
            return Rejected(record, "late", f"append time is {lateness} ms after event time: its bucket is gone")
        if rules.currency is None or event.currency == rules.currency:
            return None
        return Rejected(record, "currency", f"expected amounts in {rules.currency}, got {event.currency}")
