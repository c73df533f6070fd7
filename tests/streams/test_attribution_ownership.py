"""Attribution while its partitions come and go: what was lost in the middle of a step is let be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis

from schemas.errors import StateAttention
from schemas.topics import CLICKS, DEAD_LETTERS
from streams.attribution import agent
from streams.attribution.agent import Attribution
from streams.attribution.worker import Behind, PartitionWorker
from streams.kafka.bounds import Bounds
from streams.kafka.records import Batch, TopicPartition
from streams.settings import AttributionSettings, FoldSettings, KafkaSettings, LearnerSettings, RedisSettings
from streams.state.clicks.progress import READ
from streams.state.clicks.store import Marks
from streams.state.watermark import Watermark
from streams.worker import open_worker
from tests.streams.test_attribution import click

BOTH = frozenset(TopicPartition(topic.name, 0) for topic in READ)


class Reader:
    """The batch reader, as far as attribution tells it something."""

    def __init__(self) -> None:
        self.paused: set[Any] = set()
        self.mine = BOTH

    def pause_partitions(self, names: Iterable[Any]) -> None:
        self.paused |= set(names)

    def resume_partitions(self, names: Iterable[Any]) -> None:
        self.paused -= set(names)

    def owned(self) -> frozenset[TopicPartition]:
        return self.mine

    async def rewind(self, tp: TopicPartition, position: int) -> bool:
        return tp in self.mine


@asynccontextmanager
async def attributing(kafka: KafkaSettings, url: str) -> AsyncIterator[tuple[Attribution, Reader]]:
    """Attribution that was given partition 0."""
    groups = FoldSettings(), LearnerSettings(advance_s=0.01), AttributionSettings()
    async with open_worker(kafka, RedisSettings(url=url, groups=2), FoldSettings(), (DEAD_LETTERS,)) as worker:
        attribution, reader = Attribution(worker, *groups), Reader()
        attribution.app = SimpleNamespace(consumer=reader)  # type: ignore[assignment]
        await attribution.start()
        await attribution.resume(BOTH)
        yield attribution, reader


@pytest.fixture
def kafka(broker: str, redis: Redis, prefix: str, make_topics: Callable[..., None]) -> KafkaSettings:
    make_topics(broker, partitions=1)
    return KafkaSettings(bootstrap=broker, prefix=prefix, partitions=1)


def test_a_part_that_was_lost_during_a_step_pauses_nothing(
    kafka: KafkaSettings, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "HELD_RECORDS", 2)

    async def run() -> None:
        async with attributing(kafka, redis_url) as (attribution, reader):
            old, going_on = attribution._parts[0], asyncio.Event()
            old.worker.feed(Batch(TopicPartition(CLICKS.name, 0), 0, 3, 0, [click(at, 5_000) for at in range(3)]))

            async def step() -> None:
                await going_on.wait()

            async def work() -> None:
                async with old.lock:
                    await attribution._go_on(old, step)

            working = asyncio.create_task(work())
            await asyncio.sleep(0)
            again = asyncio.create_task(attribution.resume(BOTH))
            await asyncio.sleep(0)
            going_on.set()
            await asyncio.gather(working, again)
            assert attribution._parts[0] is not old
            assert not reader.paused

    asyncio.run(run())


def test_a_part_that_is_lost_while_it_is_opened_again_is_forgotten(kafka: KafkaSettings, redis_url: str) -> None:
    async def run() -> None:
        async with attributing(kafka, redis_url) as (attribution, reader):
            part = attribution._parts[0]

            async def step() -> None:
                raise Behind("Redis lost writes")

            async def work() -> None:
                async with part.lock:
                    await attribution._go_on(part, step)

            working = asyncio.create_task(work())
            await asyncio.sleep(0)
            reader.mine = frozenset()
            await asyncio.gather(attribution.revoked(BOTH), working)
            assert not attribution._parts

    asyncio.run(run())


def test_a_part_that_is_not_ours_when_it_is_read_again_is_forgotten(kafka: KafkaSettings, redis_url: str) -> None:
    async def run() -> None:
        async with attributing(kafka, redis_url) as (attribution, reader):
            reader.mine = frozenset()
            await attribution._read_again(attribution._parts[0], Behind("Redis lost writes"))
            assert not attribution._parts

    asyncio.run(run())


def test_a_part_that_is_not_ours_once_it_is_open_is_let_be(kafka: KafkaSettings, redis_url: str) -> None:
    async def run() -> None:
        async with attributing(kafka, redis_url) as (attribution, reader):
            assert attribution._being_read() == [attribution._parts[0]]
            reader.mine = frozenset()
            assert attribution._being_read() == []

    asyncio.run(run())


def test_partitions_that_were_added_are_refused_with_what_to_do(kafka: KafkaSettings, redis_url: str) -> None:
    async def run() -> None:
        async with attributing(kafka, redis_url) as (attribution, _):
            added = frozenset(TopicPartition(topic.name, 1) for topic in READ)
            with pytest.raises(
                StateAttention, match=r"events-clicks/1 is not in namespace 'live'.*reshelf replay --into"
            ):
                await attribution.resume(added)

    asyncio.run(run())


def test_a_part_that_goes_while_it_is_being_opened_keeps_no_store(
    kafka: KafkaSettings, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with attributing(kafka, redis_url) as (attribution, _):
            reached, going_on = asyncio.Event(), asyncio.Event()
            whole = PartitionWorker.open

            async def slow(worker: PartitionWorker, bounds: Bounds) -> dict[str, int]:
                reached.set()
                await going_on.wait()
                worker.store.begin(Marks(Watermark(0)), 0)
                return await whole(worker, bounds)

            monkeypatch.setattr(PartitionWorker, "open", slow)
            opening = asyncio.create_task(attribution.resume(BOTH))
            await reached.wait()
            going = asyncio.create_task(attribution.revoked(BOTH))
            await asyncio.sleep(0.05)
            going_on.set()
            positions, _ = await asyncio.gather(opening, going)
            assert not positions
            assert not attribution._parts
            assert not attribution._stores

    asyncio.run(run())
