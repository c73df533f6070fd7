"""The batch transport against brokers: what an agent gets, and what is committed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.consumer.fetcher import FetchError
from aiokafka.errors import NoOffsetForPartitionError
from aiokafka.structs import TopicPartition as FetchPartition
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import Producer
from confluent_kafka import TopicPartition as KafkaPartition

from schemas.errors import BadSettings, StateAttention
from streams.kafka.clients import confluent_consumer_config, confluent_producer_config
from streams.kafka.records import Batch, TopicPartition
from streams.settings import KafkaSettings
from streams.transport import ROUND_ROBIN, create_app, reader, run_app, subscription

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

CLICKS = "events-clicks"
WAIT_S = 30.0


class Worker:
    """An application whose agent keeps current batches and acknowledges them when `hold` is off."""

    def __init__(self, kafka: KafkaSettings, topics: Sequence[str] = (CLICKS,), **wiring: Any) -> None:
        self.batches: list[Batch] = []
        self.held: list[Any] = []
        self.errors: list[Exception] = []
        self.asked: list[frozenset[TopicPartition]] = []
        self.lost: list[frozenset[TopicPartition]] = []
        self.positions: dict[TopicPartition, int] = {}
        self.hold = False
        self.body: Callable[[Batch], None] = lambda batch: None
        self.app = create_app(
            "probe",
            kafka,
            logical=lambda topic: topic.removeprefix(kafka.prefix),
            resume=self.resume,
            on_revoked=self.revoked,
            on_error=self.errors.append,
            **wiring,
        )
        self.reader = reader(self.app)
        self.app.agent(subscription(self.app, [kafka.prefix + topic for topic in topics]), name="keep")(self.keep)

    async def resume(self, tps: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        self.asked.append(tps)
        return {tp: self.positions.get(tp, 0) for tp in tps}

    async def revoked(self, tps: frozenset[TopicPartition]) -> None:
        self.lost.append(tps)

    async def keep(self, stream: Any) -> None:
        async for event in stream.noack().events():
            batch = event.value
            if self.reader.is_current(batch):
                self.body(batch)
                self.batches.append(batch)
                self.positions[batch.tp] = batch.end
            if self.hold:
                self.held.append(event)
            else:
                event.ack()

    def values(self, tp: TopicPartition, generation: int | None = None) -> list[bytes | None]:
        return [record.value for record in self.records(tp, generation)]

    def records(self, tp: TopicPartition, generation: int | None = None) -> list[Any]:
        return [r for b in self.of(tp, generation) for r in b.records]

    def of(self, tp: TopicPartition, generation: int | None = None) -> list[Batch]:
        return [b for b in self.batches if b.tp == tp and generation in (None, b.generation)]

    def count(self) -> int:
        return sum(len(batch.records) for batch in self.batches)


@contextlib.asynccontextmanager
async def running(*workers: Worker) -> AsyncIterator[None]:
    for worker in workers:
        await worker.app.start()
    try:
        yield
    finally:
        for worker in workers:
            await worker.app.stop()


async def until(holds: Callable[[], Any]) -> None:
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.01)


def settings(bootstrap: str, prefix: str) -> KafkaSettings:
    return KafkaSettings(bootstrap=bootstrap, prefix=prefix, session_timeout_s=2.0)


def produce(
    kafka: KafkaSettings, values: Sequence[bytes | None], partitions: int = 2, start: int = 0, topic: str = CLICKS
) -> None:
    """Write values round the partitions of a topic, under the key b"k"."""
    producer = Producer(confluent_producer_config(kafka))
    for number, value in enumerate(values, start):
        producer.produce(kafka.prefix + topic, value, key=b"k", partition=number % partitions)
    assert producer.flush(WAIT_S) == 0


def committed(kafka: KafkaSettings, partition: int) -> int:
    consumer = KafkaConsumer(confluent_consumer_config(kafka, f"{kafka.prefix}probe"))
    try:
        return int(consumer.committed([KafkaPartition(kafka.prefix + CLICKS, partition)], timeout=10)[0].offset)
    finally:
        consumer.close()


def contiguous(batches: Sequence[Batch]) -> bool:
    return all(before.end == after.start for before, after in itertools.pairwise(batches)) and all(
        batch.start <= record.offset < batch.end for batch in batches for record in batch.records
    )


TP0, TP1 = TopicPartition(CLICKS, 0), TopicPartition(CLICKS, 1)


def test_each_record_arrives_once_in_order_and_unopened(any_broker: str, prefix: str, make_topics: Any) -> None:
    kafka = settings(any_broker, prefix)
    make_topics(any_broker, 2, (CLICKS,))
    values = [None if n % 7 == 0 else b"\xff not json %d" % n for n in range(3000)]
    produce(kafka, values)

    async def run() -> Worker:
        worker = Worker(kafka)
        async with running(worker):
            await until(lambda: worker.count() == 3000)
            assert await worker.reader.bounds([TP0, TP1]) == {TP0: (0, 1500), TP1: (0, 1500)}
        return worker

    worker = asyncio.run(run())
    assert not worker.errors
    for tp in (TP0, TP1):
        assert worker.values(tp) == values[tp.partition :: 2]
        assert [record.offset for record in worker.records(tp)] == list(range(1500))
        assert contiguous(worker.of(tp))
        assert worker.of(tp)[0].start == 0
        assert committed(kafka, tp.partition) == 1500
    record = worker.records(TP0)[1]
    assert (record.key, list(record.headers)) == (b"k", [])
    assert record.timestamp > 0


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


def test_a_topic_that_can_wait_comes_in_few_batches_and_holds_up_no_other(
    broker: str, prefix: str, make_topics: Any
) -> None:
    kafka, rest_s, views = settings(broker, prefix), 1.0, TopicPartition("events-impressions", 0)
    make_topics(broker, 1, (CLICKS, views.topic))
    produce(kafka, [b"first"], 1, topic=views.topic)
    arrived: list[tuple[float, TopicPartition]] = []

    async def trickle() -> Worker:
        worker = Worker(kafka, (CLICKS, views.topic), rest_s={views.topic: rest_s})
        worker.body = lambda batch: arrived.append((time.monotonic(), batch.tp))
        async with running(worker):
            await until(lambda: worker.count() == 1)
            for number in range(5):
                produce(kafka, [b"later"], 1, topic=views.topic)
                produce(kafka, [b"click"], 1)
                await until(lambda: len(worker.records(TP0)) > number)  # noqa: B023  awaited at once
            await until(lambda: len(worker.records(views)) == 6)
            await worker.reader.rewind(views, 0)
            await until(lambda: len(worker.records(views, 1)) == 6)
        return worker

    worker = asyncio.run(trickle())
    assert worker.errors == []
    assert contiguous(worker.of(views, 0)) and contiguous(worker.of(views, 1))
    first, second = [at for at, tp in arrived if tp == views][:2]
    assert second - first > 0.9 * rest_s


def test_a_partition_without_records_holds_up_no_other(
    broker: str, prefix: str, make_topics: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One fetch is under way at a time; one for the idle partition alone must not be waited for each time."""
    kafka, long_s = settings(broker, prefix), 0.6
    monkeypatch.setattr("streams.transport.source.FETCH_WAIT_MS", round(1000 * long_s))
    make_topics(broker, 2, (CLICKS,))
    took: list[float] = []
    producer = Producer(confluent_producer_config(kafka))

    async def trickle() -> Worker:
        worker = Worker(kafka, linger_s=0.02)
        async with running(worker):
            for number in range(20):
                producer.produce(kafka.prefix + CLICKS, b"click", partition=0)
                assert producer.flush(WAIT_S) == 0
                began = time.monotonic()
                await until(lambda: worker.count() > number)  # noqa: B023  awaited at once
                took.append(time.monotonic() - began)
        return worker

    assert asyncio.run(trickle()).errors == []
    assert statistics.median(took) < 0.3 * long_s


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


