"""One partition of events-conversions: publishing decisions and finding those that stand there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.codec import decoder, encode
from schemas.dead_letters import headers_of
from schemas.errors import BadRecord, Transient
from schemas.topics import CONVERSIONS
from streams.attribution.core import Decision
from streams.attribution.published import Standing
from streams.kafka.clients import confluent_consumer_config
from streams.kafka.producer import LogProducer, OutgoingRecord
from streams.settings import KafkaSettings

PURCHASE_HEADER = "reshelf-purchase"
"""Offset of the purchase that a conversion was decided for, as a decimal number."""
_TIMEOUT_S = 4.0


class _Identified(msgspec.Struct):
    event_id: str


_decode = decoder(_Identified)


class ConversionsLog:
    """The partition as attribution uses it; calls may raise `Transient`."""

    def __init__(self, kafka: KafkaSettings, log_producer: LogProducer, partition: int) -> None:
        self._kafka = kafka
        self._log_producer = log_producer
        self._partition = partition

    async def publish(self, decisions: Sequence[Decision]) -> list[int]:
        """Publish and wait for the acknowledgements; the offset of each.  Some may stand although it raised."""
        outgoing = [
            OutgoingRecord(
                CONVERSIONS.name,
                decision.event.unit.encode(),
                encode(decision.event),
                ((PURCHASE_HEADER, str(decision.offset).encode()),),
                self._partition,
            )
            for decision in decisions
        ]
        return [offset for _, offset in await self._log_producer.publish(outgoing)]

    async def read(self, start: int) -> tuple[list[Standing], int]:
        """The decisions from `start` (or the log's beginning, if that is later) to the end, and the end.

        A `start` past the end gives an end before it.
        """
        return await asyncio.to_thread(self._read, start)

    def _read(self, start: int) -> tuple[list[Standing], int]:
        config = confluent_consumer_config(self._kafka, f"{self._kafka.prefix}attribution-reader")
        consumer = Consumer(dict(config | {"enable.partition.eof": True}))
        try:
            where = TopicPartition(self._kafka.prefix + CONVERSIONS.name, self._partition)
            bounds = consumer.get_watermark_offsets(where, timeout=_TIMEOUT_S)
            if bounds is None:
                raise Transient("Kafka did not say where events-conversions begins and ends")
            consumer.assign([TopicPartition(where.topic, where.partition, max(bounds[0], start))])
            return self._to_end(consumer)
        except KafkaException as error:
            raise Transient(f"Kafka does not answer: {error.args[0].str()}") from None
        finally:
            consumer.close()

    def _to_end(self, consumer: Consumer) -> tuple[list[Standing], int]:
        decisions: list[Standing] = []
        while True:
            first = consumer.poll(_TIMEOUT_S)
            if first is None:
                raise Transient("Kafka sent nothing of events-conversions")
            for message in (first, *consumer.consume(5_000, timeout=0)):
                error = message.error()
                if error is None:
                    decisions += _standing(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    return decisions, message.offset() or 0
                elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                    return [], 0
                else:
                    raise KafkaException(error)


def _standing(message: Message) -> list[Standing]:
    """The decision in a record; none where others wrote something that is no decision of ours."""
    purchase = dict(headers_of(message)).get(PURCHASE_HEADER, b"")
    try:
        event_id = _decode(message.value() or b"").event_id
        return [Standing(message.offset() or 0, int(purchase or b""), event_id)]
    except (BadRecord, ValueError):
        return []
