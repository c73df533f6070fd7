"""Kafka for a web tier, on confluent-kafka: layouts in, events out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Event, Thread
from typing import Any, NamedTuple, Self
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from policy.assignment import Choice, choose
from schemas.codec import decode_key, decoder, encode, encode_key
from schemas.errors import BadRecord
from schemas.messages.fields import FALLBACK
from schemas.messages.layouts import Layout
from schemas.topics import LAYOUTS, Topic

_layout = decoder(Layout)


class Outgoing(NamedTuple):
    """An event and the topic it belongs to."""

    topic: Topic
    event: Any


class Layouts:
    """The newest layout of each page and segment; one thread takes, others show."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, ...], Layout] = {}

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Take one record: None deletes; an older version or an unreadable value changes nothing."""
        try:
            place = decode_key(LAYOUTS, key)
            if value is None:
                self._held.pop(place, None)
                return
            layout = _layout(value)
        except BadRecord:
            return
        held = self._held.get(place)
        if held is None or layout.version > held.version:
            self._held[place] = layout

    def show(self, page: str, segment: str, unit: str, now_ms: int, fallback: dict[str, str]) -> tuple[int, Choice]:
        """Version, variant and slate for a visitor; `fallback` as version 0 where no layout is still good."""
        layout = self._held.get((page, segment)) or self._held.get((page, "*"))
        if layout is None or layout.expires_at <= now_ms:
            return 0, Choice(FALLBACK, fallback)
        return layout.version, choose(layout, unit)


class Follower:
    """Keeps `layouts` as the topic is while its block runs; entering waits until it was read to its end once."""

    def __init__(self, bootstrap: str, prefix: str, layouts: Layouts) -> None:
        self._topic = prefix + LAYOUTS.name
        self._layouts = layouts
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"{prefix}renderer-{uuid4().hex}",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        self._stop, self._read = Event(), Event()
        self._thread = Thread(target=self._run, name="layouts", daemon=True)

    def __enter__(self) -> Self:
        # Every renderer reads all partitions from the beginning, so they are assigned, not shared out in a group.
        partitions = self._consumer.list_topics(self._topic, timeout=10).topics[self._topic].partitions
        self._consumer.assign([TopicPartition(self._topic, number, OFFSET_BEGINNING) for number in partitions])
        self._unread = set(partitions)
        self._thread.start()
        if not self._read.wait(30):
            raise TimeoutError(f"{self._topic} could not be read to its end within 30 s")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(500, timeout=0.1):
                error = message.error()
                if error is None:
                    self._layouts.take(message.key(), message.value())
                elif error.code() == KafkaError._PARTITION_EOF:
                    self._unread.discard(message.partition() or 0)
            if not self._unread:
                self._read.set()


class Events:
    """Publishes events; a thread collects the acknowledgements."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._prefix = prefix
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",  # as Java's: librdkafka's default would spread a unit's events
                "enable.idempotence": True,
                "acks": "all",
                "message.timeout.ms": 10_000,
            }
        )
        self._stop = Event()
        self._thread = Thread(target=self._collect, name="acknowledgements", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.flush(10)
        self._stop.set()
        self._thread.join()

    async def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Return when all replicas have every record.

        Raises KafkaException otherwise: send the same again, with the same event ids.
        """
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(self._produce(loop, event) for event in outgoing))

    def _produce(self, loop: asyncio.AbstractEventLoop, outgoing: Outgoing) -> asyncio.Future[None]:
        sent: asyncio.Future[None] = loop.create_future()

        def settle(error: KafkaError | None) -> None:
            if error is None:
                sent.set_result(None)
            else:
                sent.set_exception(KafkaException(error))

        def report_delivery(error: KafkaError | None, _: Message) -> None:
            loop.call_soon_threadsafe(settle, error)

        key = encode_key(outgoing.topic, outgoing.event.unit)
        self._producer.produce(
            self._prefix + outgoing.topic.name, encode(outgoing.event), key, on_delivery=report_delivery
        )
        return sent

    def _collect(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(0.1)
