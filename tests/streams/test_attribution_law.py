"""The law of attribution: whatever happens to the workers, the decisions are those of the plain rule."""

from __future__ import annotations

import asyncio
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from tests.streams.attribution_world import GROUPS, Logs, Worker, World, expected, logs


async def live(world: World, workers: int, steps: int) -> None:
    """Random acts of the workers while the logs grow and Redis is rolled back."""
    world.workers = [Worker(world) for _ in range(workers)]
    chance = world.chance
    for _ in range(steps):
        if chance.random() < 0.15:
            world.now += chance.choice([5, 20, 100, 400])
        if chance.random() < 0.03:
            await world.snapshot(chance.randrange(GROUPS))
        if chance.random() < 0.02:
            await world.roll_back(chance.randrange(GROUPS))
        await chance.choice(world.workers).act()


def run(url: str, log: Logs, seed: int, workers: int, steps: int) -> World:
    async def play() -> World:
        async with Redis.from_url(url) as redis:
            await redis.flushall()
            world = World(redis, log, random.Random(seed), meddle=workers > 1)
            await live(world, workers, steps)
            last = Worker(world)
            await last.drain()
            await assert_redis_agrees(last)
            return world

    return asyncio.run(play())


async def assert_redis_agrees(worker: Worker) -> None:
    """Redis holds exactly the clicks that the worker holds."""
    part = worker.part
    assert part is not None
    stored = await part._memory.load(range(GROUPS))
    for group, memory in part.core.memories.items():
        assert stored[group].memory.position == memory.position
        assert stored[group].memory._by_unit == memory._by_unit


@given(log=logs(), seed=st.integers(0, 2**32))
@settings(max_examples=35, suppress_health_check=list(HealthCheck))
def test_one_worker_at_a_time_publishes_each_decision_once(
    redis: SyncRedis, redis_url: str, log: Logs, seed: int
) -> None:
    world = run(redis_url, log, seed, workers=1, steps=120)
    decisions, dead_lettered = expected(log)
    assert world.conversions == decisions
    assert world.dead_lettered == dead_lettered


@given(log=logs(), seed=st.integers(0, 2**32))
@settings(max_examples=35, suppress_health_check=list(HealthCheck))
def test_workers_that_do_not_know_of_each_other_decide_alike(
    redis: SyncRedis, redis_url: str, log: Logs, seed: int
) -> None:
    world = run(redis_url, log, seed, workers=3, steps=160)
    decisions, dead_lettered = expected(log)
    assert set(world.conversions) == set(decisions)
    assert world.dead_lettered == dead_lettered
