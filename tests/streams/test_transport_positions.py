"""Where the transport reads: positions of the application, rewinds, commits and the bounds of the log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka.consumer.fetcher import FetchError
from aiokafka.errors import NoOffsetForPartitionError
from aiokafka.structs import TopicPartition as FetchPartition

from schemas.errors import StateAttention
from streams.kafka.records import Batch, TopicPartition
from tests.streams.transport_worker import (
    CLICKS,
    TP0,
    TP1,
    Worker,
    committed,
    contiguous,
    produce,
    running,
    settings,
    until,
)

if TYPE_CHECKING:
    pass


def test_reading_begins_where_the_application_says_not_at_the_commits(
    broker: str, prefix: str, make_topics: Any
) -> None:
    kafka = settings(broker, prefix)
    make_topics(broker, 2, (CLICKS,))
    produce(kafka, [b"%d" % n for n in range(100)])

    async def run() -> Worker:
        first = Worker(kafka)
        async with running(first):
            await until(lambda: first.count() == 100)
        second = Worker(kafka)
        second.positions = {TP0: 20, TP1: 30}
        async with running(second):
            await until(lambda: second.count() == 50)
        return second

    worker = asyncio.run(run())
    assert worker.asked == [frozenset({TP0, TP1})]
    assert [r.offset for r in worker.records(TP0)] == list(range(20, 50))
    assert [r.offset for r in worker.records(TP1)] == list(range(30, 50))


def test_a_rewind_while_flowing_reads_again_exactly_from_there(broker: str, prefix: str, make_topics: Any) -> None:
    kafka = settings(broker, prefix)
    make_topics(broker, 2, (CLICKS,))

    async def run() -> Worker:
        worker = Worker(kafka)
        async with running(worker):
            for part in range(10):
                produce(kafka, [b"%d" % n for n in range(part * 200, part * 200 + 200)])
                if part in (3, 6):
                    await until(lambda: worker.of(TP0))
                    assert await worker.reader.rewind(TP0, 17 * part)
                    assert not any(worker.reader.is_current(batch) for batch in worker.of(TP0))
                await asyncio.sleep(0.01)
            await until(lambda: worker.of(TP0, 2) and worker.of(TP0, 2)[-1].end == 1000)
            await until(lambda: worker.of(TP1) and worker.of(TP1)[-1].end == 1000)
            assert not await worker.reader.rewind(TopicPartition(CLICKS, 9), 0)
        return worker

    worker = asyncio.run(run())
    assert worker.values(TP1) == [b"%d" % n for n in range(1, 2000, 2)]
    assert worker.of(TP0, 2)[0].start == 102
    assert contiguous(worker.of(TP0, 2))
    assert worker.values(TP0, 2) == [b"%d" % n for n in range(0, 2000, 2)][102:]
    assert committed(kafka, 0) == 1000


def test_that_the_group_knows_no_position_is_not_an_error(broker: str, prefix: str, make_topics: Any) -> None:
    """What aiokafka asked before a rebalance may be answered after the seek that followed it."""
    kafka = settings(broker, prefix)
    make_topics(broker, 1, (CLICKS,))

    async def run() -> Worker:
        worker = Worker(kafka)
        async with running(worker):
            await until(lambda: worker.asked)
            fetcher, tp = worker.reader.source.consumer._fetcher, FetchPartition(prefix + CLICKS, 0)
            await until(lambda: worker.reader.source.position(tp) is not None)
            fetcher._records[tp] = FetchError(error=NoOffsetForPartitionError(tp), backoff=0)
            produce(kafka, [b"1", b"2"], partitions=1)
            await until(lambda: len(worker.values(TP0)) == 2)
            assert tp not in fetcher._records
        return worker

    assert asyncio.run(run()).values(TP0) == [b"1", b"2"]


def test_batches_that_wait_in_the_stream_are_void_after_a_rewind(broker: str, prefix: str, make_topics: Any) -> None:
    kafka = settings(broker, prefix)
    make_topics(broker, 1, (CLICKS,))
    produce(kafka, [b"%d" % n for n in range(20_000)], partitions=1)

    async def run() -> Worker:
        worker = Worker(kafka)
        rewinding: list[asyncio.Task[bool]] = []

        def rewind_once(batch: Batch) -> None:
            if not rewinding:
                rewinding.append(asyncio.get_running_loop().create_task(worker.reader.rewind(TP0, 0)))

        worker.body = rewind_once
        async with running(worker):
            await until(lambda: worker.of(TP0, 1) and worker.of(TP0, 1)[-1].end == 20_000)
        return worker

    worker = asyncio.run(run())
    assert worker.values(TP0, 1) == [b"%d" % n for n in range(20_000)]
    assert len(worker.of(TP0, 0)) <= 2


def test_a_commit_does_not_pass_an_unacknowledged_batch(broker: str, prefix: str, make_topics: Any) -> None:
    kafka = settings(broker, prefix)
    make_topics(broker, 1, (CLICKS,))

    async def run() -> None:
        worker = Worker(kafka)
        worker.hold = True
        async with running(worker):
            for part in range(3):
                produce(kafka, [b"x"] * 10, partitions=1)
                await until(lambda seen=part: len(worker.held) > seen)  # type: ignore[misc]
            first, *others = worker.held
            for event in others:
                event.ack()
            assert not await worker.reader.commit()
            assert committed(kafka, 0) < 0
            first.ack()
            await worker.reader.commit()
            assert committed(kafka, 0) == 30

    asyncio.run(run())


def test_a_position_outside_the_log_is_an_error_never_a_reset(kafka: str, prefix: str, make_topics: Any) -> None:
    conf = settings(kafka, prefix)
    make_topics(kafka, 1, (CLICKS,))
    produce(conf, [b"x"] * 5, partitions=1)

    async def run() -> Worker:
        worker = Worker(conf)
        worker.positions = {TP0: 77}
        async with running(worker):
            await until(lambda: worker.errors)
            assert not worker.batches
            await worker.reader.rewind(TP0, 2)
            await until(lambda: worker.count() == 3)
        return worker

    worker = asyncio.run(run())
    (error,) = worker.errors
    assert isinstance(error, StateAttention)
    assert "Position 77 of events-clicks/0 is outside the log: expected 0 to 5" in str(error)
