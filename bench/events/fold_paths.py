"""What names of any script and fields of a producer's own cost the compiled fold, against plain events.

The same events are written three ways and folded in turn, batch by batch, so that
what else the machine does affects all three equally.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from redis.asyncio import Redis

from bench.events.log import impressions
from reshelf.settings import Settings
from schemas.messages.events import Impression
from schemas.topics import IMPRESSIONS
from streams.fold.fast.path import BUILT
from streams.fold.judge import Rejected
from streams.kafka.records import Batch, Logged, TopicPartition
from streams.state.partition import PartitionFold
from streams.state.store import Store
from streams.state.watermark import Watermark

EVENTS, ROUNDS = 20_000, 5
_BATCH = 500
_TP = TopicPartition(IMPRESSIONS.name, 0)
PLAIN, UNICODE, ESCAPED = "plain", "unicode", "escaped"


@dataclass(frozen=True, slots=True)
class Ratios:
    """Time of a plain event divided by that of another one; None where the compiled fold is missing.

    The other one is of a page called `häuser` and has one field of the producer's own,
    written in UTF-8 or, as `json.dumps` does, with escapes.
    """

    unicode_ratio: float | None
    escaped_ratio: float | None


def measure_paths(settings: Settings, events: int, slots: int) -> Ratios:
    """The medians over the batches of all rounds, from decode to fold."""
    if not BUILT:
        return Ratios(None, None)
    batches = _written(min(events, EVENTS), slots)
    spent: dict[str, list[float]] = {way: [] for way in batches}
    for turn in range(ROUNDS):
        parts = {way: _partition(settings) for way in batches}
        ways = list(batches)[turn % 3 :] + list(batches)[: turn % 3]
        for at in range(len(batches[PLAIN])):
            for way in ways:
                batch = batches[way][at]
                began = time.process_time()
                parts[way].prepare(batch)
                spent[way].append((time.process_time() - began) / len(batch.records))
    median = {way: statistics.median(seconds) for way, seconds in spent.items()}
    return Ratios(round(median[PLAIN] / median[UNICODE], 3), round(median[PLAIN] / median[ESCAPED], 3))


def worst_of(ratios: Iterable[Ratios]) -> Ratios:
    """The smallest of each ratio."""
    rows = list(ratios)
    return Ratios(_least(row.unicode_ratio for row in rows), _least(row.escaped_ratio for row in rows))


def _least(ratios: Iterable[float | None]) -> float | None:
    return min((ratio for ratio in ratios if ratio is not None), default=None)


def _written(events: int, slots: int) -> dict[str, list[Batch]]:
    """The events in each way of writing them, in batches."""
    events_log = list(impressions(events, slots, slots))
    return {
        PLAIN: _batches(events_log, {"page": "hauser"}, ascii_only=True),
        UNICODE: _batches(events_log, {"page": "häuser", "producer": "web-3"}, ascii_only=False),
        ESCAPED: _batches(events_log, {"page": "häuser", "producer": "web-3"}, ascii_only=True),
    }


def _batches(events: Sequence[Impression], changed: dict[str, str], *, ascii_only: bool) -> list[Batch]:
    records = []
    for offset, event in enumerate(events):
        fields = msgspec.to_builtins(event) | changed
        value = json.dumps(fields, separators=(",", ":"), ensure_ascii=ascii_only).encode()
        records.append(Logged(offset, event.occurred_at, event.unit.encode(), value))
    cuts = [records[at : at + _BATCH] for at in range(0, len(records), _BATCH)]
    return [Batch(_TP, cut[0].offset, cut[-1].offset + 1, 0, cut) for cut in cuts]


def _partition(settings: Settings) -> PartitionFold:
    store = Store(Redis(), settings.redis.namespace, settings.redis.groups)
    return PartitionFold(_TP, store, 0, [Watermark(0)] * store.groups, settings.fold, _send_dead_letters, built=True)


async def _send_dead_letters(_: TopicPartition, __: Sequence[Rejected]) -> None:
    """All events fit."""
