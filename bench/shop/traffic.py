"""Visitors of a shop: page views, clicks and purchases by the clock, or as many as were asked for at once.

Pages, segments and items come by Zipf's law.  One event in CLICK_EVERY is a click on what
the event before showed, one in PURCHASE_EVERY an order of something that was clicked on.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from confluent_kafka import KafkaError, Message

from bench.latency.delays import SentEvent
from bench.latency.traffic import TICK_S, Pace
from bench.shop.catalog import Shop, number_in
from bench.shop.sending import Sender
from bench.shop.state.counts import HOLDOUT_SHARE, shown
from policy.arrays import Ints
from schemas.messages.events import Click, Impression, Purchase, PurchaseLine, SlotItem
from schemas.messages.fields import BASELINE
from schemas.topics import CLICKS, IMPRESSIONS, PURCHASES
from streams.catalog.page import Key
from streams.settings import KafkaSettings

CLICK_EVERY, PURCHASE_EVERY = 20, 500
BOUGHT_EVERY = 50
"""Where clicks and orders come alone."""
SLATES = 256
"""Different slates of each page."""
DRAWN = 8_192
CLICKED = 20_000
"""Clicks that orders may come of."""


class Visitors:
    """Events of a shop without end; `run` makes them differ from those of other runs."""

    def __init__(self, shop: Shop, run: str) -> None:
        self._shop = shop
        self._run = run
        self._chance = np.random.default_rng(list(run.encode()))
        self._number = 0
        self._slates = {page: _slates(shop, page, self._chance) for page in shop.pages}
        self._reach = np.cumsum(shop.weights / shop.weights.sum())
        self._views = self._drawn_views()
        self._shown = next(self._views)
        self._clicks: deque[Click] = deque(maxlen=CLICKED)

    def next(self) -> Impression | Click | Purchase:
        """What happens next, now."""
        self._number += 1
        if self._number % PURCHASE_EVERY == 0 and self._clicks:
            return self._purchase()
        if self._number % CLICK_EVERY == 0:
            click = self._click()
            self._clicks.append(click)
            return click
        self._shown = next(self._views)
        return self._shown

    def next_click(self) -> Click | Purchase:
        """A click on a page view that nobody reports, or the order of something that was clicked on."""
        self._number += 1
        if self._number % BOUGHT_EVERY == 0 and self._clicks:
            return self._purchase()
        self._shown = next(self._views)
        self._clicks.append(click := self._click())
        return click

    def _drawn_views(self) -> Iterator[Impression]:
        shop, chance = self._shop, self._chance
        visitors, variants = shop.size.visitors, shop.size.variants
        while True:
            keys = np.minimum(np.searchsorted(self._reach, chance.random(DRAWN)), len(shop.keys) - 1)
            held = chance.random(DRAWN) < HOLDOUT_SHARE
            served = np.where(held, BASELINE, chance.integers(0, variants, DRAWN))
            drawn = keys, chance.integers(0, visitors, DRAWN), served, chance.integers(0, SLATES, DRAWN)
            for at, unit, variant, slate in zip(*(some.tolist() for some in drawn), strict=True):
                key, name = shop.keys[at], f"{self._run}-{self._number}"
                slots = self._slates[number_in(key.page)][slate]
                yield Impression(name, _now_ms(), f"unit-{unit}", key.page, key.segment, name, 1, variant, slots)

    def _click(self) -> Click:
        view, chance = self._shown, self._chance
        place = view.slots[int(len(view.slots) * chance.random() ** 2)]
        name = f"{self._run}-{self._number}"
        where = view.unit, view.page, view.segment, place.slot, place.item
        return Click(name, _now_ms(), *where, view.page_view_id, view.layout_version, view.variant)

    def _purchase(self) -> Purchase:
        clicked = self._clicks[int(len(self._clicks) * self._chance.random())]
        name = f"{self._run}-{self._number}"
        return Purchase(name, _now_ms(), clicked.unit, name, "EUR", [PurchaseLine(clicked.item, 1, 1_990)])


class Traffic:
    """Publishes what visitors do; `sent` counts events, `clicks` lists those that the broker acknowledged.

    Clicks are `numbered` where nothing but clicks adds to what learners count as such.
    """

    def __init__(self, kafka: KafkaSettings, shop: Shop, run: str, *, numbered: bool = False) -> None:
        self.sent = 0
        self.clicks: list[SentEvent] = []
        self._numbers: Counter[Key] | None = Counter() if numbered else None
        self._visitors = Visitors(shop, run)
        self._prompt, self._bulk = Sender(kafka, at_once=True), Sender(kafka)
        self._pace = Pace(0.0, 0.0)

    def start(self, rate: float) -> None:
        """From now on so many events are due a second."""
        self._pace = Pace(rate, time.perf_counter())

    def publish_until(self, end: float) -> None:
        """Send what is due until `end`, seconds of `time.perf_counter`."""
        while (now := time.perf_counter()) < end:
            for _ in range(self._pace.take(now)):
                self._event()
            self._prompt.poll()
            self._bulk.poll()
            time.sleep(TICK_S)

    def publish(self, events: int) -> None:
        """Send so many now, as fast as they are made."""
        for number in range(events):
            self._event()
            if number % 1_000 == 0:
                self._prompt.poll()
                self._bulk.poll()
        self.settle()
        self.clicks.clear()

    def publish_clicks(self, events: int) -> None:
        """Send so many clicks and orders now."""
        for number in range(events):
            event = self._visitors.next_click()
            topic = CLICKS if isinstance(event, Click) else PURCHASES
            self._bulk.send(topic.name, event.unit.encode(), event)
            if number % 1_000 == 0:
                self._bulk.poll()
        self.settle()

    def settle(self) -> None:
        """Wait until the broker has all."""
        self._prompt.settle()
        self._bulk.settle()

    def _event(self) -> None:
        event = self._visitors.next()
        self.sent += 1
        if isinstance(event, Impression):
            self._bulk.send(IMPRESSIONS.name, event.unit.encode(), event)
        elif isinstance(event, Click):
            key = Key(event.page, event.segment)
            noted = partial(self._clicked, key, time.perf_counter(), self._next_number(key))
            self._prompt.send(CLICKS.name, event.unit.encode(), event, noted)
        else:
            self._prompt.send(PURCHASES.name, event.unit.encode(), event)

    def _next_number(self, key: Key) -> int:
        if self._numbers is None:
            return -1
        self._numbers[key] += 1
        return self._numbers[key] - 1

    def _clicked(self, key: Key, produced_at: float, number: int, error: KafkaError | None, message: Message) -> None:
        if error is None:
            place = int(message.partition() or 0), int(message.offset() or 0)
            self.clicks.append(SentEvent(key, *place, produced_at, number))


def _slates(shop: Shop, page: int, chance: np.random.Generator) -> Sequence[list[SlotItem]]:
    """What visitors of a page see: items without repetition, by their shares."""
    names = shop.candidates(page)
    drawn = np.log(shown(len(names), len(shop.slots))) + chance.gumbel(size=(SLATES, len(names)))
    best: Ints = np.argsort(-drawn, axis=1)[:, : len(shop.slots)]
    return [[SlotItem(slot, names[item]) for slot, item in zip(shop.slots, row, strict=False)] for row in best.tolist()]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
