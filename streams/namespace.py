"""Opening a namespace: agree with its manifest, or create it where the log begins."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from redis.asyncio import Redis

from schemas.errors import BadSettings, Transient
from schemas.topics import EVENT_TOPICS, Topic
from streams.clients import confluent_consumer_config
from streams.settings import FoldSettings, KafkaSettings, RedisSettings
from streams.state.manifest import Manifest, agree, manifest_of

_TIMEOUT_S = 4.0


def log_bounds(kafka: KafkaSettings, topics: Sequence[str]) -> dict[str, list[tuple[int, int]]]:
    """First offset and end of each partition of topics (names without prefix).

    The end is where a reader of committed records meets it: what brokers answer
    when asked for the latest offset is not always that (the embedded one names
    the first record of its last batch).

    Raises `BadSettings` when a topic is missing and `Transient` when no broker answers.
    """
    config = {**confluent_consumer_config(kafka, f"{kafka.prefix}bounds"), "enable.partition.eof": True}
    consumer = Consumer(config)
    try:
        known = consumer.list_topics(timeout=_TIMEOUT_S).topics
        told = {tp: consumer.get_watermark_offsets(tp, timeout=_TIMEOUT_S) for tp in _partitions(kafka, topics, known)}
        ends = _ends(consumer, told)
    except KafkaException as error:
        raise unanswered(kafka, error.args[0].str()) from None
    finally:
        consumer.close()
    bounds: dict[str, list[tuple[int, int]]] = {topic: [] for topic in topics}
    for tp, (first, _) in told.items():
        bounds[tp.topic.removeprefix(kafka.prefix)].append((first, ends[tp.topic, tp.partition]))
    return bounds


def unanswered(kafka: KafkaSettings, why: object) -> Transient:
    """The error of brokers that do not answer."""
    return Transient(
        f"Kafka at {kafka.bootstrap} does not answer: {why}. "
        "Check kafka.bootstrap and that the brokers run; `reshelf doctor` says more."
    )


def _partitions(kafka: KafkaSettings, topics: Sequence[str], known: Mapping[str, Any]) -> Iterator[TopicPartition]:
    for topic in topics:
        listed = known.get(kafka.prefix + topic)
        if listed is None or not listed.partitions:
            raise BadSettings(
                f"topic {kafka.prefix + topic!r} does not exist at {kafka.bootstrap}. "
                "Check kafka.prefix, or create the topics with `reshelf topics apply`."
            )
        yield from (TopicPartition(kafka.prefix + topic, partition) for partition in sorted(listed.partitions))


def _ends(consumer: Consumer, told: Mapping[TopicPartition, tuple[int, int]]) -> dict[tuple[str, int], int]:
    """Where a reader meets the end of each partition."""
    consumer.assign([TopicPartition(tp.topic, tp.partition, end) for tp, (_, end) in told.items()])
    ends: dict[tuple[str, int], int] = {}
    until = time.monotonic() + _TIMEOUT_S
    while len(ends) < len(told):
        message = consumer.poll(0.1)
        if message is not None and (error := message.error()) is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            ends[message.topic() or "", message.partition() or 0] = message.offset() or 0
        if time.monotonic() > until:
            raise Transient("Kafka did not show the end of every partition in time")
    return ends


async def open_namespace(
    kafka: KafkaSettings, redis: Redis, settings: RedisSettings, fold: FoldSettings, outputs: Sequence[Topic] = ()
) -> Manifest:
    """The manifest of `settings.namespace`, which is created if it is new.

    `outputs` are the topics that the caller writes; a broker that makes topics by
    itself would make them with the wrong clean-up.
    Raises `BadSettings` when a topic is missing, and `StateAttention` when the
    namespace was made with other topics or settings.
    """
    names = {topic.name: topic for topic in (*EVENT_TOPICS, *outputs)}
    bounds = await asyncio.to_thread(log_bounds, kafka, list(names))
    starts = {topic.name: [first for first, _ in bounds[topic.name]] for topic in EVENT_TOPICS}
    return await agree(redis, manifest_of(settings.namespace, kafka.prefix, starts, settings.groups, fold))
