"""Kafka for a web tier, on confluent-kafka: layouts in, events out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from threading import Event, Thread
from typing import Any, NamedTuple, Self
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from policy.assignment import Choice, choose
from policy.segments.rule import UNASSIGNED, choose_segment
from schemas.codec import decode_key, decoder, encode, encode_key
from schemas.errors import BadRecord
from schemas.messages.fields import FALLBACK
from schemas.messages.layouts import Layout, LayoutLife, LayoutShelf
from schemas.topic import Topic
from schemas.topics import LAYOUT_LIVES, LAYOUTS, SEGMENTS
from streams.catalog.segments.model_view import SegmentModelView

_layout, _life = decoder(Layout), decoder(LayoutLife)
NO_CONTEXT: Mapping[str, str] = {}


class Outgoing(NamedTuple):
    """An event and the topic it belongs to."""

    topic: Topic
    event: Any


class Shown(NamedTuple):
    """What a visitor gets: the version to report, variant, slate and rows, and what the shelves in rows are called.

    A flat page has neither rows nor shelves.
    """

    version: int
    choice: Choice
    shelves: Mapping[str, LayoutShelf] = {}


class Layouts:
    """The newest layout of each page and segment; one thread takes, others show."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, ...], Layout] = {}
        self._lives: dict[str, int] = {}
        self._model = SegmentModelView()

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

    def take_life(self, key: bytes | None, value: bytes | None) -> None:
        """Take one record of `layout-lives`: until when layouts are good that name it and did not change."""
        try:
            (name,) = decode_key(LAYOUT_LIVES, key)
            self._lives[name] = 0 if value is None else _life(value).expires_at
        except BadRecord:
            return

    def take_segments(self, key: bytes | None, value: bytes | None) -> None:
        """Take one record of `segments`: the model by which a visitor's segment follows from their items."""
        try:
            self._model.take_record(key, value)
        except BadRecord:
            return

    def segment_of(
        self, page: str, own: str, items: Sequence[str], current: str, context: Mapping[str, str] = NO_CONTEXT
    ) -> str:
        """The visitor's segment on a page: by what they looked at where it is learned, else what the shop says.

        `context` is what is known of the visit; the model names the one attribute of it that has a part in the choice.
        """
        layout = self._held.get((page, "*"))
        if layout is None or not layout.segments:
            return own
        if self._model.current is None:
            return UNASSIGNED
        model, points = self._model.current
        return choose_segment(model, points, items, current, context.get(model.attribute, ""))

    def show(self, page: str, segment: str, unit: str, now_ms: int, fallback: dict[str, str]) -> Shown:
        """What a visitor gets; `fallback` as version 0 where no layout is still good."""
        layout = self._held.get((page, segment)) or self._held.get((page, "*"))
        if layout is None or max(layout.expires_at, self._lives.get(layout.life, 0)) <= now_ms:
            return Shown(0, Choice(FALLBACK, fallback))
        return Shown(layout.version, choose(layout, unit), layout.shelves or {})


class Follower:
    """Keeps `layouts` as the topics are while its block runs; entering waits until they were read to their ends once.

    Where there is no `layout-lives`, as before an upgrade, layouts are good until their own end; without `segments`
    there is no model of them.
    """

    def __init__(self, bootstrap: str, prefix: str, layouts: Layouts) -> None:
        self._topic = prefix + LAYOUTS.name
        self._takes = {
            prefix + LAYOUTS.name: layouts.take,
            prefix + LAYOUT_LIVES.name: layouts.take_life,
            prefix + SEGMENTS.name: layouts.take_segments,
        }
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
        topics = self._consumer.list_topics(timeout=10).topics
        names = [name for name in self._takes if name in topics]
        self._unread = {(name, number) for name in names for number in topics[name].partitions}
        self._consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in self._unread])
        if self._topic not in topics:
            raise LookupError(f"{self._topic} does not exist")
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
                    self._takes[message.topic() or ""](message.key(), message.value())
                elif error.code() == KafkaError._PARTITION_EOF:
                    self._unread.discard((message.topic() or "", message.partition() or 0))
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
