"""Reading compacted topics: from their beginning to their end, then on as they grow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from schemas.errors import StateAttention, Transient
from schemas.topic import Topic
from schemas.topics import LAYOUT_LIVES, LAYOUT_REQUESTS, LAYOUTS, SEGMENTS
from streams.catalog.page import Changes
from streams.catalog.view import READ_TOPICS, CatalogView
from streams.kafka.bounds import log_bounds
from streams.kafka.clients import aiokafka_consumer_config, stop_consumer
from streams.kafka.parsed import fetched, hand_on_parsed
from streams.kafka.records import Record
from streams.settings import KafkaSettings

POLL_S = 0.2
POLL_RECORDS = 1_000
RECORDS_AT_A_TIME = 32
HOLD_S = 0.02
"""How long records may hold the event loop, plus the time of RECORDS_AT_A_TIME of them."""
LAYOUTS_REST_S = 0.25
"""How long published layouts are left alone after some were read.

Most are this worker's own, and a fetch for each costs as much as composing.
"""

LATER = (LAYOUT_LIVES, SEGMENTS)
"""Topics that a namespace may lack, as before an upgrade."""
FOLLOWED = (*READ_TOPICS, *LATER)

log = logging.getLogger("reshelf")


class Follower:
    """Keeps a `CatalogView` in step with its topics; a reader of its own, in no group.

    `partitions` says how many each topic has, and layout-requests.  Where there is no layout-lives, as before an
    upgrade, layouts are good until their own end; without segments there is no model of them.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        catalog: CatalogView,
        changed: Callable[[Changes], None],
        topics: Sequence[Topic] = FOLLOWED,
    ) -> None:
        self.partitions: dict[str, int] = {}
        self._kafka = kafka
        self._catalog = catalog
        self._changed = changed
        self._topics = {kafka.prefix + topic.name: topic for topic in topics}
        self._ends: dict[KafkaPartition, int] = {}
        self._consumer: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Connect; raises BadSettings when a topic does not exist, Transient when no broker answers."""
        names = [topic.name for topic in (*self._topics.values(), LAYOUT_REQUESTS)]
        bounds = await asyncio.to_thread(log_bounds, self._kafka, names, tuple(topic.name for topic in LATER))
        consumer = self._new_consumer()
        try:
            await consumer.start()
            self._assign(consumer, bounds)
        except (KafkaError, OSError) as error:
            await stop_consumer(consumer)
            raise Transient(f"Kafka at {self._kafka.bootstrap} does not answer: {error}") from error
        except BaseException:
            await stop_consumer(consumer)
            raise
        hand_on_parsed(consumer)
        self._consumer = consumer

    async def catch_up(self) -> None:
        """Read until everything that was there when it started is taken over."""
        consumer = self._started()
        behind = set(self._ends)
        while behind:
            await self._take(await self._fetch(consumer, POLL_S))
            behind = {tp for tp in behind if await consumer.position(tp) < self._ends[tp]}

    async def follow(self) -> None:
        """Read on for ever: layouts now and then, all else as soon as it is there."""
        consumer, loop = self._started(), asyncio.get_running_loop()
        layouts = [tp for tp in self._ends if self._topics[tp.topic] is LAYOUTS]
        while True:
            batches = await self._fetch(consumer, POLL_S)
            self._report(await self._take(batches))
            if batches.keys().isdisjoint(layouts):
                continue
            consumer.pause(*layouts)
            rested_at = loop.time() + LAYOUTS_REST_S
            while (left := rested_at - loop.time()) > 0.0:
                self._report(await self._take(await self._fetch(consumer, left)))
            consumer.resume(*layouts)

    def _report(self, changes: Changes) -> None:
        if changes:
            self._changed(changes)

    async def stop(self) -> None:
        if self._consumer is not None:
            await stop_consumer(self._consumer)

    def _new_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            client_id="reshelf-layouts",
            group_id=None,
            fetch_max_wait_ms=round(1000 * POLL_S),
            max_partition_fetch_bytes=4 * 1024 * 1024,
            **aiokafka_consumer_config(self._kafka),
        )

    def _assign(self, consumer: AIOKafkaConsumer, bounds: Mapping[str, Sequence[tuple[int, int]]]) -> None:
        self.partitions = {name: len(pairs) for name, pairs in bounds.items()}
        starts: dict[KafkaPartition, int] = {}
        for name, topic in self._topics.items():
            self._catalog.expect(topic, len(bounds.get(topic.name, ())))
            for number, (first, end) in enumerate(bounds.get(topic.name, ())):
                starts[KafkaPartition(name, number)] = first
                self._ends[KafkaPartition(name, number)] = end
        consumer.assign(list(starts))
        for tp, first in starts.items():
            consumer.seek(tp, first)

    async def _fetch(self, consumer: AIOKafkaConsumer, wait_s: float) -> Mapping[tuple[str, int], Sequence[Record]]:
        try:
            return await fetched(self._kafka, consumer, self._ends, wait_s, POLL_RECORDS)
        except OffsetOutOfRangeError as error:
            raise StateAttention(
                f"A compacted topic does not go on where it was read last ({error}): it was deleted or cut. "
                "Start the worker again: it then reads the topic from its beginning."
            ) from None

    async def _take(self, batches: Mapping[tuple[str, int], Sequence[Record]]) -> Changes:
        """Take over records, and let others have the loop in between."""
        changes, clock = Changes(), asyncio.get_running_loop().time
        rest_at = clock() + HOLD_S
        for (name, partition), records in batches.items():
            for begin in range(0, len(records), RECORDS_AT_A_TIME):
                some = self._taken(name, partition, records[begin : begin + RECORDS_AT_A_TIME])
                changes.pages |= some.pages
                changes.wholes |= some.wholes
                changes.keys |= some.keys
                changes.lives |= some.lives
                if clock() >= rest_at:
                    await asyncio.sleep(0)
                    rest_at = clock() + HOLD_S
        return changes

    def _taken(self, name: str, partition: int, records: Sequence[Record]) -> Changes:
        changes = self._catalog.take(self._topics[name], partition, records)
        if changes.invalid:
            log.warning(
                "%s/%d: %d records are invalid and were skipped, what was there before stays; the last, before %d: %s.",
                name,
                partition,
                len(changes.invalid),
                records[-1].offset + 1,
                changes.invalid[-1],
            )
        return changes

    def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise RuntimeError("expected start() first")
        return self._consumer
