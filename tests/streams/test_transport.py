"""The batch transport against brokers: what an agent gets, and what is committed."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer

from schemas.errors import BadSettings
from streams.kafka.clients import confluent_producer_config
from streams.kafka.records import TopicPartition
from tests.delivery import flush
from tests.streams.transport_worker import (
    CLICKS,
    TP0,
    TP1,
    WAIT_S,
    Worker,
    committed,
    contiguous,
    produce,
    running,
    settings,
    until,
    until_bounds,
)

if TYPE_CHECKING:
    pass


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
                flush(producer)
                began = time.monotonic()
                await until(lambda: worker.count() > number)  # noqa: B023  awaited at once
                took.append(time.monotonic() - began)
        return worker

    assert asyncio.run(trickle()).errors == []
    assert statistics.median(took) < 0.3 * long_s


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
        flush(producer)
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
