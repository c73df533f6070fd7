"""What readers hold: whatever they let go, and whatever happened meanwhile, they say what Redis says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from streams.catalog.candidates import CandidateSet
from streams.catalog.weighted_counts import WeightedCounts, WeightedCountsCache
from streams.catalog.weights import weights
from streams.fold.deltas import WHOLE_PAGE, GroupDelta, TableDelta, TableKey, Traffic
from streams.kafka.records import TopicPartition
from streams.metrics import Registry
from streams.settings import FoldSettings
from streams.state.arrays.tables import Table
from streams.state.expiry import expire
from streams.state.keys import group_of
from streams.state.manifest import manifest_of
from streams.state.merging import Merger
from streams.state.reader import StateReader
from streams.state.reading.memory import MB, StateMemory
from streams.state.reading.tables import table_keys
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark

TP = TopicPartition("events-clicks", 0)
FOLD = FoldSettings(bucket_ms=1_000, bucket_ttl_ms=12_000)
GROUPS, PAGES, SEGMENTS = 2, ("p", "q"), ("a", "b", WHOLE_PAGE)
ITEMS, SLOTS = tuple(f"i{number}" for number in range(5)), ("top", "left")
HALF_LIFE_MS = 3_000
TINY_MB = 0.004
"""Room for a key or two."""

writes = st.tuples(
    st.just("write"),
    st.sampled_from(PAGES),
    st.sampled_from(SEGMENTS),
    st.integers(0, 6),
    st.sampled_from(list(Traffic)),
    st.sampled_from([*ITEMS, "other"]),
)
steps = st.one_of(
    writes,
    writes,
    st.tuples(st.just("pass"), st.sampled_from([1, 2, 5, 20])),
    st.sampled_from([("merge",), ("expire",), ("save",), ("lose",)]),
    st.tuples(st.just("take down"), st.sampled_from(PAGES)),
)


class World:
    """A state that is written to, merged, dropped and lost, and readers that stay."""

    def __init__(self, redis: Redis) -> None:
        self.redis, self.now = redis, 100_000
        self.store = Store(redis, "m", GROUPS)
        self.manifest = manifest_of("m", "", {TP.topic: [0]}, GROUPS, FOLD)
        self.merger = Merger(self.store, FOLD, [TP], rest_s=0)
        self.readers = [StateReader(redis, self.manifest, memory=StateMemory(mb)) for mb in (TINY_MB, 100.0)]
        self.listing = StateReader(redis, self.manifest)
        self.sums = [WeightedCountsCache(reader.memory.room) for reader in self.readers]
        for reader, sums in zip(self.readers, self.sums, strict=True):
            reader.memory.on_evict(sums.forget)
        self.candidates = CandidateSet(ITEMS)
        self.saved: dict[bytes, bytes] = {}

    async def step(self, kind: str, *how: Any) -> None:
        match kind:
            case "write":
                await self.write(*how)
            case "pass":
                self.now += how[0] * FOLD.bucket_ms
                for group in range(GROUPS):
                    await self.apply(group, None)
            case "merge":
                for group in range(GROUPS):
                    await self.merger.carry_out(await self.merger.due(group))
            case "expire":
                await expire(self.store, FOLD, [TP])
            case "take down":
                self.take_down(*how)
            case "save":
                self.saved = {name: await self.redis.dump(name) or b"" async for name in self.redis.scan_iter()}
            case "lose":
                await self.lose()

    def take_down(self, page: str) -> None:
        for reader in self.readers:
            reader.memory.keep_pages(set(PAGES) - {page})

    async def lose(self) -> None:
        await self.redis.flushall()
        for name, content in self.saved.items():
            await self.redis.restore(name, 0, content)

    async def write(self, page: str, segment: str, back: int, traffic: Traffic, item: str) -> None:
        bucket = (self.now // FOLD.bucket_ms - back) * FOLD.bucket_ms
        amounts: dict[str, dict[Any, int]] = {
            "impressions": {(item, slot): 3 for slot in SLOTS},
            "clicks": {(item, "top"): 1},
            "conversions": {item: 1},
        }
        group = group_of(page, segment, GROUPS)
        await self.apply(group, GroupDelta({TableKey(page, segment, bucket, traffic): TableDelta(amounts)}))

    async def apply(self, group: int, delta: GroupDelta | None) -> None:
        offset = (await self.store.watermarks(TP, 0))[group].offset
        await self.store.apply(TP, 0, [GroupUpdate(group, offset, Watermark(offset + 1, self.now), delta)])

    async def check(self) -> None:
        """All that is held says what is there."""
        stored = {(key.page, key.segment) for keys in self.store.keys for key in await table_keys(self.redis, keys)}
        assert await self.listing.keys() == stored
        for page in PAGES:
            fresh = StateReader(self.redis, self.manifest)
            assert await fresh.keys() == stored
            for segment in SEGMENTS:
                await self.compare(page, segment, fresh)

    async def compare(self, page: str, segment: str, fresh: StateReader) -> None:
        async def read(reader: StateReader) -> Sequence[Table]:
            if segment == WHOLE_PAGE:
                return (await reader.read_page(page, SEGMENTS)).tables
            return (await reader.read(page, segment)).tables

        tables = await read(fresh)
        anew = arrays(WeightedCounts(self.candidates, SLOTS), tables)
        for reader, cache in zip(self.readers, self.sums, strict=True):
            again = await read(reader)
            assert contents(again) == contents(tables)
            sums = cache.of((page, segment), self.candidates, SLOTS)
            assert all(np.array_equal(one, other) for one, other in zip(arrays(sums, again), anew, strict=True))


def arrays(sums: WeightedCounts, tables: Sequence[Table]) -> list[Any]:
    """All that is summed once the sums hold these tables."""
    weight_of = weights(tables, HALF_LIFE_MS)
    sums.move_to(tables, weight_of)
    sold = sums.stages.move_to(tables, weight_of, None, ()).sold
    parts = (sums.impressions, sums.clicks, sums.conversions)
    return [*(each for part in parts for each in part.values()), *sold]


def contents(tables: Sequence[Table]) -> Counter[tuple[Any, ...]]:
    """What tables count, whatever the order of their rows and columns."""
    cells: Counter[tuple[Any, ...]] = Counter()
    for one in tables:
        for at, item in enumerate(one.items):
            for column, slot in enumerate(one.slots):
                cells[one.segment, one.buckets, one.traffic, item, slot] += int(one.impressions[at, column])
            cells[one.segment, one.buckets, one.traffic, item] += int(one.conversions[at])
    return cells


def count(page: str, segment: str, back: int = 0) -> tuple[Any, ...]:
    return "write", page, segment, back, Traffic.LEARNED, "i0"


@example([count("p", "a"), count("p", "b"), ("pass", 20), count("p", "a"), ("expire",), ("merge",)])
@example([count("p", "a", 6), count("p", "a", 5), count("p", "b"), ("pass", 5), ("merge",), count("p", "a", 6)])
@example([count("p", "a"), ("save",), count("p", "b"), ("lose",), count("q", "b"), count("q", "a"), ("pass", 1)])
@given(st.lists(steps, min_size=4, max_size=14))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_readers_say_what_redis_says_whatever_they_let_go_and_whatever_happens(
    redis: SyncRedis, redis_url: str, history: list[tuple[Any, ...]]
) -> None:
    """Keys by what was written since, sums by differences, tables under a tiny bound: as from scratch."""

    async def run() -> None:
        async with Redis.from_url(redis_url) as client:
            await client.flushall()
            world = World(client)
            for step in history:
                await world.step(*step)
                await world.check()

    asyncio.run(run())


def test_nothing_is_held_of_pages_that_were_taken_down(redis: SyncRedis, redis_url: str) -> None:
    async def run() -> None:
        async with Redis.from_url(redis_url) as client:
            world = World(client)
            memory = (reader := world.readers[1]).memory
            for page in PAGES:
                await world.write(page, "a", 0, Traffic.LEARNED, "i0")
                await reader.read(page, "a")
            size = memory.size
            memory.keep_pages({"p"})
            assert 0 < memory.size < size
            assert memory.get("p", "a") and not memory.get("q", "a")
            memory.forget("p", "a")
            assert memory.size == 0

    asyncio.run(run())


def test_a_look_for_keys_costs_what_was_written_since(redis: SyncRedis, redis_url: str) -> None:
    async def run() -> None:
        async with Redis.from_url(redis_url) as client:
            world = World(client)
            for at in range(40):
                await world.write("p", f"s{at}", 0, Traffic.LEARNED, "i0")
            assert len(await world.listing.new_keys()) == 40
            listed = world.listing.revisions.listed
            await world.write("p", "s7", 0, Traffic.LEARNED, "i1")
            await world.write("p", "new", 3, Traffic.HOLDOUT, "i1")
            assert await world.listing.new_keys() == [("p", "new")]
            assert world.listing.revisions.listed == listed + 2

    asyncio.run(run())


def test_only_segments_that_were_written_are_read_again(redis: SyncRedis, redis_url: str) -> None:
    async def run() -> None:
        async with Redis.from_url(redis_url) as client:
            world, names = World(client), [f"s{at}" for at in range(12)]
            for name in names:
                await world.write("p", name, 0, Traffic.LEARNED, "i0")
            reader = world.listing
            before = {part.segment: part for part in parts(await reader.read_page("p", names))}
            await world.write("p", "s3", 0, Traffic.LEARNED, "i0")
            after = {part.segment: part for part in parts(await reader.read_page("p", names))}
            assert [name for name in names if after[name] is not before[name]] == ["s3"]

    asyncio.run(run())


def parts(state: Any) -> Any:
    return state.tables.parts


def test_memory_stays_within_its_bound_and_says_what_it_let_go(redis: SyncRedis, redis_url: str) -> None:
    async def run() -> None:
        async with Redis.from_url(redis_url) as client:
            world, metrics, gone = World(client), Registry(), list[tuple[str, str]]()
            memory = StateMemory(0.05, "layouts.memory_mb", metrics)
            memory.on_evict(lambda *name: gone.append(name))
            reader = StateReader(client, world.manifest, memory=memory)
            for at in range(60):
                await world.write("p", f"s{at}", 0, Traffic.LEARNED, "i0")
            for _ in range(2):
                for at in range(60):
                    await reader.read("p", f"s{at}")
            assert memory.size <= memory.limit == round(0.05 * MB)
            assert metrics.value("reshelf_state_memory_bytes", "layouts.memory_mb", "tables") == memory.size
            counted = {
                result: metrics.value("reshelf_state_keys_read_total", "layouts.memory_mb", result)
                for result in ("read", "again", "evicted")
            }
            assert counted == {"read": 60, "again": 60, "evicted": len(gone)}
            assert 0.8 < metrics.value("reshelf_state_memory_used_ratio", "layouts.memory_mb") <= 1.0
            assert gone[:2] == [("p", "s0"), ("p", "s1")], "the least recently used go first"

    asyncio.run(run())


def test_what_else_the_process_holds_is_left_room_for() -> None:
    beside, metrics = [0], Registry()
    memory = StateMemory(8, "layouts.memory_mb", metrics, lambda: beside[0])
    limits = []
    for taken_mb in (0, 3, 100):
        beside[0] = taken_mb * MB
        limits.append(memory.limit // MB)
    assert limits == [8, 5, 4]
    assert memory.room() == 4 * MB
