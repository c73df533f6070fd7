"""An application on the transport that keeps what arrives, and what its tests write and wait for."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import Producer
from confluent_kafka import TopicPartition as KafkaPartition

from streams.kafka.clients import confluent_consumer_config, confluent_producer_config
from streams.kafka.records import Batch, TopicPartition
from streams.settings import KafkaSettings
from streams.transport import create_app, reader, subscription
from tests.deadline import Deadline
from tests.delivery import flush

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
    end = Deadline(WAIT_S)
    while not holds():
        assert end.ahead, "waited in vain"
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
    flush(producer)


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


async def until_bounds(worker: Worker) -> Mapping[TopicPartition, tuple[int, int]]:
    await until(worker.reader.owned)
    return await worker.reader.bounds(worker.reader.owned())
