"""Reading a topic to its end, as it is now, outside of any group."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import TopicMetadata

from schemas.errors import StateAttention, Transient
from schemas.topic import Topic
from streams.kafka.clients import confluent_consumer_config
from streams.settings import KafkaSettings

TIMEOUT_S = 30.0
METADATA_S = 10.0
BATCH = 5_000
WAIT_S = 0.01
"""A call waits for so long for a whole batch, even where the ends of all partitions have come."""


@contextlib.contextmanager
def reader(kafka: KafkaSettings) -> Iterator[Consumer]:
    """A consumer of no lasting group, which also says where a partition ends."""
    consumer = Consumer(
        confluent_consumer_config(kafka, f"{kafka.prefix}reader-{uuid4().hex}")
        | {"enable.partition.eof": True, "fetch.wait.max.ms": 10}
    )
    try:
        yield consumer
    finally:
        consumer.close()


def partitions(consumer: Consumer, name: str) -> list[TopicPartition]:
    """The partitions of a topic at their beginnings; raises Transient where there is none."""
    return _beginnings(name, _listed(consumer, name, name)[name])


def partitions_if_any(consumer: Consumer, name: str) -> list[TopicPartition]:
    """The same of a topic that may not exist; it is not asked for by its name, as some brokers would make it."""
    topic = _listed(consumer, name, None).get(name)
    return [] if topic is None else _beginnings(name, topic)


def _listed(consumer: Consumer, name: str, only: str | None) -> dict[str, TopicMetadata]:
    """What brokers say of all topics, or of `only` one of them."""
    try:
        topics: dict[str, TopicMetadata] = consumer.list_topics(only, timeout=METADATA_S).topics
    except KafkaException as error:
        raise Transient(
            f"Kafka does not answer: no partitions of {name} within {METADATA_S:.0f} s: {error.args[0].str()}. "
            "Check kafka.bootstrap and that the brokers run; `reshelf doctor` says more."
        ) from None
    return topics


def _beginnings(name: str, topic: TopicMetadata) -> list[TopicPartition]:
    if topic.error is not None or not topic.partitions:
        raise Transient(f"Topic {name} is not there: {topic.error}. Create it with `reshelf topics apply`.")
    return [TopicPartition(name, number, OFFSET_BEGINNING) for number in sorted(topic.partitions)]


def to_the_end(consumer: Consumer, places: list[TopicPartition]) -> Iterator[Message]:
    """All records from `places` on; the last message of a partition is its end-of-partition mark.

    Raises `Transient` where nothing comes, `StateAttention` where the topic may not be read.
    """
    consumer.assign(places)
    unread = {place.partition for place in places}
    last = time.monotonic()
    while unread:
        for message in consumer.consume(BATCH, timeout=WAIT_S):
            last, error = time.monotonic(), message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF and message.partition() in unread:
                unread.discard(message.partition() or 0)
                yield message
            elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise StateAttention(
                    f"may not read {places[0].topic}: {error.str()}. Give this user READ on it; "
                    "SECURITY.md says who reads which topic."
                )
        if time.monotonic() - last > TIMEOUT_S:
            raise Transient(
                f"{places[0].topic} could not be read to its end: silent for {TIMEOUT_S:.0f} s. Try again later."
            )


RUN = 10_000


class Read(NamedTuple):
    """A record as the judge takes it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def read_runs(kafka: KafkaSettings, topic: Topic) -> Iterator[tuple[int, list[Read]]]:
    """The records of a topic as it is now, some of one partition at a time, each partition in order."""
    with reader(kafka) as consumer:
        runs: dict[int, list[Read]] = {}
        for message in to_the_end(consumer, partitions(consumer, kafka.prefix + topic.name)):
            partition = message.partition() or 0
            run = runs.setdefault(partition, [])
            if message.error() is None:
                run.append(read_of(message))
            if run and (len(run) == RUN or message.error() is not None):
                yield partition, run
                runs[partition] = []


def read_of(message: Message) -> Read:
    """A message as the judge takes it."""
    key, value = message.key(), message.value()
    return Read(
        message.offset() or 0,
        message.timestamp()[1],
        key.encode() if isinstance(key, str) else key,
        value.encode() if isinstance(value, str) else value,
    )
