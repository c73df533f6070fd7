"""A steady stream of impressions and clicks, whatever the workers make of it.

Events are due by the clock (open loop): who falls behind finds them waiting.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from bench.latency.delays import SentEvent
from bench.pages import slot_names
from schemas.codec import encode, encode_key
from schemas.errors import ReshelfError
from schemas.messages.catalog import CatalogItem
from schemas.messages.events import Click, Impression, SlotItem
from schemas.messages.fields import BASELINE
from schemas.messages.pages import Candidates, PageRules, PolicyChoice
from schemas.topics import CATALOG_ITEMS, CLICKS, IMPRESSIONS, PAGE_RULES
from streams.catalog.page import Key
from streams.kafka.clients import confluent_producer_config
from streams.settings import KafkaSettings

TICK_S = 0.005
BURST = 1_000
"""Events at once, at most, when the stream fell behind its clock."""
CLICK_EVERY = 20
NOTED_EVERY = 7
"""Of one impression in so many it is noted when it was sent."""
HOLDOUT_EVERY = 10
UNITS = 50_000
FLUSH_S = 60.0
IMPRESSIONS_LINGER_MS = 50
"""Impressions are sent together, as busy web servers do: else this one takes as much of the broker as all workers."""


@dataclass(frozen=True, slots=True)
class Shop:
    """Pages with segments each; items and slots are those of one page."""

    pages: int = 20
    segments: int = 10
    items: int = 300
    slots: int = 12
    variants: int = 16

    @property
    def page_names(self) -> list[str]:
        return [f"page-{number:03d}" for number in range(self.pages)]

    def keys(self) -> list[Key]:
        """Every page with every segment."""
        return [Key(page, f"segment-{number:03d}") for page in self.page_names for number in range(self.segments)]

    def item_names(self, page: str) -> list[str]:
        """The candidates of a page; no other page has them."""
        return [f"{page}-item-{number:04d}" for number in range(self.items)]

    def rules(self, page: str) -> PageRules:
        """The page as declared, its candidates by name."""
        named = Candidates(items=self.item_names(page), limit=self.items)
        slots = list(slot_names(self.slots))
        return PageRules(page, 1, slots, candidates=named, policy=PolicyChoice(variants=self.variants))


@dataclass(slots=True)
class Pace:
    """Which events are due by the clock; `begin` and `now` are seconds of a steady one."""

    rate: float
    begin: float
    done: int = 0

    def take(self, now: float) -> int:
        """How many to send now, BURST at most; the others stay due."""
        count = max(0, min(int((now - self.begin) * self.rate) - self.done, BURST))
        self.done += count
        return count


class Traffic:
    """Publishes events of a shop; one in CLICK_EVERY is a click on what the event before showed.

    `sent` counts events, `clicks` lists those that the broker acknowledged, and `impressions` some of them.
    """

    def __init__(self, kafka: KafkaSettings, shop: Shop, run: str) -> None:
        self.sent = 0
        self.clicks: list[SentEvent] = []
        self.impressions: list[SentEvent] = []
        self._numbers: Counter[Key] = Counter()
        self._prefix = kafka.prefix
        self._shop = shop
        self._run = run
        self._chance = random.Random(run)
        self._keys, self._slots = shop.keys(), slot_names(shop.slots)
        self._items = {page: shop.item_names(page) for page in shop.page_names}
        config = confluent_producer_config(kafka)
        self._producer = Producer(config)
        self._impressions = Producer(config | {"linger.ms": IMPRESSIONS_LINGER_MS})
        self._refused: KafkaError | None = None
        self._pace = Pace(0.0, 0.0)
        self._last_impression = self._impression(self._keys[0])

    def open(self) -> None:
        """Declare pages and items, and show each item to each segment, so that counts have their full size."""
        for page, items in self._items.items():
            self._produce(PAGE_RULES.name, encode_key(PAGE_RULES, page), encode(self._shop.rules(page)))
            for name in items:
                self._produce(CATALOG_ITEMS.name, encode_key(CATALOG_ITEMS, name), encode(CatalogItem(name, name)))
        for key in self._keys:
            names = self._items[key.page]
            for at in range(0, len(names), len(self._slots)):
                slots = [SlotItem(*pair) for pair in zip(self._slots, names[at : at + len(self._slots)], strict=False)]
                for variant in (0, BASELINE):
                    self._show(msgspec.structs.replace(self._impression(key), variant=variant, slots=slots))
        self.settle()

    def start(self, rate: float) -> None:
        """From now on this many events are due a second."""
        self._pace = Pace(rate, time.perf_counter())

    def publish_until(self, end: float) -> None:
        """Send what is due until `end`, seconds of `time.perf_counter`."""
        while (now := time.perf_counter()) < end:
            for _ in range(self._pace.take(now)):
                self._send_event()
            self._producer.poll(0)
            self._impressions.poll(0)
            time.sleep(TICK_S)

    def settle(self) -> None:
        """Wait until the broker has all; raises `ReshelfError` where it refused or did not take an event."""
        left = self._producer.flush(FLUSH_S) + self._impressions.flush(FLUSH_S)
        if left or self._refused is not None:
            raise ReshelfError(f"the broker did not take all events: {self._refused or f'{left} still wait'}")

    def _send_event(self) -> None:
        if self.sent % CLICK_EVERY == CLICK_EVERY - 1:
            self._click(self._last_impression)
        else:
            self._show(self._impression(self._chance.choice(self._keys)))

    def _impression(self, key: Key) -> Impression:
        chance = self._chance
        event_id = f"{self._run}-{self.sent}"
        unit = f"unit-{chance.randrange(UNITS)}"
        variant = BASELINE if chance.randrange(HOLDOUT_EVERY) == 0 else chance.randrange(self._shop.variants)
        slots = [SlotItem(chance.choice(self._slots), chance.choice(self._items[key.page]))]
        return Impression(event_id, _now_ms(), unit, *key, event_id, 1, variant, slots)

    def _show(self, event: Impression) -> None:
        self._last_impression = event
        self.sent += 1
        noted = None
        if self.sent % NOTED_EVERY == 0:
            noted = partial(self._noted, self.impressions, Key(event.page, event.segment), time.perf_counter(), -1)
        self._produce(IMPRESSIONS.name, event.unit.encode(), encode(event), noted)

    def _click(self, on: Impression) -> None:
        event_id, (slot_item,) = f"{self._run}-{self.sent}", on.slots
        event = Click(
            event_id,
            _now_ms(),
            on.unit,
            on.page,
            on.segment,
            slot_item.slot,
            slot_item.item,
            on.page_view_id,
            on.layout_version,
            on.variant,
        )
        self.sent += 1
        value, key = encode(event), Key(on.page, on.segment)
        noted = partial(self._noted, self.clicks, key, time.perf_counter(), self._numbers[key])
        self._numbers[key] += 1
        self._produce(CLICKS.name, on.unit.encode(), value, noted)

    def _noted(
        self,
        events: list[SentEvent],
        key: Key,
        produced_at: float,
        number: int,
        error: KafkaError | None,
        message: Message,
    ) -> None:
        self._delivered(error, message)
        if error is None:
            place = int(message.partition() or 0), int(message.offset() or 0)
            events.append(SentEvent(key, *place, produced_at, number))

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        self._refused = error or self._refused

    def _produce(self, topic: str, key: bytes, value: bytes, on_delivery: Any = None) -> None:
        producer = self._impressions if topic == IMPRESSIONS.name else self._producer
        while True:
            try:
                producer.produce(self._prefix + topic, value, key, on_delivery=on_delivery or self._delivered)
                return
            except BufferError:
                producer.poll(0.1)


def sent_between(events: list[SentEvent], begin: float, end: float) -> Iterator[SentEvent]:
    """Those that were sent from `begin` on and before `end`."""
    return (event for event in events if begin <= event.produced_at < end)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
