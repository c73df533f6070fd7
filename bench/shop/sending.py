"""Records to topics, as many at once as the client takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from bench.shop.catalog import Shop
from schemas.codec import encode, encode_key
from schemas.errors import ReshelfError
from schemas.topics import CATALOG_ITEMS, PAGE_RULES
from streams.kafka.clients import confluent_producer_config
from streams.settings import KafkaSettings

FLUSH_S = 120.0
LINGER_MS = 50
WAITING = 500_000
Delivered = Callable[[KafkaError | None, Message], None]


class Sender:
    """Publishes; `at_once` sends each record as soon as it may, for those that are timed."""

    def __init__(self, kafka: KafkaSettings, *, at_once: bool = False) -> None:
        more: dict[str, Any] = {} if at_once else {"linger.ms": LINGER_MS, "queue.buffering.max.messages": WAITING}
        self._producer = Producer(dict(confluent_producer_config(kafka) | more))
        self._prefix = kafka.prefix
        self._refused: KafkaError | None = None

    def send(self, topic: str, key: bytes, message: msgspec.Struct | None, delivered: Delivered | None = None) -> None:
        """One record, a tombstone where there is no message; waits where the client holds too many."""
        value = None if message is None else encode(message)
        while True:
            try:
                self._producer.produce(self._prefix + topic, value, key, on_delivery=delivered or self._delivered)
                return
            except BufferError:
                self._producer.poll(0.1)

    def poll(self) -> None:
        self._producer.poll(0)

    def settle(self) -> None:
        """Wait until the broker has all; raises `ReshelfError` where it refused or did not take a record."""
        left = self._producer.flush(FLUSH_S)
        if left or self._refused is not None:
            raise ReshelfError(f"the broker did not take all records: {self._refused or f'{left} still wait'}")

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        self._refused = error or self._refused


def declare(kafka: KafkaSettings, shop: Shop) -> None:
    """Publish the catalog and all pages."""
    sender = Sender(kafka)
    for number in range(shop.size.pages):
        rules = shop.rules(number)
        sender.send(PAGE_RULES.name, encode_key(PAGE_RULES, rules.page), rules)
    for at, item in enumerate(shop.items()):
        sender.send(CATALOG_ITEMS.name, encode_key(CATALOG_ITEMS, item.item), item)
        if at % 1_000 == 0:
            sender.poll()
    sender.settle()