def test_two_workers_share_and_hand_over(kafka: str, prefix: str, make_topics: Any) -> None:
    conf = settings(kafka, prefix)
    make_topics(kafka, 4, (CLICKS,))
    everything = {TopicPartition(CLICKS, p) for p in range(4)}

    async def run() -> None:
        one, two = Worker(conf), Worker(conf)
        positions: dict[TopicPartition, int] = {}
        one.positions = two.positions = positions
        async with running(one):
            produce(conf, [b"a"] * 400, partitions=4)
            await until(lambda: one.count() == 400)
            async with running(two):
                await until(lambda: len(one.reader.owned()) == len(two.reader.owned()) == 2)
                await until(lambda: one.lost)
                assert one.reader.owned() | two.reader.owned() == everything
                assert one.lost == [two.reader.owned()]
                produce(conf, [b"b"] * 400, partitions=4)
                await until(lambda: one.count() + two.count() == 800)
            produce(conf, [b"c"] * 400, partitions=4)
            await until(lambda: one.count() + two.count() == 1200)
            assert one.reader.owned() == everything
            assert set(positions.values()) == {300}
            assert not one.reader.is_current(one.batches[0])
        seen = [(b.tp, r.offset) for w in (one, two) for b in w.batches for r in b.records]
        assert len(set(seen)) == len(seen) == 1200
        assert not one.errors
        assert not two.errors

    asyncio.run(run())


