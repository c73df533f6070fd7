"""Records whose headers aiokafka's parser refuses are read like any other."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

import msgspec
import pytest
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from confluent_kafka import Producer
from redis import Redis

from schemas import dead_letters
from schemas.messages.catalog import CatalogItem
from schemas.topics import CATALOG_ITEMS, CLICKS, DEAD_LETTERS
from streams.catalog.follower import Follower
from streams.catalog.snapshot import TextCatalog
from streams.kafka.clients import confluent_producer_config
from streams.kafka.log_source import KafkaSource
from streams.kafka.records import TopicPartition
from streams.settings import KafkaSettings, RedisSettings
from tests.delivery import flush
from tests.streams.test_learner import Running, drained, read_all

TP = TopicPartition(CLICKS.name, 0)


def produce(kafka: KafkaSettings, *values: bytes) -> None:
    producer = Producer(dict(confluent_producer_config(kafka)))
    for value in values:
        producer.produce(kafka.prefix + TP.topic, value, b"u", TP.partition)
    flush(producer)


async def produce_unreadable(kafka: KafkaSettings, *values: bytes, topic: str = TP.topic, key: bytes = b"u") -> None:
    """A batch of which each second record has a header whose name is no UTF-8."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for at, value in enumerate(values):
        builder.append(at, 1_700_000_000_000, key, value, [("trace!", b"1")] if at % 2 else [])
    batch = bytearray(builder.build().replace(b"trace!", b"trace\xff"))
    batch[17:21] = struct.pack(">I", calc_crc32c(bytes(batch[21:])))
    name = KafkaPartition(kafka.prefix + topic, 0)
    client = AIOKafkaClient(bootstrap_servers=kafka.bootstrap)
    await client.bootstrap()
    await client.set_topics([name.topic])
    node = client.cluster.leader_for_partition(name)
    answer = await client.send(node, ProduceRequest(None, -1, 5000, [(name.topic, [(0, bytes(batch))])]))
    assert answer.topics[0][1][0][1] == 0
    await client.close()


@pytest.fixture
def kafka(any_broker: str, prefix: str, make_topics: Callable[..., None]) -> KafkaSettings:
    make_topics(any_broker, partitions=1)
    kafka = KafkaSettings(bootstrap=any_broker, prefix=prefix, partitions=1, session_timeout_s=3)
    produce(kafka, b"{0", b"{1")
    asyncio.run(produce_unreadable(kafka, b"{2", b"{3", b"{4", b"{5"))
    produce(kafka, b"{6")
    asyncio.run(produce_unreadable(kafka, b"{7", b"{8"))
    return kafka


def test_a_replay_reads_every_record_once(kafka: KafkaSettings) -> None:
    found = [record for _, run in KafkaSource(kafka).records({TP: (0, 9)}) for record in run]
    assert [record.value for record in found] == [b"{%d" % number for number in range(9)]
    assert [record.offset for record in found] == list(range(9))


def test_the_learner_buries_it_and_goes_on(kafka: KafkaSettings, redis: Redis, redis_url: str) -> None:
    store = RedisSettings(url=redis_url, groups=2)

    async def run() -> None:
        async with Running(kafka, store):
            await asyncio.wait_for(drained(kafka, store), 30)

    asyncio.run(run())
    letters = [record for records in read_all(kafka, (DEAD_LETTERS.name,)).values() for record in records]
    found = [dead_letters.read(one.headers, one.key, one.value) for one in letters]
    assert sorted((one.offset, one.value) for one in found) == [(number, b"{%d" % number) for number in range(9)]


def test_the_catalog_is_followed_over_it(kafka: KafkaSettings) -> None:
    items = [msgspec.json.encode(CatalogItem("i", f"title {number}")) for number in range(4)]
    catalog = TextCatalog()
    follower = Follower(kafka, catalog, lambda changes: None)

    async def run() -> None:
        await produce_unreadable(kafka, *items, topic=CATALOG_ITEMS.name, key=b"i")
        await follower.start()
        try:
            await asyncio.wait_for(follower.catch_up(), 30)
        finally:
            await follower.stop()

    asyncio.run(run())
    assert catalog.texts["i"].title == "title 3"
