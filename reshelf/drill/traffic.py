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
from schemas.messages.events import (
    Click,
    Impression,
    Purchase,
    PurchaseLine,
    Return,
    ReturnLine,
    Signal,
    SlotItem,
)
from schemas.messages.pages import Candidates, PageRules
from schemas.topic import Topic
from schemas.topics import CATALOG_ITEMS, CLICKS, IMPRESSIONS, PAGE_RULES, PURCHASES, RETURNS, SIGNALS
from streams.kafka.clients import confluent_producer_config
from streams.kafka.records import TopicPartition
from streams.settings import DAY_MS, KafkaSettings

TICK_S = 0.02
UNITS, ITEMS, SLOTS = 200, 40, 4
PAGES, SEGMENTS = ("home", "garden", "cart"), ("new", "known")
SHELVES: dict[str, tuple[str, ...]] = {"garden": ("new-in", "on-sale", "for-you")}
"""Of pages that have them: they stand in one row."""
ROW = "first"
DUPLICATES, POISON, LATE, FOREIGN, FORGET = 0.01, 0.001, 0.002, 0.002, 0.0005
"""Shares of all events."""
UNCLICKED, AGAIN, UNKNOWN = 0.02, 0.15, 0.1
"""Shares of what follows a click: without a click, reported again under another event_id, of an order nobody placed."""
EVENTS = (IMPRESSIONS, CLICKS, SIGNALS, PURCHASES, RETURNS)
WEIGHTS = (55, 22, 9, 10, 4)
SIGNAL_KINDS = ("add-to-cart", "add-to-cart", "view", "wish", "undeclared-kind")
FAMILIES = 10
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
        self._signals: deque[Signal] = deque(maxlen=RECENT)
        self._purchases: deque[Purchase] = deque(maxlen=RECENT)
        self._returns: deque[Return] = deque(maxlen=RECENT)
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
            topic = chance.choice(EVENTS)
            self._send(topic, f"unit-{chance.randrange(UNITS)}", chance.choice(POISONS), "")
        elif dice < POISON + DUPLICATES and self._recent:
            self._send(*chance.choice(self._recent))
        elif dice < POISON + DUPLICATES + FORGET:
            self._produce(CLICKS, f"unit-{chance.randrange(UNITS)}".encode(), None)
        else:
            self._event()

    def _event(self) -> None:
        chance = self._chance
        (topic,) = chance.choices(EVENTS, WEIGHTS)
        now = time.time_ns() // 1_000_000
        if topic in (IMPRESSIONS, CLICKS) or not self._clicks or (topic is RETURNS and not self._purchases):
            self._on_page(topic, f"e-{self.sent}", now)
        elif topic is SIGNALS:
            self._signals.append(self._signal(f"e-{self.sent}", now))
            self._publish(SIGNALS, self._signals[-1])
        elif topic is PURCHASES:
            self._purchases.append(self._purchase(f"e-{self.sent}", now))
            self._publish(PURCHASES, self._purchases[-1])
        else:
            self._returns.append(self._return(f"e-{self.sent}", now))
            self._publish(RETURNS, self._returns[-1])

    def _on_page(self, topic: Topic, event_id: str, now: int) -> None:
        chance = self._chance
        at = now - 3 * DAY_MS if chance.random() < LATE else now - chance.randrange(500)
        unit, page, segment = f"unit-{chance.randrange(UNITS)}", chance.choice(PAGES), chance.choice(SEGMENTS)
        variant = chance.randrange(-2, 16)
        shelf = chance.choice(SHELVES[page]) if page in SHELVES else ""
        if topic is IMPRESSIONS:
            row, rows = (ROW, {ROW: shelf}) if shelf else ("", {})
            slots = [SlotItem(f"{page}-{slot}", _item(chance), row=row) for slot in range(SLOTS)]
            self._publish(IMPRESSIONS, Impression(event_id, at, unit, page, segment, event_id, 1, variant, slots, rows))
        else:
            slot, item = f"{page}-{chance.randrange(SLOTS)}", _item(chance)
            family = _family(item) if chance.random() < 0.5 else ""
            click = Click(event_id, at, unit, page, segment, slot, item, event_id, 1, variant, family, shelf)
            self._clicks.append(click)
            self._publish(CLICKS, click)

    def _signal(self, event_id: str, now: int) -> Signal:
        chance = self._chance
        if self._signals and chance.random() < AGAIN:
            return msgspec.structs.replace(chance.choice(self._signals), event_id=event_id)
        at = now - 3 * DAY_MS if chance.random() < LATE else now - chance.randrange(500)
        unit, item = self._follows()
        return Signal(event_id, at, unit, chance.choice(SIGNAL_KINDS), item, _family(item))

    def _purchase(self, event_id: str, now: int) -> Purchase:
        """An order; or one that is reported again, perhaps with a line that is new."""
        chance = self._chance
        if self._purchases and chance.random() < AGAIN:
            order = chance.choice(self._purchases)
            lines = [*order.lines, PurchaseLine(_item(chance), 1, 700)] if chance.random() < 0.5 else order.lines
            return msgspec.structs.replace(order, event_id=event_id, lines=lines[-100:])
        currency = "USD" if chance.random() < FOREIGN else "EUR"
        unit, item = self._follows()
        lines = [PurchaseLine(item, 1, chance.randrange(5_000), _family(item)), PurchaseLine(_item(chance), 2, 900)]
        return Purchase(event_id, now, unit, event_id, currency, lines)

    def _return(self, event_id: str, now: int) -> Return:
        """What went back of an order; or of none that there is, or what is reported again."""
        chance = self._chance
        if self._returns and chance.random() < AGAIN:
            return msgspec.structs.replace(chance.choice(self._returns), event_id=event_id)
        order = chance.choice(self._purchases)
        order_id = "nobody-s" if chance.random() < UNKNOWN else order.order_id
        currency = "USD" if chance.random() < FOREIGN * 10 else order.currency
        lines = [ReturnLine(line.item, 1, line.amount, line.nth) for line in order.lines[: chance.randint(1, 2)]]
        return Return(event_id, now, order.unit, event_id, order_id, currency, lines)

    def _follows(self) -> tuple[str, str]:
        """The unit and the item of a click, seldom of none; of some clicks another item of the family."""
        chance = self._chance
        if chance.random() < UNCLICKED:
            return f"unit-{chance.randrange(UNITS)}", _item(chance)
        click = chance.choice(self._clicks)
        sibling = bool(click.family) and chance.random() < 0.2
        return click.unit, _item_of(click.family, chance) if sibling else click.item

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


def _family(item: str) -> str:
    """The family of an item: every tenth item is of the same."""
    return f"family-{int(item.rpartition('-')[2]) % FAMILIES}"


def _item_of(family: str, chance: random.Random) -> str:
    return f"item-{int(family.rpartition('-')[2]) + FAMILIES * chance.randrange(ITEMS // FAMILIES)}"
