"""The learner as a running app: over both brokers, with a restart, a rollback and a loss of Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as KafkaPartition
from redis import Redis as SyncRedis

from reshelf.drill.faults.topic import make_anew
from schemas import dead_letters
from schemas.dead_letters import DeadLetter
from schemas.topics import BY_NAME, CLICKS, DEAD_LETTERS
from streams.fold.fast.path import BUILT
from streams.fold.plain import PlainFold
from streams.fold.window import reach_of
from streams.kafka.bounds import log_bounds
from streams.kafka.clients import confluent_consumer_config, confluent_producer_config
from streams.kafka.records import TopicPartition
from streams.learner.app import learner_app
from streams.locked_folder import duplicates_folder
from streams.settings import FoldSettings, KafkaSettings, LearnerSettings, RedisSettings
from streams.state import export, manifest
from streams.state.connection.client import redis_client
from streams.state.recent.journal import Journal
from streams.state.store import Store
from tests.delivery import flush
from tests.streams.logs import TOPICS, LoggedRecord, example_log

FOLD = FoldSettings(allowed_lateness_ms=0, max_clock_skew_ms=0, bucket_ms=0, amount_cap=500)
PARTS = slice(150), slice(150, 300), slice(300, None)


def publish(kafka: KafkaSettings, log: dict[TopicPartition, list[LoggedRecord]]) -> None:
    producer = Producer(dict(confluent_producer_config(kafka)))
    for tp, records in log.items():
        for record in records:
            producer.produce(kafka.prefix + tp.topic, record.value, record.key, tp.partition)
    flush(producer)


def read_all(kafka: KafkaSettings, topics: tuple[str, ...]) -> dict[TopicPartition, list[LoggedRecord]]:
    """All records of topics, as the broker stamped them."""
    bounds = log_bounds(kafka, topics)
    consumer = Consumer(dict(confluent_consumer_config(kafka, f"{kafka.prefix}check")))
    log: dict[TopicPartition, list[LoggedRecord]] = {}
    for topic, pairs in bounds.items():
        for partition, (first, end) in enumerate(pairs):
            records = log[TopicPartition(topic, partition)] = []
            consumer.assign([KafkaPartition(kafka.prefix + topic, partition, first)])
            while first + len(records) < end:
                message = consumer.poll(10)
                assert message is not None and message.error() is None
                records.append(_logged(message))
    consumer.close()
    return log


def _logged(message: Any) -> LoggedRecord:
    headers = tuple(message.headers() or ())
    return LoggedRecord(message.offset(), message.timestamp()[1], message.key(), message.value(), headers)


class Running:
    """A learner running in this event loop until it is stopped."""

    def __init__(self, kafka: KafkaSettings, redis: RedisSettings) -> None:
        self.make = learner_app(kafka, redis, FOLD, LearnerSettings(advance_s=0.1), self.failed)
        self.errors: list[Exception] = []

    def failed(self, error: Exception) -> None:
        self.errors.append(error)

    async def __aenter__(self) -> Self:
        self.app: Any = await self.make()
        await self.app.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.app.stop()
        assert not self.errors


async def drained(kafka: KafkaSettings, redis: RedisSettings) -> None:
    """Wait until every group has passed the end of every partition."""
    bounds = await asyncio.to_thread(log_bounds, kafka, TOPICS)
    client = redis_client(redis)
    store = Store(client, redis.namespace, redis.groups)
    for topic, pairs in bounds.items():
        for partition, (first, end) in enumerate(pairs):
            while min(w.offset for w in await store.watermarks(TopicPartition(topic, partition), first)) < end:
                await asyncio.sleep(0.02)
    await client.aclose()


async def exported(redis: RedisSettings) -> list[list[Any]]:
    client = redis_client(redis)
    made = await manifest.read(client, redis.namespace)
    rows = await export.rows(Store(client, redis.namespace, redis.groups), made)
    await client.aclose()
    return rows


@pytest.fixture
def kafka_settings(any_broker: str, prefix: str, make_topics: Callable[..., None]) -> KafkaSettings:
    kafka = KafkaSettings(bootstrap=any_broker, prefix=prefix, partitions=2, session_timeout_s=3)
    make_topics(any_broker, partitions=2)
    return kafka


def written_to(tp: TopicPartition) -> int:
    """Up to where a learner has written down what a partition had."""
    path = duplicates_folder("") / "live" / f"{tp.topic}.{tp.partition}"
    usable = Journal(path, FOLD.duplicate_window_ms).usable(2**40, 0, reach_of(BY_NAME[tp.topic], FOLD).checksum)
    return usable[0].mark.offset if usable else 0


def roll_back(redis: SyncRedis, snapshot: dict[bytes, bytes], group: str) -> None:
    for name in redis.scan_iter(f"reshelf:{{live:{group}}}:*"):
        redis.delete(name)
    for name, content in snapshot.items():
        if name.startswith(f"reshelf:{{live:{group}}}".encode()):
            redis.restore(name, 0, content, replace=True)


def test_running_learner_equals_the_plain_fold(kafka_settings: KafkaSettings, redis: SyncRedis, redis_url: str) -> None:
    kafka, store = kafka_settings, RedisSettings(url=redis_url, groups=4)
    log = example_log(seed=7, records=400, timed=True)
    early, late, last = ({tp: records[part] for tp, records in log.items()} for part in PARTS)

    async def run() -> None:
        publish(kafka, early)
        async with Running(kafka, store):
            await asyncio.wait_for(drained(kafka, store), 30)
        snapshot = {name: redis.dump(name) or b"" for name in redis.scan_iter()}
        publish(kafka, late)
        async with Running(kafka, store):
            await asyncio.wait_for(drained(kafka, store), 30)
            roll_back(redis, snapshot, "1")
            roll_back(redis, snapshot, "3")
            await asyncio.wait_for(drained(kafka, store), 30)
            redis.flushdb()
            publish(kafka, last)
            await asyncio.wait_for(drained(kafka, store), 30)

    asyncio.run(run())
    plain = PlainFold(FOLD)
    for tp, records in read_all(kafka, TOPICS).items():
        plain.read(tp, records)
    assert asyncio.run(exported(store)) == plain.rows()
    assert not BUILT or {written_to(tp) for tp in log} == {400}, "the next start finds what all partitions had"
    letters = read_letters(kafka)
    assert {(one.topic, one.partition, one.offset): one.reason for one in letters} == plain.rejected
    assert len(letters) == len(plain.rejected), "each record has one, although the log was judged three times"


def test_records_of_a_topic_that_was_made_anew_have_letters_of_their_own(
    kafka: str, prefix: str, make_topics: Callable[..., None], redis: SyncRedis, redis_url: str
) -> None:
    """They have offsets of which there are letters."""
    make_topics(kafka, partitions=1)
    settings = KafkaSettings(bootstrap=kafka, prefix=prefix, partitions=1)
    store = RedisSettings(url=redis_url, groups=1)
    tp = TopicPartition(CLICKS.name, 0)

    async def learn(*values: bytes) -> None:
        publish(settings, {tp: [LoggedRecord(at, 0, b"u", value) for at, value in enumerate(values)]})
        async with Running(settings, store):
            await asyncio.wait_for(drained(settings, store), 30)
            redis.flushdb()
            await asyncio.wait_for(drained(settings, store), 30)

    asyncio.run(learn(b"{0", b"{1"))
    make_anew(settings, CLICKS)
    redis.flushdb()
    asyncio.run(learn(b"{2", b"{3", b"{4"))
    letters = read_letters(settings)
    values = [(0, b"{0"), (0, b"{2"), (1, b"{1"), (1, b"{3"), (2, b"{4")]
    assert sorted((letter.offset, letter.value) for letter in letters) == values
    (times,) = [[record.timestamp for record in records] for records in read_all(settings, (CLICKS.name,)).values()]
    assert {letter.append_time for letter in letters if letter.value in (b"{2", b"{3", b"{4")} == set(times)


def read_letters(kafka: KafkaSettings) -> list[DeadLetter]:
    records = [record for records in read_all(kafka, (DEAD_LETTERS.name,)).values() for record in records]
    return [dead_letters.read(record.headers, record.key, record.value) for record in records]
