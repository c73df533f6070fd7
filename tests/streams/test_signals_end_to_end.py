"""Signals from the log to the page: a young item that visitors put into the cart is placed above one they do not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from schemas.messages.events import Click, Impression, Purchase, PurchaseLine, Signal, SlotItem
from schemas.messages.layouts import Layout
from schemas.messages.pages import Candidates, PageRules, PolicyChoice
from schemas.topic import Topic
from schemas.topics import CLICKS, IMPRESSIONS, PURCHASES, SIGNALS
from streams.attribution.app import attribution_app
from streams.fitter.app import fitter_app
from streams.learner.app import learner_app
from streams.page_settings import FitterSettings
from streams.settings import AttributionSettings, FoldSettings, LearnerSettings
from tests.streams.layouts_shop import SLOTS, Shop, open_shop  # noqa: F401  a fixture

KNOWN = [f"k{number:02d}" for number in range(20)]
CARTED, BARE = "young-carted", "young-bare"
RULES = PageRules("home", 2, SLOTS, policy=PolicyChoice(variants=32), candidates=Candidates(categories=["shoes"]))
HISTORY_MS, YOUNG_MS, ORDER_MS = 7_200_000, 30_000, 1_800_000
"""How long ago the clicks were, and how long after them orders come: a young item's will take half an hour."""
FOLD = FoldSettings(bucket_ms=600_000)


class Visits:
    """Each visit is of a unit of its own: it sees an item, clicks it, and goes on."""

    def __init__(self, shop: Shop, now_ms: int) -> None:
        self._shop = shop
        self._now = now_ms
        self._number = 0
        self._events: list[list[tuple[Topic, Any]]] = [[], [], []]

    def come(self, item: str, ago_ms: int, cart: bool, order: bool) -> None:
        """A cart comes ten seconds after the click, an order half an hour after."""
        self._number += 1
        unit, at = f"u{self._number}", self._now - ago_ms
        names = "home", "s"
        for view in ("a", "b"):
            seen = Impression(f"i{unit}{view}", at, unit, *names, f"{unit}{view}", 1, 0, [SlotItem(SLOTS[0], item)])
            self._events[0].append((IMPRESSIONS, seen))
        clicked = (f"c{unit}", at + 1, unit, *names, SLOTS[0], item, f"{unit}a", 1, 0)
        self._events[0].append((CLICKS, Click(*clicked)))
        if cart:
            self._events[1].append((SIGNALS, Signal(f"s{unit}", at + 10_000, unit, "add-to-cart", item)))
        if order:
            lines = [PurchaseLine(item, 1, 2_000)]
            purchase = Purchase(f"p{unit}", at + ORDER_MS, unit, f"o{unit}", "EUR", lines)
            self._events[2].append((PURCHASES, purchase))

    def send(self) -> None:
        """All that they did, in the order in which it came about."""
        for events in self._events:
            for topic, event in events:
                self._shop.send(topic, event)
            self._shop.flush()


def visit(shop: Shop) -> None:
    """A history of items whose carts are followed by orders half of the time, and two young items without orders."""
    visits, rng = Visits(shop, round(time.time() * 1000)), np.random.default_rng(1)
    for item, rate in zip(KNOWN, np.linspace(0.02, 0.6, len(KNOWN)).tolist(), strict=True):
        for _ in range(100):
            cart = bool(rng.random() < rate)
            visits.come(item, HISTORY_MS, cart, cart and bool(rng.random() < 0.5))
    for item in (CARTED, BARE):
        for number in range(60):
            visits.come(item, YOUNG_MS, item == CARTED and number < 50, False)
    visits.send()


def test_carts_that_come_in_place_a_young_item_without_orders(
    broker: str,
    open_shop: Callable[..., Shop],  # noqa: F811
    tmp_path: Path,
) -> None:
    shop = open_shop(broker, click_value=0.0, sale_value=0.01, rest_s=1.0, change_threshold=0.0)
    for item in (*KNOWN, CARTED, BARE):
        shop.stock(item)
    shop.declare(RULES)
    learner = LearnerSettings(advance_s=0.2, folder=str(tmp_path / "duplicates"))
    attribution = AttributionSettings(grace_ms=100, clock_skew_ms=200, folder=str(tmp_path / "clicks"))
    fitter = FitterSettings(interval_s=0.2, rest_s=1.0)
    errors = shop.errors.append

    async def run() -> Layout:
        visit(shop)
        async with shop.working(
            attribution_app(shop.kafka, shop.redis, FOLD, learner, attribution, errors),
            learner_app(shop.kafka, shop.redis, FOLD, learner, errors, shop.layouts),
            fitter_app(shop.kafka, shop.redis, FOLD, shop.layouts, fitter, errors),
            fold=FOLD,
        ):
            layout: Layout = await shop.until(lambda: placed(shop.newest("s")))
            return layout

    layout = asyncio.run(run())
    assert share(layout, CARTED) > 0.9 > 0.1 > share(layout, BARE)


def share(layout: Layout, item: str) -> float:
    """How many of the slates have the item."""
    return sum(shares.get(item, 0.0) for shares in layout.propensities.values())


def placed(layout: Layout | None) -> Layout | None:
    """The layout, once the carts are in it."""
    return layout if layout and share(layout, CARTED) > 0.9 and share(layout, BARE) < 0.1 else None