def test_markers_and_aborted_records_are_gaps(kafka: str, prefix: str, make_topics: Any) -> None:
    conf = settings(kafka, prefix)
    make_topics(kafka, 1, (CLICKS,))
    producer = Producer(confluent_producer_config(conf) | {"transactional.id": f"{prefix}tx"})
    producer.init_transactions(WAIT_S)
    for values, keep in ((b"abc", True), (b"xyz", False), (b"de", True), (b"q", False)):
        producer.begin_transaction()
        for value in values:
            producer.produce(prefix + CLICKS, bytes([value]), key=b"k", partition=0)
        producer.flush(WAIT_S)
        producer.commit_transaction(WAIT_S) if keep else producer.abort_transaction(WAIT_S)

    async def run() -> Worker:
        worker = Worker(conf)
        async with running(worker):
            _, end = (await until_bounds(worker))[TP0]
            assert end == 9 + 4
            await until(lambda: worker.batches and worker.batches[-1].end == end)
        return worker

    worker = asyncio.run(run())
    assert b"".join(v or b"" for v in worker.values(TP0)) == b"abcde"
    assert [r.offset for r in worker.records(TP0)] == [0, 1, 2, 8, 9]
    assert contiguous(worker.batches)
    assert worker.batches[0].start == 0
    assert committed(conf, 0) == 13


async def until_bounds(worker: Worker) -> Mapping[TopicPartition, tuple[int, int]]:
    await until(worker.reader.owned)
    return await worker.reader.bounds(worker.reader.owned())


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


def test_a_missing_topic_names_the_remedy(broker: str, prefix: str, make_topics: Any) -> None:
    make_topics(broker, 1, (CLICKS,))

    async def run() -> Worker:
        worker = Worker(settings(broker, prefix), [CLICKS, "events-none"])
        async with running(worker):
            await until(lambda: worker.errors)
        return worker

    (error,) = asyncio.run(run()).errors
    assert isinstance(error, BadSettings)
    assert f"{prefix}events-none." in str(error)
    assert "topics apply" in str(error)


