"""Where a replay reads from: the topics, as workers read them but in no group."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Protocol

import confluent_kafka
import uvloop
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import KafkaError

from schemas.errors import Transient
from streams.kafka.bounds import log_bounds, offsets_since, unanswered
from streams.kafka.clients import aiokafka_consumer_config, confluent_consumer_config, stop_consumer
from streams.kafka.parsed import PARTITION_FETCH_BYTES, fetched, hand_on_parsed
from streams.kafka.records import Record, TopicPartition
from streams.settings import KafkaSettings

FETCH_WAIT_S = 0.5
SILENT_S = 30.0


Span = tuple[int, int]
"""First offset and the one after the last."""

Runs = Generator[tuple[TopicPartition, Sequence[Record]], None, None]
"""Runs of one partition, in the order of their offsets; to be closed by the thread that reads them."""


class Source(Protocol):
    """Records of event topics, however they are kept; `grows` says whether more may come."""

    grows: bool

    def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Span]:
        """What there is of each partition; raises `BadSettings` where a topic is missing."""

    def at_time(self, topics: Sequence[str], time_ms: int) -> dict[TopicPartition, int]:
        """The first offset of each partition that was appended at `time_ms` or later."""

    def records(self, spans: Mapping[TopicPartition, Span]) -> Runs:
        """All records of these spans."""


class KafkaSource:
    """The topics of the settings."""

    grows = True

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka

    def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Span]:
        bounds = log_bounds(self._kafka, list(topics))
        return {TopicPartition(name, at): span for name, spans in bounds.items() for at, span in enumerate(spans)}

    def at_time(self, topics: Sequence[str], time_ms: int) -> dict[TopicPartition, int]:
        """Asks the broker's index; where nothing was appended since, the partition's end."""
        bounds = self.bounds(topics)
        consumer = confluent_kafka.Consumer(confluent_consumer_config(self._kafka, f"{self._kafka.prefix}replay"))
        try:
            queries = [
                confluent_kafka.TopicPartition(self._kafka.prefix + tp.topic, tp.partition, time_ms) for tp in bounds
            ]
            answers = offsets_since(consumer, queries, SILENT_S)
        except confluent_kafka.KafkaException as error:
            raise Transient(f"Kafka does not say where {time_ms} is: {error.args[0].str()}") from None
        finally:
            consumer.close()
        return {
            tp: answer.offset if answer.offset >= 0 else bounds[tp][1]
            for tp, answer in zip(bounds, answers, strict=True)
        }

    def records(self, spans: Mapping[TopicPartition, Span]) -> Runs:
        """One partition after another, by the parser of the workers; for a thread without an event loop."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            consumer = runner.run(self._started())
            try:
                for tp, (first, end) in spans.items():
                    name = KafkaPartition(self._kafka.prefix + tp.topic, tp.partition)
                    runner.run(_place(consumer, name, first))
                    for run in _runs(runner, self._kafka, consumer, name, first, end):
                        yield tp, run
            finally:
                runner.run(stop_consumer(consumer))

    async def _started(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            client_id=f"{self._kafka.prefix}replay",
            group_id=None,
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            **aiokafka_consumer_config(self._kafka),
        )
        try:
            await consumer.start()
        except (KafkaError, OSError) as error:
            await stop_consumer(consumer)
            raise unanswered(self._kafka, error) from error
        hand_on_parsed(consumer)
        return consumer


def _runs(
    runner: asyncio.Runner, kafka: KafkaSettings, consumer: AIOKafkaConsumer, name: KafkaPartition, at: int, end: int
) -> Iterator[Sequence[Record]]:
    """What there is of a partition in [at, end)."""
    last = time.monotonic()
    while at < end:
        run, position = runner.run(_read(kafka, consumer, name))
        if position > at:
            at, last = position, time.monotonic()
        elif time.monotonic() - last > SILENT_S:
            raise Transient(f"Kafka sent nothing for {SILENT_S:.0f} s; run the same command again to go on")
        if position > end:
            run = [record for record in run if record.offset < end]
        if run:
            yield run


async def _place(consumer: AIOKafkaConsumer, name: KafkaPartition, first: int) -> None:
    consumer.assign([name])
    consumer.seek(name, first)


async def _read(kafka: KafkaSettings, consumer: AIOKafkaConsumer, name: KafkaPartition) -> tuple[list[Record], int]:
    """What comes next of the partition, and where the one after begins.

    Its loop stands still between two calls, for longer than a request may take where other partitions are further
    behind: so nothing is asked for that is not waited for.
    """
    try:
        consumer.resume(name)
        records = await fetched(kafka, consumer, [name], FETCH_WAIT_S)
        consumer.pause(name)
        return records.get(name, []), await consumer.position(name)
    except KafkaError as error:
        raise Transient(f"Kafka: {error}") from error
