"""The law of attribution: whatever happens to the workers, the decisions are those of the plain rule."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from tests.streams.attribution_world import Logs, Worker, World, expected, logs


async def live(world: World, workers: int, steps: int) -> None:
    """Random acts of the workers while the logs grow and Redis is rolled back."""
    world.workers = [Worker(world, f"worker-{number}") for number in range(workers)]
    chance = world.chance
    for _ in range(steps):
        if chance.random() < 0.15:
            world.now += chance.choice([5, 20, 100, 400])
        if chance.random() < 0.03:
            await world.take_snapshot()
        if chance.random() < 0.02:
            await world.roll_back()
        if chance.random() < 0.03:
            world.lose_clicks()
        await chance.choice(world.workers).act()


def run(url: str, log: Logs, seed: int, workers: int, steps: int) -> World:
    async def play(folder: Path) -> World:
        async with Redis.from_url(url) as redis:
            await redis.flushall()
            world = World(redis, log, random.Random(seed), meddle=workers > 1, folder=folder)
            await live(world, workers, steps)
            last = world.chance.choice([Worker(world, "another machine"), world.workers[0]])
            await last.drain()
            await assert_all_agree(last)
            for worker in (last, *world.workers):
                worker.end()
            return world

    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        return asyncio.run(play(Path(folder)))


async def assert_all_agree(worker: Worker) -> None:
    """Redis and the clicks on disk are where the worker is."""
    part = worker.part
    assert part is not None
    assert (await part._progress.load()).position == part.core.position
    marks = part.store.marks
    assert marks is not None
    assert (marks.clicks, marks.signals) == (part.core.position.clicks, part.core.position.signals)


@given(log=logs(), seed=st.integers(0, 2**32))
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
def test_one_worker_at_a_time_publishes_each_decision_once(
    redis: SyncRedis, redis_url: str, log: Logs, seed: int
) -> None:
    world = run(redis_url, log, seed, workers=1, steps=120)
    decisions, dead_lettered = expected(log)
    assert world.outcomes == decisions
    assert world.dead_lettered == dead_lettered
    assert world.letters_of_each == dict.fromkeys(dead_lettered, 1)


@given(log=logs(), seed=st.integers(0, 2**32))
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
def test_workers_that_do_not_know_of_each_other_decide_alike(
    redis: SyncRedis, redis_url: str, log: Logs, seed: int
) -> None:
    world = run(redis_url, log, seed, workers=3, steps=160)
    decisions, dead_lettered = expected(log)
    assert {repr(one) for one in world.outcomes} == {repr(one) for one in decisions}
    assert world.dead_lettered == dead_lettered
