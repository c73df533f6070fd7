"""Reading the log outside of a group: partitions side by side, each for as long as it is behind the others."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from confluent_kafka import Producer

from schemas.topics import CLICKS
from streams.kafka import log_source
from streams.kafka.clients import aiokafka_consumer_config, confluent_producer_config, stop_consumer
from streams.kafka.log_source import KafkaSource
from streams.kafka.records import TopicPartition
from streams.settings import KafkaSettings
from tests.delivery import flush

TP = TopicPartition(CLICKS.name, 0)
REQUESTS_MS = (400, 1_600, 6_400)
RECORDS, RECORD_BYTES = 40_000, 300
"""More than one answer of a broker holds (they are not compressible), and more in one than is handed on at once."""
FLUSH_EVERY = 5_000


@pytest.fixture
def log(any_broker: str, prefix: str, make_topics: Callable[..., None]) -> KafkaSettings:
    make_topics(any_broker, partitions=1)
    kafka = KafkaSettings(bootstrap=any_broker, prefix=prefix, partitions=1)
    producer = Producer(dict(confluent_producer_config(kafka)))
    chance = random.Random(1)
    for number in range(RECORDS):
        producer.produce(kafka.prefix + TP.topic, chance.randbytes(RECORD_BYTES), b"u", TP.partition)
        if number % FLUSH_EVERY == 0:
            flush(producer)
    flush(producer)
    return kafka


def test_a_partition_waits_longer_than_a_request_may_take(
    log: KafkaSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a request may take: where a busy machine answers too late for the shortest, longer ones are tried."""
    for limit_ms in REQUESTS_MS:
        monkeypatch.setattr(log_source, "aiokafka_consumer_config", requests_of(limit_ms))
        caplog.clear()
        assert offsets_with_waits(log, 2 * limit_ms / 1000, caplog) == list(range(RECORDS))
        if not caplog.records:
            return
    pytest.fail(f"warned with each limit: {caplog.text}")


def requests_of(limit_ms: int) -> Callable[[KafkaSettings], dict[str, Any]]:
    return lambda settings: {**aiokafka_consumer_config(settings), "request_timeout_ms": limit_ms}


def offsets_with_waits(log: KafkaSettings, wait_s: float, caplog: pytest.LogCaptureFixture) -> list[int]:
    """The offsets of all records, read with a wait after each run."""
    offsets: list[int] = []
    with caplog.at_level(logging.WARNING), closing(KafkaSource(log).records({TP: (0, RECORDS)})) as runs:
        for _, run in runs:
            offsets += [record.offset for record in run]
            time.sleep(wait_s)
    return offsets


def test_a_consumer_ends_while_a_fetch_rests_before_its_next_try(log: KafkaSettings) -> None:
    async def run() -> None:
        consumer = AIOKafkaConsumer(group_id=None, **aiokafka_consumer_config(log))
        await consumer.start()
        name = KafkaPartition(log.prefix + TP.topic, TP.partition)
        consumer.assign([name])
        consumer.seek(name, 0)
        await consumer.getone()
        resting = asyncio.ensure_future(asyncio.sleep(60))
        consumer._fetcher._pending_tasks.add(resting)
        await asyncio.sleep(0)
        await stop_consumer(consumer)
        assert resting.cancelled()

    asyncio.run(run())
