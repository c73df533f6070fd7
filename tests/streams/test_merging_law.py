"""Events, late ones too, merges and losses in any order: what the state says is what was counted."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from streams.state.merging import LoadedMerge
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark
from tests.streams.test_merging import TP, State, rows_of

FIRST = 80
STEPS = st.one_of(
    st.tuples(st.just("count"), st.integers(0, 15), st.sampled_from(["a", "b", "c"]), st.sampled_from([1, 2**32 - 1])),
    st.tuples(st.just("merge")),
    st.tuples(st.just("pass"), st.integers(1, 9)),
    st.tuples(st.sampled_from(["load", "write", "read", "change worker", "save", "lose"])),
)


class World(State):
    """One key with two workers; merges may be loaded now and written whenever that is."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self.redis = redis
        self.now = FIRST * 1_000
        self.asleep: list[LoadedMerge] = []
        self.other = Store(redis, "m", 1)
        self.held = self.reader()
        self.saved: dict[bytes, bytes] = {}
        self.then = (0, self.now, self.counted[:])

    async def step(self, kind: str, *how: Any) -> None:
        match kind:
            case "count":
                back, item, clicks = how
                await self.count(self.now // 1_000 - back, self.now, item, clicks)
            case "pass":
                self.now += how[0] * 1_000
                await self.store.apply(TP, 0, [GroupUpdate(0, self.offset, Watermark(self.offset + 1, self.now))])
                self.offset += 1
            case "merge":
                await self.merge()
            case "load":
                self.asleep += await self.merger.read(await self.merger.due(0))
            case "write":
                await self.merger.write(self.asleep)
                self.asleep = []
            case "read":
                await self.held.read("p", "s")
            case "change worker":
                self.store, self.other = self.other, self.store
            case _:
                await self.lose() if kind == "lose" else await self.save()

    async def save(self) -> None:
        self.saved = {name: await self.redis.dump(name) or b"" async for name in self.redis.scan_iter()}
        self.then = (self.offset, self.now, self.counted[:])

    async def lose(self) -> None:
        """Redis comes back with what was saved last, and the log is read again from another place."""
        await self.redis.flushall()
        for name, content in self.saved.items():
            await self.redis.restore(name, 0, content)
        self.offset, self.now, counted = self.then
        self.counted = counted[:]

    async def check(self) -> None:
        """Export and readers say the same, to the last bit."""
        expected = self.plain_rows(self.now)
        assert await self.rows() == expected
        for reader in (self.held, self.reader()):
            assert rows_of((await reader.read("p", "s")).tables) == expected


@given(st.lists(STEPS, max_size=40))
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_whatever_is_merged_and_comes_late_all_is_counted_once(
    redis: SyncRedis, redis_url: str, steps: list[tuple[Any, ...]]
) -> None:
    async def run() -> None:
        async with Redis.from_url(redis_url) as client:
            await client.flushall()
            world = World(client)
            for step in steps:
                await world.step(*step)
            await world.check()
            await world.merger.write(world.asleep)
            await world.check()
            await world.merge()
            await world.check()

    asyncio.run(run())
