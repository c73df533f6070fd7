"""One partition of a topic that attribution writes: publishing decisions and finding those that stand there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.codec import decoder, encode
from schemas.dead_letters import headers_of
from schemas.errors import BadRecord, Transient
from schemas.messages.events import Conversion, Credit
from schemas.topic import Topic
from schemas.topics import BY_NAME, CONVERSIONS, CREDITS, PURCHASES, RETURNS, SIGNALS
from streams.attribution.published import Source, Standing
from streams.attribution.step import Decision
from streams.kafka.bounds import watermarks
from streams.kafka.clients import confluent_consumer_config
from streams.kafka.producer import LogProducer, OutgoingRecord
from streams.settings import KafkaSettings

SOURCE_HEADERS = {PURCHASES.name: "reshelf-purchase", SIGNALS.name: "reshelf-signal", RETURNS.name: "reshelf-return"}
"""Offset of the record that a decision was made for, as a decimal number, by the topic of the record."""
APPENDED_HEADER = "reshelf-appended"
"""The largest append time up to that record, milliseconds."""
_TIMEOUT_S = 4.0
E = TypeVar("E")
TakeDecisions = Callable[[list[Decision]], None]


class _Identified(msgspec.Struct):
    event_id: str


_decode = decoder(_Identified)
_DECODERS: Mapping[str, Callable[[bytes], Conversion | Credit]] = {
    CONVERSIONS.name: decoder(Conversion),
    CREDITS.name: decoder(Credit),
}


class DecisionLog:
    """The partition as attribution uses it; calls may raise `Transient`."""

    def __init__(self, kafka: KafkaSettings, log_producer: LogProducer, topic: Topic, partition: int) -> None:
        self._kafka = kafka
        self._log_producer = log_producer
        self._topic = topic.name
        self._partition = partition
        self._decode = _DECODERS[topic.name]

    async def publish(self, decisions: Sequence[Decision]) -> list[int]:
        """Publish and wait for the acknowledgements; the offset of each.  Some may stand although it raised."""
        outgoing = [
            OutgoingRecord(
                self._topic,
                decision.event.unit.encode(),
                encode(decision.event),
                (
                    (SOURCE_HEADERS[decision.source.topic], str(decision.source.offset).encode()),
                    (APPENDED_HEADER, str(decision.appended_at).encode()),
                ),
                self._partition,
            )
            for decision in decisions
        ]
        return [offset for _, offset in await self._log_producer.publish(outgoing)]

    async def read(self, start: int) -> tuple[list[Standing], int]:
        """The decisions from `start` (or the log's beginning, if that is later) to the end, and the end.

        A `start` past the end gives an end before it.
        """
        decisions: list[Standing] = []
        end = await asyncio.to_thread(self._read, start, lambda some: decisions.extend(standing_of(some)))
        return decisions, end

    async def read_events(self, start: int, take: TakeDecisions) -> None:
        """Give the decisions from `start` to the end with their events to `take`, some thousands at a time."""
        await asyncio.to_thread(self._read, start, lambda some: take(list(self._decisions(some))))

    def _read(self, start: int, take: Callable[[Sequence[Message]], None]) -> int:
        config = confluent_consumer_config(self._kafka, f"{self._kafka.prefix}attribution-reader")
        consumer = Consumer(dict(config | {"enable.partition.eof": True}))
        try:
            where = TopicPartition(self._kafka.prefix + self._topic, self._partition)
            first, _ = watermarks(consumer, where)
            consumer.assign([TopicPartition(where.topic, where.partition, max(first, start))])
            return self._to_end(consumer, take)
        except KafkaException as error:
            raise Transient(f"Kafka does not answer: {error.args[0].str()}") from None
        finally:
            consumer.close()

    def _to_end(self, consumer: Consumer, take: Callable[[Sequence[Message]], None]) -> int:
        """Give all messages up to the end to `take`; the end."""
        while True:
            first = consumer.poll(_TIMEOUT_S)
            if first is None:
                raise Transient(f"Kafka sent nothing of {self._topic}")
            messages: list[Message] = []
            for message in (first, *consumer.consume(5_000, timeout=0)):
                error = message.error()
                if error is None:
                    messages.append(message)
                    continue
                take(messages)
                if error.code() == KafkaError._PARTITION_EOF:
                    return message.offset() or 0
                if error.code() == KafkaError._AUTO_OFFSET_RESET:
                    return 0
                raise KafkaException(error)
            take(messages)

    def _decisions(self, messages: Iterable[Message]) -> Iterator[Decision]:
        for message, source, event in _decoded(messages, self._decode):
            appended = dict(headers_of(message)).get(APPENDED_HEADER)
            # Before 0.2 only the event's own time was written down.
            append_time = event.occurred_at if appended is None else int(appended)
            yield Decision(BY_NAME[self._topic], source, event, append_time)


def standing_of(messages: Iterable[Message]) -> list[Standing]:
    """The decisions in some records; none where others wrote something that is no decision of ours."""
    decoded = _decoded(messages, _decode)
    return [Standing(message.offset() or 0, source, event.event_id) for message, source, event in decoded]


def _decoded(messages: Iterable[Message], decode: Callable[[bytes], E]) -> Iterator[tuple[Message, Source, E]]:
    """The records that are decisions of ours, with their sources and events."""
    for message in messages:
        source = _source(message)
        if source is not None:
            with suppress(BadRecord):
                yield message, source, decode(message.value() or b"")


def _source(message: Message) -> Source | None:
    headers = dict(headers_of(message))
    for topic, header in SOURCE_HEADERS.items():
        offset = headers.get(header)
        if offset is not None and offset.isdigit():
            return Source(topic, int(offset))
    return None
