"""Records out: one idempotent producer whose deliveries can be awaited."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message, Producer

from schemas.errors import StateAttention, Transient
from streams.kafka.clients import confluent_producer_config
from streams.settings import KafkaSettings

LINGER_MS = 1
"""Whoever publishes waits for the broker's answer, so records wait little for others."""

Headers = Sequence[tuple[str, bytes]]


class OutgoingRecord(NamedTuple):
    """A record to publish; `topic` is the name without the prefix, a None value is a tombstone."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int = -1


class Delivery(NamedTuple):
    """Where a record was appended, and when by the broker's clock: None where the topic is not stamped by it."""

    partition: int
    offset: int
    append_time: int | None


class LogProducer:
    """Publishes records; partitions are chosen by murmur2 of the key unless given."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._prefix = kafka.prefix
        self._producer = Producer(dict(confluent_producer_config(kafka) | {"linger.ms": LINGER_MS}))
        self._closing = threading.Event()
        self._produced = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="producer", daemon=True)
        self._poller.start()

    async def publish(self, records: Iterable[OutgoingRecord]) -> list[tuple[int, int]]:
        """Publish as `deliver` does: (partition, offset) of each record, in order."""
        return [(delivery.partition, delivery.offset) for delivery in await self.deliver(records)]

    async def deliver(self, records: Iterable[OutgoingRecord]) -> list[Delivery]:
        """Publish and wait until all are acknowledged; what became of each, in order.

        Raises `Transient` when a record was not delivered; some may have been, so
        whoever calls again must cope with repeats.
        """
        outgoing = list(records)
        if not outgoing:
            return []
        deliveries = _Deliveries(len(outgoing))
        for at, record in enumerate(outgoing):
            while not self._produce(record, partial(deliveries.delivered, at)):
                await asyncio.sleep(0.01)
        return await deliveries.all

    def _produce(self, record: OutgoingRecord, on_delivery: Any) -> bool:
        """Hand a record to the client; False where that has no room just now."""
        try:
            self._producer.produce(
                self._prefix + record.topic,
                key=record.key,
                value=record.value,
                headers=list(record.headers),
                partition=record.partition,
                on_delivery=on_delivery,
            )
        except BufferError:
            return False
        except KafkaException as error:
            raise _error(error.args[0], record.topic) from None
        self._produced.set()
        return True

    def _poll(self) -> None:
        """Hand out what became of records, and sleep while there are none."""
        while not self._closing.is_set():
            self._produced.wait()
            self._produced.clear()
            while len(self._producer) and not self._closing.is_set():
                self._producer.poll(0.05)

    async def close(self) -> None:
        """Deliver what is waiting, for a second at most, and end."""
        await asyncio.to_thread(self._producer.flush, 1.0)
        self._closing.set()
        self._produced.set()
        await asyncio.to_thread(self._poller.join)


class _Deliveries:
    """Collects the acknowledgements of one call; callbacks come from the polling thread."""

    def __init__(self, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.all: asyncio.Future[list[Delivery]] = self._loop.create_future()
        self._places = [Delivery(-1, -1, None)] * count
        self._waiting = count
        self._failed: Exception | None = None

    def delivered(self, at: int, error: KafkaError | None, message: Message) -> None:
        """What became of the record at a place."""
        if error is not None:
            self._failed = _error(error, message.topic() or "")
        else:
            kind, stamp = message.timestamp()
            append_time = stamp if kind == TIMESTAMP_LOG_APPEND_TIME else None
            self._places[at] = Delivery(message.partition() or 0, message.offset() or 0, append_time)
        self._waiting -= 1
        if self._waiting == 0:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if self.all.done():
            return
        if self._failed is not None:
            self.all.set_exception(self._failed)
        else:
            self.all.set_result(self._places)


def _error(error: KafkaError, topic: str) -> Exception:
    """Too large or not allowed stays so; everything else may pass."""
    lasting = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART)
    if error.code() in lasting:
        return StateAttention(f"cannot publish to {topic!r}: {error.str()}. Check the topic with `reshelf doctor`.")
    return Transient(f"Kafka did not take a record for {topic!r}: {error.str()}")
