"""Old data through the topics: what they hold already, and the rest published with its own time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from uuid import uuid4

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from schemas.codec import encode, encode_key
from schemas.errors import Transient
from schemas.messages import CatalogItem, Click, Impression, PageRules
from schemas.topics import CATALOG_ITEMS, CLICKS, IMPRESSIONS, PAGE_RULES, Topic
from streams.clients import confluent_consumer_config, confluent_producer_config
from streams.settings import KafkaSettings

TIMEOUT_S = 30.0
BATCH = 5_000


class _Identified(msgspec.Struct):
    event_id: str = ""


def held_ids(kafka: KafkaSettings, topic: Topic, stem: str) -> Iterator[str]:
    """The event ids in a topic, as it is now, that begin with `stem`."""
    with _reader(kafka) as consumer:
        places = partitions(consumer, kafka.prefix + topic.name)
        wanted = stem.encode()
        for message in _to_the_end(consumer, places):
            value = message.value()
            if message.error() is None and value is not None and wanted in value:
                name = _event_id(value)
                if name.startswith(stem):
                    yield name


def end_offsets(kafka: KafkaSettings, topic: Topic) -> list[int]:
    """The offset after the last record of each partition.

    The broker is not asked but read from where it says that the end is: the
    embedded one names the end of its last batch's first record.
    """
    with _reader(kafka) as consumer:
        places = partitions(consumer, kafka.prefix + topic.name)
        for place in places:
            place.offset = consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)[1]
        ends = {m.partition(): m.offset() for m in _to_the_end(consumer, places) if m.error() is not None}
    return [int(ends[place.partition] or 0) for place in places]


@contextlib.contextmanager
def _reader(kafka: KafkaSettings) -> Iterator[Consumer]:
    consumer = Consumer(
        confluent_consumer_config(kafka, f"{kafka.prefix}import-{uuid4().hex}") | {"enable.partition.eof": True}
    )
    try:
        yield consumer
    finally:
        consumer.close()


def partitions(consumer: Consumer, name: str) -> list[TopicPartition]:
    """The partitions of a topic at their beginnings; raises Transient where there is none."""
    try:
        found = consumer.list_topics(name, timeout=TIMEOUT_S).topics[name]
    except KafkaException as error:
        raise Transient(f"The broker did not name the partitions of {name}: {error}. Check kafka.bootstrap.") from None
    if found.error is not None or not found.partitions:
        raise Transient(f"Topic {name} is not there: {found.error}. Create it with `reshelf topics apply`.")
    return [TopicPartition(name, number, OFFSET_BEGINNING) for number in sorted(found.partitions)]


def _to_the_end(consumer: Consumer, places: list[TopicPartition]) -> Iterator[Message]:
    """All records from `places` on; the last message of a partition is its end-of-partition mark."""
    consumer.assign(places)
    unread = {place.partition for place in places}
    last = time.monotonic()
    while unread:
        for message in consumer.consume(BATCH, timeout=0.2):
            last, error = time.monotonic(), message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF and message.partition() in unread:
                unread.discard(message.partition() or 0)
                yield message
        if time.monotonic() - last > TIMEOUT_S:
            raise Transient(
                f"{places[0].topic} could not be read to its end: silent for {TIMEOUT_S:.0f} s. Try again later."
            )


def _event_id(value: bytes) -> str:
    try:
        return msgspec.json.decode(value, type=_Identified).event_id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


class Publisher:
    """Publishes with each record's own time; the first failure is raised as Transient."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._prefix = kafka.prefix
        self._producer = Producer(confluent_producer_config(kafka))
        self._failure = ""

    def events(self, events: Iterable[Impression | Click], on_event: Callable[[], None]) -> int:
        """Publish events at their event time; returns how many.  All are acknowledged on return."""
        total = 0
        for event in events:
            topic = IMPRESSIONS if isinstance(event, Impression) else CLICKS
            self._send(topic, event.unit.encode(), encode(event), event.occurred_at)
            total += 1
            on_event()
        self.flush()
        return total

    def page(self, rules: PageRules, items: Iterable[CatalogItem]) -> None:
        """Publish a page and its items."""
        self._send(PAGE_RULES, encode_key(PAGE_RULES, rules.page), encode(rules))
        for item in items:
            self._send(CATALOG_ITEMS, encode_key(CATALOG_ITEMS, item.item), encode(item))
        self.flush()

    def flush(self) -> None:
        """Wait until all is acknowledged."""
        left = self._producer.flush(TIMEOUT_S)
        if left and not self._failure:
            self._failure = f"{left} records were not acknowledged within {TIMEOUT_S:.0f} s"
        self._raise()

    def _send(self, topic: Topic, key: bytes, value: bytes, timestamp: int = 0) -> None:
        while True:
            try:
                self._producer.produce(
                    self._prefix + topic.name, value, key, timestamp=timestamp, on_delivery=self._delivered
                )
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)
        self._raise()

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and not self._failure:
            self._failure = f"{message.topic()} refused a record: {error}"

    def _raise(self) -> None:
        if self._failure:
            raise Transient(f"{self._failure}. Import again: what is in already is left out.")
