"""How costs grow: with the keys of the state, a page's items and its slots.

In this process, against a Redis on this machine and without a broker:

- microseconds for an event on its way from bytes into Redis (judged, folded,
  applied by the script), in batches of BATCH;
- bytes of Redis: MEMORY USAGE of all keys of the state;
- milliseconds for a layout: composed anew after one of its two tables (learned
  traffic, holdout) changed, with sums kept from before, as the producer does.

Hot events go to 10 keys whatever else the state holds: their cost must not grow.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
from redis.asyncio import Redis

from bench.pages import PAGE, SEGMENT, Size, item_names, page, slot_names, state
from schemas.errors import ReshelfError
from schemas.messages.events import Impression, SlotItem
from schemas.topics import CLICKS, IMPRESSIONS
from streams.catalog.weighted_counts import WeightedCounts
from streams.fold.deltas import GroupDelta, TableDelta, TableKey, Traffic
from streams.fold.judge import Rejected
from streams.kafka.records import Batch, TopicPartition
from streams.layouts.compose import compose
from streams.page_settings import LayoutSettings
from streams.settings import FoldSettings
from streams.state.keys import group_of
from streams.state.partition import PartitionFold
from streams.state.reader import KeyState
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark

BATCH = 500
GROUPS = 16
HOT = 10
SEGMENTS = 10
FILL_EVENTS = 4
FOLD = FoldSettings(bucket_ms=0, max_keys=1_000_000, max_items=10_000_000, max_slots=1_000_000)
EVENTS_TP, FILL_TP = TopicPartition(IMPRESSIONS.name, 0), TopicPartition(CLICKS.name, 0)

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ByKeys:
    """`hot_us` is an event's cost on 10 keys, `spread_us` on all; each key holds FILL_EVENTS impressions or more."""

    keys: int
    hot_us: float
    spread_us: float
    redis_bytes_per_key: int


@dataclass(frozen=True, slots=True)
class ByPage:
    """One key in one bucket, each item counted in each slot of learned traffic.

    `redis_bytes` is all that Redis holds for that: counts, directories, revision, index.
    """

    items: int
    slots: int
    event_us: float
    redis_bytes: int
    layout_ms: float


@dataclass(frozen=True, slots=True)
class _Record:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class _Feed:
    """Batches of impressions for one partition, from offset 0 on; every run makes the same but for the times."""

    def __init__(self, size: Size, seed: int) -> None:
        self._chance = random.Random(seed)
        self._items, self._slots = item_names(size.items), slot_names(size.slots)
        self._now = time.time_ns() // 1_000_000
        self._next = 0

    def batches(self, keys: Sequence[Key], events: int) -> Iterator[Batch]:
        """`events` of them, the keys in turn."""
        for begin in range(0, events, BATCH):
            count = min(BATCH, events - begin)
            records = [self._record(keys[(begin + at) % len(keys)]) for at in range(count)]
            yield Batch(EVENTS_TP, self._next - count, self._next, 0, records)

    def _record(self, key: Key) -> _Record:
        offset, chance = self._next, self._chance
        self._next += 1
        unit, name = f"unit-{chance.randrange(50_000)}", f"event-{offset}"
        slots = [SlotItem(slot, chance.choice(self._items)) for slot in self._slots]
        event = Impression(name, self._now, unit, *key, name, 1, chance.randrange(16), slots)
        return _Record(offset, self._now, unit.encode(), msgspec.json.encode(event))


async def by_keys(redis: Redis, keys: int, size: Size, events: int, rounds: int) -> ByKeys:
    """Fill a state of `keys` and measure it; the Redis is emptied first."""
    await redis.flushall()
    names = [(f"page-{number // SEGMENTS}", f"segment-{number % SEGMENTS}") for number in range(keys)]
    feed, part = _Feed(size, keys), await _partition(Store(redis, "scale", GROUPS))
    await _timed(part, list(feed.batches(names, keys * FILL_EVENTS)))
    held = await _bytes(redis)
    hot = await _event_us(part, feed, names[:HOT], events, rounds)
    spread = await _event_us(part, feed, names, events, rounds)
    return ByKeys(keys, hot, spread, round(held / keys))


async def by_page(redis: Redis, size: Size, events: int, rounds: int) -> ByPage:
    """Count every item in every slot and measure it; the Redis is emptied first."""
    await redis.flushall()
    store = Store(redis, "scale", GROUPS)
    impressions = {(item, slot): 100 for item in item_names(size.items) for slot in slot_names(size.slots)}
    amounts = {"impressions": impressions, "clicks": dict.fromkeys(impressions, 5)}
    delta = GroupDelta({TableKey(PAGE, SEGMENT, 0, Traffic.LEARNED): TableDelta(amounts)})
    await store.apply(FILL_TP, 0, [GroupUpdate(group_of(PAGE, SEGMENT, GROUPS), 0, Watermark(1), delta)])
    held = await _bytes(redis)
    cost = await _event_us(await _partition(store), _Feed(size, 1), [(PAGE, SEGMENT)], events, rounds)
    return ByPage(size.items, size.slots, cost, held, layout_ms(size, rounds))


def layout_ms(size: Size, rounds: int) -> float:
    """The median time of one layout, after one that does not count."""
    shelf, settings = page(size), LayoutSettings()
    changed = [state(size, 1), state(size, 2)]
    changed[1] = KeyState((changed[1].tables[0], changed[0].tables[1]), changed[1].watermarks)
    weighted_counts = WeightedCounts(shelf.candidates, tuple(shelf.rules.slots))
    times = []
    for turn in range(max(rounds, 3) * 2 + 1):
        began = time.perf_counter()
        compose(SEGMENT, changed[turn % 2], shelf, settings, 1, weighted_counts)
        times.append(time.perf_counter() - began)
    return round(statistics.median(times[1:]) * 1000, 3)


def growth(rows: Sequence[ByKeys] | Sequence[ByPage], name: str) -> float:
    """How many times as much the last row takes as the first."""
    return round(float(getattr(rows[-1], name)) / float(getattr(rows[0], name)), 2)


async def _partition(store: Store) -> PartitionFold:
    return await PartitionFold.resume(EVENTS_TP, store, 0, FOLD, _send_dead_letters)


async def _send_dead_letters(_: TopicPartition, rejected: Sequence[Rejected]) -> None:
    if rejected:
        raise ReshelfError(f"an event of the measurement was refused: {rejected[0].detail}")


async def _event_us(part: PartitionFold, feed: _Feed, keys: Sequence[Key], events: int, rounds: int) -> float:
    """The median over the rounds, after one that does not count."""
    times = [await _timed(part, list(feed.batches(keys, events))) for _ in range(rounds + 1)]
    return round(statistics.median(times[1:]) / events * 1e6, 2)


async def _timed(part: PartitionFold, batches: Sequence[Batch]) -> float:
    began = time.perf_counter()
    for batch in batches:
        await part.commit(part.prepare(batch))
    return time.perf_counter() - began


async def _bytes(redis: Redis) -> int:
    """What Redis holds for all its keys; sets are weighed member by member."""
    pipeline = redis.pipeline(transaction=False)
    async for name in redis.scan_iter(count=1_000):
        pipeline.memory_usage(name, samples=0)
    return sum(int(size) for size in await pipeline.execute())