PROGRAM = """
import asyncio, sys, time
from schemas.errors import Transient
from streams.retry import Retry
from streams.settings import KafkaSettings
from streams.transport import create_app, run_app, subscription

kafka = KafkaSettings(bootstrap=sys.argv[1], prefix=sys.argv[2], session_timeout_s=2.0, stall_timeout_s=2.0)

async def away():
    raise Transient("Redis does not answer")

async def resume(tps):
    return dict.fromkeys(tps, 0)

async def ignore(tps):
    pass

async def make():
    app = create_app("probe", kafka, logical=str, resume=resume, on_revoked=ignore)

    @app.agent(subscription(app, [kafka.prefix + "events-clicks"]))
    async def work(stream):
        async for batch in stream:
            if b"bad" in [record.value for record in batch.records]:
                raise RuntimeError("cannot go on")
            if b"block" in [record.value for record in batch.records]:
                time.sleep(600)
            if b"hang" in [record.value for record in batch.records]:
                await asyncio.sleep(600)
            if b"away" in [record.value for record in batch.records]:
                await Retry().until_success(away)
            print("applied", batch.end, flush=True)

    return app

sys.exit(run_app(make))
"""


def start_program(kafka: KafkaSettings) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, kafka.bootstrap, kafka.prefix]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root)


def test_an_error_that_escapes_an_agent_ends_the_process(broker: str, prefix: str, make_topics: Any) -> None:
    kafka = settings(broker, prefix)
    make_topics(broker, 1, (CLICKS,))
    produce(kafka, [b"bad"], partitions=1)
    with start_program(kafka) as program:
        output, errors = program.communicate(timeout=WAIT_S)
    assert program.returncode == 1
    assert "cannot go on" in errors
    assert output == ""
    assert committed(kafka, 0) < 0


@pytest.mark.parametrize(("value", "said"), [(b"block", "event loop"), (b"hang", "batches in work")])
def test_a_worker_that_is_stuck_ends_itself(
    value: bytes, said: str, broker: str, prefix: str, make_topics: Any
) -> None:
    kafka = settings(broker, prefix)
    make_topics(broker, 1, (CLICKS,))
    with start_program(kafka) as program:
        produce_until_ended(kafka, program, value)
        output, errors = program.communicate(timeout=WAIT_S)
    assert program.returncode == 1
    assert "Stuck: the" in errors
    assert said in errors
    assert len(errors.splitlines()) == 1
    assert output == ""


def test_waiting_for_redis_or_for_records_is_not_being_stuck(broker: str, prefix: str, make_topics: Any) -> None:
    kafka = settings(broker, prefix)
    make_topics(broker, 1, (CLICKS,))
    with start_program(kafka) as program:
        assert program.stdout is not None
        produce(kafka, [b"good"], partitions=1)
        assert program.stdout.readline() == "applied 1\n"
        time.sleep(3)
        for _ in range(12):
            produce(kafka, [b"away"], partitions=1)
            time.sleep(0.25)
        assert program.poll() is None
        program.send_signal(signal.SIGTERM)
        program.communicate(timeout=WAIT_S)


def produce_until_ended(kafka: KafkaSettings, program: subprocess.Popen[str], value: bytes) -> None:
    """A batch for each, until the stream is full and the reader waits."""
    deadline = time.monotonic() + WAIT_S
    while program.poll() is None and time.monotonic() < deadline:
        produce(kafka, [value], partitions=1)
        time.sleep(0.1)


def test_sigterm_commits_what_is_applied_and_leaves_the_group(broker: str, prefix: str, make_topics: Any) -> None:
    kafka = settings(broker, prefix)
    make_topics(broker, 1, (CLICKS,))
    produce(kafka, [b"good"] * 3, partitions=1)
    with start_program(kafka) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "applied 3\n"
        program.send_signal(signal.SIGTERM)
        _, errors = program.communicate(timeout=WAIT_S)
    assert (program.returncode, errors) == (0, "")
    assert committed(kafka, 0) == 3


def test_errors_before_the_start_end_with_their_status() -> None:
    async def refuse() -> Any:
        raise BadSettings("no")

    assert run_app(refuse) == 2
    assert ROUND_ROBIN.name == "roundrobin"
