"""What a twelve-slot event costs the learner and Redis, when visitors spread over few or many keys.

In this process, against a Redis on this machine and without a broker.  Keys and items come by
Zipf's law; a key shows the slates of a layout, which are of its page's items.  Costs are processor
time, so that others on the machine add little to them; those of a first look at each key and name are apart.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import orjson
from redis.asyncio import Redis

from bench.pages import item_names, slot_names
from bench.shares import zipf
from schemas.errors import ReshelfError
from schemas.topics import IMPRESSIONS
from streams.fold.judge import Rejected
from streams.kafka.records import Batch, Logged, TopicPartition
from streams.settings import FoldSettings
from streams.state.partition import PartitionFold
from streams.state.store import Store

ITEMS, SLOTS, SEGMENTS, VARIANTS = 1_000, 12, 50, 16
SLATES, UNITS = 256, 1_000_000
"""Different slates of all pages, of which each key shows some; visitors."""
HOLDOUT_SHARE = 0.1
GROUPS, FILL_BATCH = 16, 5_000
FOLD = FoldSettings(bucket_ms=0)
TP = TopicPartition(IMPRESSIONS.name, 0)


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of processor for an event, medians of the rounds; `tables` is how many an event adds to.

    `fold_us` is judging and folding, `write_us` carrying over to Redis, `redis_us` what Redis takes for
    it; `first_us` is all three while keys and names are new.
    """

    keys: int
    batch: int
    tables: float
    fold_us: float
    write_us: float
    redis_us: float
    first_us: float

    @property
    def us(self) -> float:
        """All three."""
        return self.fold_us + self.write_us + self.redis_us


class _Visitors:
    """Impressions of one partition without end, the same for the same number of keys but for the time."""

    def __init__(self, keys: int) -> None:
        chance = np.random.default_rng(keys)
        names, slots = item_names(ITEMS), slot_names(SLOTS)
        drawn = np.log(zipf(ITEMS)) + chance.gumbel(size=(SLATES, ITEMS))
        slates = np.argsort(-drawn, axis=1)[:, :SLOTS].tolist()
        shown = [[{"slot": slot, "item": names[at]} for slot, at in zip(slots, row, strict=True)] for row in slates]
        self._slates = [orjson.dumps(slate) for slate in shown]
        self._keys = [
            (f"page-{at // SEGMENTS}", f"segment-{at % SEGMENTS}") for at in chance.permutation(keys).tolist()
        ]
        self._reach = np.cumsum(zipf(keys))
        self._chance = chance
        self._next = 0

    def batches(self, events: int, size: int) -> Iterator[Batch]:
        """`events` of them."""
        for at in range(0, events, size):
            records = self._records(min(size, events - at))
            yield Batch(TP, records[0].offset, records[-1].offset + 1, 0, records)

    def _records(self, count: int) -> list[Logged]:
        chance, now, first = self._chance, time.time_ns() // 1_000_000, self._next
        ranks = np.minimum(np.searchsorted(self._reach, chance.random(count)), len(self._keys) - 1)
        held, variants = chance.random(count) < HOLDOUT_SHARE, chance.integers(0, VARIANTS, count)
        self._next += count
        drawn = (each.tolist() for each in (ranks, chance.integers(0, UNITS, count), np.where(held, -1, variants)))
        return [self._record(first + at, now, *row) for at, row in enumerate(zip(*drawn, strict=True))]

    def _record(self, offset: int, now: int, rank: int, unit: int, variant: int) -> Logged:
        page, segment = self._keys[rank]
        event = {"event_id": f"e{offset}", "occurred_at": now, "unit": f"unit-{unit}", "page": page, "segment": segment}
        event |= {"page_view_id": f"e{offset}", "layout_version": 1, "variant": variant}
        slate = orjson.Fragment(self._slates[(rank * VARIANTS + variant) % SLATES])
        return Logged(offset, now, f"unit-{unit}".encode(), orjson.dumps(event | {"slots": slate}))


@dataclass(slots=True)
class _Spent:
    """Seconds of processor, and how much was done in them."""

    fold: float = 0.0
    write: float = 0.0
    redis: float = 0.0
    events: int = 0
    tables: int = 0

    def us(self, seconds: float) -> float:
        """For one event."""
        return round(seconds / self.events * 1e6, 1)


async def measure(redis: Redis, keys: int, batches: Sequence[int], events: int, rounds: int) -> list[Cost]:
    """The cost with each size of batch, among so many keys; the Redis is emptied first."""
    await redis.flushall()
    visitors = _Visitors(keys)
    part = await PartitionFold.resume(TP, Store(redis, "spread", GROUPS), 0, FOLD, _send_dead_letters)
    run = partial(_run, redis, part)
    first = await run(visitors.batches(max(events, keys), FILL_BATCH))
    # Each key has been seen now, or is seldom.
    await run(visitors.batches(max(events, 2 * keys), FILL_BATCH))
    costs = []
    for size in batches:
        spent = [await run(visitors.batches(events, size)) for _ in range(rounds)]
        fold, write, of_redis = (
            statistics.median(each.us(getattr(each, name)) for each in spent) for name in ("fold", "write", "redis")
        )
        tables = round(statistics.median(each.tables / each.events for each in spent), 2)
        first_us = first.us(first.fold + first.write + first.redis)
        costs.append(Cost(keys, size, tables, fold, write, of_redis, first_us))
    return costs


def growth(costs: Sequence[Cost]) -> dict[int, float]:
    """By size of batch, how many times as much an event costs among the most keys as among the fewest."""
    by_batch: dict[int, list[Cost]] = {}
    for cost in costs:
        by_batch.setdefault(cost.batch, []).append(cost)
    return {size: round(rows[-1].us / rows[0].us, 2) for size, rows in by_batch.items()}


async def _run(redis: Redis, part: PartitionFold, batches: Iterator[Batch]) -> _Spent:
    spent = _Spent()
    for batch in batches:
        before, began = await _redis_s(redis), time.process_time()
        prepared = part.prepare(batch)
        folded = time.process_time()
        await part.commit(prepared)
        written = time.process_time()
        spent.fold += folded - began
        spent.write += written - folded
        spent.redis += await _redis_s(redis) - before
        spent.events += len(batch.records)
        spent.tables += sum(len(delta.tables) for delta in prepared.deltas.values())
    return spent


async def _redis_s(redis: Redis) -> float:
    spent: dict[str, Any] = await redis.info("cpu")
    return float(spent["used_cpu_user"]) + float(spent["used_cpu_sys"])


async def _send_dead_letters(_: TopicPartition, rejected: Sequence[Rejected]) -> None:
    if rejected:
        raise ReshelfError(f"an event of the measurement was refused: {rejected[0].detail}")
