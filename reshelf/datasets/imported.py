"""Old data through the topics: which ids they hold already, and the rest published with its own time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from reshelf.numbers import number
from schemas.codec import decoder, encode, encode_key
from schemas.errors import BadRecord, Transient
from schemas.messages.catalog import CatalogItem
from schemas.messages.events import Click, Impression, Purchase
from schemas.messages.pages import PageRules
from schemas.topic import Topic
from schemas.topics import CATALOG_ITEMS, CLICKS, IMPRESSIONS, PAGE_RULES, PURCHASES
from streams.kafka.clients import confluent_producer_config
from streams.kafka.reader import partitions, partitions_if_any, reader, to_the_end
from streams.settings import KafkaSettings

TIMEOUT_S = 30.0


class _Identified(msgspec.Struct):
    event_id: str = ""


def held_ids(kafka: KafkaSettings, topic: Topic, stem: str) -> Iterator[str]:
    """The event ids in a topic, as it is now, that begin with `stem`."""
    with reader(kafka) as consumer:
        places = partitions(consumer, kafka.prefix + topic.name)
        prefix = stem.encode()
        for message in to_the_end(consumer, places):
            value = message.value()
            if message.error() is None and value is not None and prefix in value:
                name = _event_id(value)
                if name.startswith(stem):
                    yield name


def _event_id(value: bytes) -> str:
    try:
        return msgspec.json.decode(value, type=_Identified).event_id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def held_orders(kafka: KafkaSettings) -> Iterator[Purchase]:
    """The orders in `events-purchases`, as it is now; none where there is no such topic."""
    decode = decoder(Purchase)
    with reader(kafka) as consumer:
        for message in to_the_end(consumer, partitions_if_any(consumer, kafka.prefix + PURCHASES.name)):
            value = message.value()
            if message.error() is None and value is not None:
                with contextlib.suppress(BadRecord):
                    yield decode(value)


class Publisher:
    """Publishes with each record's own time; the first failure is raised as Transient."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._prefix = kafka.prefix
        self._producer = Producer(confluent_producer_config(kafka))
        self._failure = ""

    def events(self, events: Iterable[Impression | Click]) -> int:
        """Publish events at their event time; returns how many.  All are acknowledged on return."""
        total = 0
        for event in events:
            topic = IMPRESSIONS if isinstance(event, Impression) else CLICKS
            self._send(topic, event.unit.encode(), encode(event), event.occurred_at)
            total += 1
        self.flush()
        return total

    def record(self, topic: Topic, unit: str, value: bytes, occurred_at: int) -> None:
        """Publish an event that is encoded already, at its event time; acknowledged when `flush` returns."""
        self._send(topic, unit.encode(), value, occurred_at)

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
            self._failure = f"{left} records were not acknowledged within {number(TIMEOUT_S)} s"
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
