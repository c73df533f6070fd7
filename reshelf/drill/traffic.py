"""Events with known ids at a set rate: what a shop sends, and what it should not."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.codec import encode, encode_key
from schemas.messages.catalog import CatalogItem
from schemas.messages.events import Click, Impression, Purchase, PurchaseLine, SlotItem
from schemas.messages.pages import Candidates, PageRules
from schemas.topic import Topic
from schemas.topics import CATALOG_ITEMS, CLICKS, IMPRESSIONS, PAGE_RULES, PURCHASES
from streams.kafka.clients import confluent_producer_config
from streams.kafka.records import TopicPartition
from streams.settings import DAY_MS, KafkaSettings

TICK_S = 0.02
UNITS, ITEMS, SLOTS = 200, 40, 4
PAGES, SEGMENTS = ("home", "garden", "cart"), ("new", "known")
DUPLICATES, POISON, LATE, FOREIGN, FORGET = 0.01, 0.001, 0.002, 0.002, 0.0005
UNCLICKED = 0.02
"""Shares of all events; UNCLICKED are purchases without a click."""
POISONS = (b"{", b"[]", b'{"unit": 7}', b"\xff")
RECENT = 500


class Traffic:
    """A thread that publishes until `stop`; `ends` are the offsets after the last acknowledged event."""

    def __init__(self, kafka: KafkaSettings, seed: int, rate: float) -> None:
        self.acknowledged: set[str] = set()
        self.ends: dict[TopicPartition, int] = {}
        self.sent = 0
        self.refused = 0
        self._kafka = kafka
        self._rate = rate
        self._chance = random.Random(seed)
        self._recent: deque[tuple[Topic, str, bytes, str]] = deque(maxlen=RECENT)
        self._clicks: deque[Click] = deque(maxlen=RECENT)
        self._producer = Producer(_config(kafka))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic")

    def open(self) -> None:
        """Publish pages and catalog."""
        for number, page in enumerate(PAGES):
            slots = [f"{page}-{slot}" for slot in range(SLOTS)]
            rules = PageRules(page, 1, slots, candidates=Candidates(), attribution_window=60_000 * (number + 1))
            self._produce(PAGE_RULES, encode_key(PAGE_RULES, page), encode(rules))
        for number in range(ITEMS):
            name = f"item-{number}"
            item = CatalogItem(name, f"Item {number}", "", "things", "", 1_000, "EUR", True, 0, [])
            self._produce(CATALOG_ITEMS, encode_key(CATALOG_ITEMS, name), encode(item))
        self._producer.flush(30)

    def start(self) -> None:
        self._thread.start()

    def stop(self, limit_s: float) -> int:
        """Send what is on its way; how many events no broker acknowledged within `limit_s`."""
        self._stopping.set()
        self._thread.join()
        return self._producer.flush(limit_s) + self.refused

    def _run(self) -> None:
        begin, done = time.monotonic(), 0
        while not self._stopping.is_set():
            due = int((time.monotonic() - begin) * self._rate)
            for _ in range(done, due):
                self._send_event()
            done = due
            self._producer.poll(0)
            time.sleep(TICK_S)

    def _send_event(self) -> None:
        chance, dice = self._chance, self._chance.random()
        self.sent += 1
        if dice < POISON:
            topic = chance.choice((IMPRESSIONS, CLICKS, PURCHASES))
            self._send(topic, f"unit-{chance.randrange(UNITS)}", chance.choice(POISONS), "")
        elif dice < POISON + DUPLICATES and self._recent:
            self._send(*chance.choice(self._recent))
        elif dice < POISON + DUPLICATES + FORGET:
            self._produce(CLICKS, f"unit-{chance.randrange(UNITS)}".encode(), None)
        else:
            self._event()

    def _event(self) -> None:
        chance, dice = self._chance, self._chance.random()
        event_id, now = f"e-{self.sent}", time.time_ns() // 1_000_000
        at = now - 3 * DAY_MS if chance.random() < LATE else now - chance.randrange(500)
        unit, page, segment = f"unit-{chance.randrange(UNITS)}", chance.choice(PAGES), chance.choice(SEGMENTS)
        if dice < 0.6:
            slots = [SlotItem(f"{page}-{slot}", _item(chance)) for slot in range(SLOTS)]
            variant = chance.randrange(-2, 16)
            self._publish(IMPRESSIONS, Impression(event_id, at, unit, page, segment, event_id, 1, variant, slots))
        elif dice < 0.85 or not self._clicks:
            slot, variant = f"{page}-{chance.randrange(SLOTS)}", chance.randrange(-2, 16)
            click = Click(event_id, at, unit, page, segment, slot, _item(chance), event_id, 1, variant)
            self._clicks.append(click)
            self._publish(CLICKS, click)
        else:
            currency = "USD" if chance.random() < FOREIGN else "EUR"
            origin = chance.choice(self._clicks)
            unit, item = (unit, _item(chance)) if chance.random() < UNCLICKED else (origin.unit, origin.item)
            lines = [PurchaseLine(item, 1, chance.randrange(5_000)), PurchaseLine(_item(chance), 2, 900)]
            self._publish(PURCHASES, Purchase(event_id, now, unit, event_id, currency, lines))

    def _publish(self, topic: Topic, event: Any) -> None:
        entry = topic, event.unit, msgspec.json.encode(event), event.event_id
        self._recent.append(entry)
        self._send(*entry)

    def _send(self, topic: Topic, unit: str, value: bytes, event_id: str) -> None:
        self._produce(topic, unit.encode(), value, event_id)

    def _produce(self, topic: Topic, key: bytes, value: bytes | None, event_id: str = "") -> None:
        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self.refused += 1
                return
            if event_id:
                self.acknowledged.add(event_id)
            tp, offset = TopicPartition(topic.name, int(message.partition() or 0)), int(message.offset() or 0)
            self.ends[tp] = max(offset + 1, self.ends.get(tp, 0))

        while True:
            try:
                self._producer.produce(self._kafka.prefix + topic.name, value, key, on_delivery=delivered)
                return
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                if not error.args[0].fatal():
                    raise
                self._replace_producer()

    def _replace_producer(self) -> None:
        """An idempotent producer that met a fatal error, a sequence that a broker lost, can send nothing any more."""
        self._producer.flush(1)
        self._producer = Producer(_config(self._kafka))


def _config(kafka: KafkaSettings) -> dict[str, Any]:
    """Partitions that were added are used as soon as producers that begin by then would."""
    return dict(confluent_producer_config(kafka)) | {"topic.metadata.refresh.interval.ms": 3_000}


def _item(chance: random.Random) -> str:
    return f"item-{chance.randrange(ITEMS)}"
