"""Where partitions begin and end, uncommitted records included.

A log counts as read to its end only when nothing that was appended is still to
come: records of an open transaction have their append time already.  The end is
taken from the answer to a fetch, because the embedded broker's answer to the
question for the latest offset is the place behind the first record of its last
batch.
"""

from __future__ import annotations

import asyncio
import threading

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.errors import Transient
from schemas.topics import CLICKS, PURCHASES
from streams.attribution.worker import Bounds
from streams.clients import confluent_consumer_config
from streams.settings import KafkaSettings

_TIMEOUT_S = 4.0


class LogEnds:
    """Asks the brokers; calls may raise `Transient`."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._prefix = kafka.prefix
        config = confluent_consumer_config(kafka, f"{kafka.prefix}attribution-ends")
        ours = {"isolation.level": "read_uncommitted", "enable.partition.eof": True, "fetch.wait.max.ms": 10}
        self._consumer = Consumer(dict(config | ours))
        self._lock = threading.Lock()

    async def of(self, partition: int) -> Bounds:
        """First offset and end of a partition of clicks and purchases."""
        return await asyncio.to_thread(self._of, partition)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _of(self, partition: int) -> Bounds:
        with self._lock:
            try:
                return {topic.name: self._ask(topic.name, partition) for topic in (CLICKS, PURCHASES)}
            except KafkaException as error:
                raise Transient(f"Kafka does not answer: {error.args[0].str()}") from None

    def _ask(self, topic: str, partition: int) -> tuple[int, int]:
        where = TopicPartition(self._prefix + topic, partition)
        bounds = self._consumer.get_watermark_offsets(where, timeout=_TIMEOUT_S)
        if bounds is None:
            raise Transient(f"Kafka did not say where {topic}/{partition} begins and ends")
        self._consumer.assign([TopicPartition(where.topic, partition, bounds[1])])
        try:
            return bounds[0], self._end(where)
        finally:
            self._consumer.unassign()

    def _end(self, where: TopicPartition) -> int:
        message = self._consumer.poll(_TIMEOUT_S)
        error = message.error() if message is not None else None
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        bounds = self._consumer.get_watermark_offsets(where, cached=True)
        if message is None or bounds is None or bounds[1] < 0:
            raise Transient(f"Kafka did not say where {where.topic}/{where.partition} ends")
        return bounds[1]

    def _close(self) -> None:
        with self._lock:
            self._consumer.close()
