"""Reading compacted topics: from their beginning to their end, then on as they grow."""

from __future__ import annotations

from collections.abc import Callable

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from schemas.errors import BadSettings, StateAttention, Transient
from schemas.topics import LAYOUT_REQUESTS, Topic
from streams.clients import aiokafka_security, bootstrap_servers
from streams.layouts.catalog import READ_TOPICS, Catalog, Changes
from streams.settings import KafkaSettings

POLL_MS = 200
POLL_RECORDS = 1_000


class Follower:
    """Keeps a `Catalog` in step with its topics; a reader of its own, in no group."""

    def __init__(self, kafka: KafkaSettings, catalog: Catalog, changed: Callable[[Changes], None]) -> None:
        self.request_partitions = 0
        self._kafka = kafka
        self._catalog = catalog
        self._changed = changed
        self._topics = {kafka.prefix + topic.name: topic for topic in READ_TOPICS}
        self._consumer: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Connect; raises BadSettings when a topic does not exist, Transient when no broker answers."""
        consumer = self._new_consumer()
        try:
            await consumer.start()
            await self._assign(consumer)
        except (KafkaError, OSError) as error:
            await consumer.stop()
            raise Transient(f"Kafka at {self._kafka.bootstrap} does not answer: {error}") from error
        except BaseException:
            await consumer.stop()
            raise
        self._consumer = consumer

    async def catch_up(self) -> None:
        """Read until everything that was there at the call is taken over; raises Transient."""
        consumer = self._started()
        try:
            ends = await consumer.end_offsets(list(consumer.assignment()))
        except KafkaError as error:
            raise Transient(f"Kafka at {self._kafka.bootstrap} does not answer: {error}") from error
        behind = set(ends)
        while behind:
            await self._read(consumer)
            behind = {tp for tp in behind if await consumer.position(tp) < ends[tp]}

    async def follow(self) -> None:
        """Read on for ever."""
        consumer = self._started()
        while True:
            changes = await self._read(consumer)
            if changes:
                self._changed(changes)

    async def stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()

    def _new_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers(self._kafka),
            client_id="reshelf-layouts",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=POLL_MS,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            **aiokafka_security(self._kafka),
        )

    async def _assign(self, consumer: AIOKafkaConsumer) -> None:
        wanted = {**self._topics, self._kafka.prefix + LAYOUT_REQUESTS.name: LAYOUT_REQUESTS}
        existing = await consumer.topics()
        missing = sorted(wanted.keys() - existing)
        if missing:
            raise BadSettings(
                f"Topics do not exist at {self._kafka.bootstrap}: {', '.join(missing)}. "
                "Check kafka.prefix, or create them with `reshelf topics apply`."
            )
        partitions = {name: len(consumer.partitions_for_topic(name) or ()) for name in wanted}
        self.request_partitions = partitions[self._kafka.prefix + LAYOUT_REQUESTS.name]
        for name, topic in self._topics.items():
            self._catalog.expect(topic, partitions[name])
        consumer.assign([KafkaPartition(name, number) for name in self._topics for number in range(partitions[name])])
        starts = await consumer.beginning_offsets(list(consumer.assignment()))
        for tp, start in starts.items():
            consumer.seek(tp, start)

    async def _read(self, consumer: AIOKafkaConsumer) -> Changes:
        try:
            found = await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        except OffsetOutOfRangeError as error:
            raise StateAttention(
                f"A compacted topic does not go on where it was read last ({error}): it was deleted or cut. "
                "Start the worker again: it then reads the topic from its beginning."
            ) from None
        changes = Changes()
        for tp, records in found.items():
            topic: Topic = self._topics[tp.topic]
            some = self._catalog.take(topic, tp.partition, records)
            changes.pages |= some.pages
            changes.keys |= some.keys
        return changes

    def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise RuntimeError("expected start() first")
        return self._consumer
