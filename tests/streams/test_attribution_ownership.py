"""Attribution while its partitions come and go: what was lost in the middle of a step is let be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
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
from streams.retry import Retry
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


def working_on(take: Callable[[Any, Batch], Any]) -> Any:
    """Attribution with partitions 0 and 1, whose batches go to `take`."""
    parts = {number: SimpleNamespace(number=number, lock=asyncio.Lock()) for number in (0, 1)}
    consumer = SimpleNamespace(is_current=lambda batch: True)
    attribution: Any = SimpleNamespace(
        app=SimpleNamespace(consumer=consumer), _parts=parts, _owns=lambda part: True, _take=take
    )
    attribution._attribute = partial(Attribution._attribute, attribution)
    return attribution


async def stream_of(*numbers: int) -> AsyncIterator[Any]:
    for offset, number in enumerate(numbers):
        batch = Batch(TopicPartition(CLICKS.name, number), offset, offset + 1, 0, [])
        yield SimpleNamespace(value=batch, ack=lambda: None)


def test_a_partition_that_waits_holds_up_no_other_and_its_batches_keep_their_order() -> None:
    async def run() -> None:
        answered, came = asyncio.Event(), list[tuple[int, int]]()

        async def take(part: Any, batch: Batch) -> None:
            if part.number == 0:
                await answered.wait()
            came.append((part.number, batch.start))

        stream = SimpleNamespace(noack=lambda: SimpleNamespace(events=lambda: stream_of(0, 0, 1, 0)))
        await asyncio.wait_for(Attribution.attribute(working_on(take), stream), 10)
        while not came:
            await asyncio.sleep(0)
        assert came == [(1, 2)]
        answered.set()
        while len(came) < 4:
            await asyncio.sleep(0)
        assert came[1:] == [(0, 0), (0, 1), (0, 3)]

    asyncio.run(run())


def test_batches_are_taken_in_while_brokers_are_asked_where_logs_end() -> None:
    async def run() -> None:
        requested, answered, ended = asyncio.Event(), asyncio.Event(), list[int]()

        async def of(number: int) -> dict[str, Any]:
            requested.set()
            await answered.wait()
            return {}

        worker = SimpleNamespace(ended=lambda ends, at_ms: ended.append(at_ms), work=None)
        part: Any = SimpleNamespace(
            number=0, lock=asyncio.Lock(), worker=worker, time=SimpleNamespace(at_least=lambda: 5_000)
        )
        attribution: Any = SimpleNamespace(
            _ends=SimpleNamespace(of=of),
            _retry=Retry(),
            _owns=lambda part: True,
            _settings=AttributionSettings(),
            _go_on=lambda part, step: asyncio.sleep(0),
        )
        looking = asyncio.create_task(Attribution._look(attribution, part))
        await requested.wait()
        assert not part.lock.locked()
        answered.set()
        await looking
        assert ended == [5_000 - AttributionSettings().clock_skew_ms]

    asyncio.run(run())
