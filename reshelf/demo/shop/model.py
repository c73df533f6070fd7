"""The pure model of the shop: visitors, their tastes, the items, the stock.

All numbers are synthetic; nothing here reads a clock or draws from a hidden
generator.  Times are seconds since the shop opened.

A click has two causes, as in the position-based model (Richardson, Dominowska,
Ragno 2007): the slot is looked at, and what is in it attracts.
P(click) = examination[page, slot] * attraction[segment, item] * eagerness[unit],
and on the front page times what the shelf adds there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from policy.arrays import Bools, Floats, Ints
from reshelf.demo.shop.item import Item
from reshelf.demo.shop.pages import (
    FAVOURITES,
    PAGES,
    SEGMENT_SHARES,
    SEGMENTS,
    WIDTH,
    PageSpec,
    shelf_factors,
)
from reshelf.demo.shop.passing_tags import PassingTags
from reshelf.demo.shop.words import DEPARTMENTS, Product, product


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """The size and temper of the shop; times in seconds.

    `elsewhere` is the chance that a visitor, beside a page view, looks at an item that they found by a search.
    """

    units: int = 100_000
    items: int = 304
    front: int = 48
    small: int = 24
    null: bool = False
    base_rate: float = 0.02
    quality: float = 0.35
    affinity: float = 0.55
    whim: float = 0.35
    drift_time: float = 900.0
    stock_every: float = 6.0
    stock_out: float = 25.0
    arrival_every: float = 9.0
    delay: float = 8.0
    organic: float = 0.002
    elsewhere: float = 0.0


@dataclass(frozen=True, slots=True)
class Views:
    """Page views, one a row: unit, segment and page numbers, and how many slots came into sight."""

    unit: Ints
    segment: Ints
    page: Ints
    depth: Ints


@dataclass(frozen=True, slots=True)
class Orders:
    """Purchases to come: the view each follows, its item row, when, how many, amount in cents."""

    view: Ints
    row: Ints
    due: Floats
    quantity: Ints
    amount: Ints


class Shop:
    """The shop at one moment; `advance` moves it on, `views`, `clicks` and `orders` are its visitors."""

    def __init__(self, settings: ShopSettings, rng: np.random.Generator) -> None:
        self.settings = settings
        self.rng = rng
        self.now = 0.0
        self._titles: set[str] = set()
        self._keys: set[str] = set()
        self._departments = np.arange(settings.items) % len(DEPARTMENTS)
        self._created = 0
        self.items = [self._new_item(row, _tags(row, settings)) for row in range(settings.items)]
        self._draw_visitors()
        self._draw_tastes()
        self._next_stock = self.settings.stock_every
        self._next_arrival = self.settings.arrival_every
        self._restock: list[tuple[float, Item]] = []
        self._passing_tags = PassingTags(rng.spawn(1)[0])
        self._passing_tags.open(self.items)
        self._searches = rng.spawn(1)[0]
        self._set_prices()

    def _new_item(self, row: int, tags: list[str]) -> Item:
        self._created += 1
        words = product(DEPARTMENTS[self._departments[row]], self.rng, self._titles)
        key = f"{words.category}-{self._created:04d}"
        self._keys.add(key)
        return Item(row, key, words, tags, arrived=self.now)

    def _draw_visitors(self) -> None:
        count = self.settings.units
        self.unit_segment = self.rng.choice(len(SEGMENTS), size=count, p=SEGMENT_SHARES).astype(np.int64)
        activity = self.rng.gamma(1.0, size=count)
        self._activity = np.cumsum(activity) / activity.sum()
        self.eagerness = np.exp(self.rng.normal(0.0, 0.3, size=count) - 0.045)
        self.examination = np.stack([_examination(page) for page in PAGES])

    def _draw_tastes(self) -> None:
        settings, rng = self.settings, self.rng
        self._quality = rng.normal(0.0, settings.quality, size=settings.items)
        self._whim = rng.normal(0.0, settings.whim, size=(len(SEGMENTS), settings.items))
        self._affinity = np.array(
            [
                [settings.affinity if d.name in FAVOURITES[s] else -settings.affinity / 3 for d in DEPARTMENTS]
                for s in SEGMENTS
            ]
        )
        self._mood = np.zeros_like(self._affinity)
        self._shelf_factors = shelf_factors(alike=settings.null)
        self._set_prices()

    def _set_prices(self) -> None:
        self.price = np.array([item.product.price for item in self.items], dtype=np.int64)
        self._set_rates()

    def _set_rates(self) -> None:
        """Attraction and purchase chance by segment and item, and who is in stock."""
        score = self._quality + self._whim + (self._affinity + self._mood)[:, self._departments]
        score = np.zeros_like(score) if self.settings.null else score
        self.attraction: Floats = np.clip(self.settings.base_rate * np.exp(score), 0.005, 0.09)
        self.purchase: Floats = np.full(len(self.items), 0.08)
        if not self.settings.null:
            self.purchase = np.clip(0.08 * np.sqrt(3_000 / self.price), 0.03, 0.2)
        self.in_stock: Bools = np.array([item.available for item in self.items])

    def take_in(self, keys: Iterable[str]) -> bool:
        """Give visitors a taste for items that are not the shop's own, as they have for those; True where one is new.

        They are never sold out and never leave, and the shop does not publish them.
        """
        new = [key for key in keys if key not in self._keys]
        if not new:
            return False
        settings, rng, count = self.settings, self.rng, len(new)
        self._departments = np.append(self._departments, rng.integers(len(DEPARTMENTS), size=count))
        for key in new:
            self._keys.add(key)
            row = len(self.items)
            department = DEPARTMENTS[self._departments[row]]
            self.items.append(Item(row, key, Product(key, "", department.name, "", department.price), []))
        self._quality = np.append(self._quality, rng.normal(0.0, settings.quality, size=count))
        self._whim = np.hstack([self._whim, rng.normal(0.0, settings.whim, size=(len(SEGMENTS), count))])
        self.price = np.append(self.price, [item.product.price for item in self.items[-count:]])
        self._set_rates()
        return True

    def advance(self, now: float) -> list[tuple[str, Item | None]]:
        """Move the shop to `now`; returns the catalog changes as (item key, item or None for gone)."""
        elapsed, self.now = now - self.now, now
        changes: list[tuple[str, Item | None]] = []
        while self._restock and self._restock[0][0] <= now:
            changes += self._set_stock(self._restock.pop(0)[1], available=True)
        while self._next_stock <= now:
            self._next_stock += self.settings.stock_every
            changes += self._sell_out()
        while self._next_arrival <= now:
            self._next_arrival += self.settings.arrival_every
            changes += self._arrive()
        changes += self._pass_tags()
        pull = min(1.0, elapsed / self.settings.drift_time)
        self._mood += -pull * self._mood + self.rng.normal(0.0, 0.5 * np.sqrt(2 * pull), self._mood.shape)
        self._set_rates()
        return changes

    def _pass_tags(self) -> list[tuple[str, Item | None]]:
        changed = self._passing_tags.advance(self.items[: self.settings.items], self.now)
        for item in changed:
            self.price[item.row] = item.product.price
        return [(item.key, item) for item in changed]

    def _sell_out(self) -> list[tuple[str, Item | None]]:
        item = self.items[int(self.rng.integers(self.settings.items))]
        self._restock.append((self.now + self.settings.stock_out, item))
        return self._set_stock(item, available=False)

    def _set_stock(self, item: Item, *, available: bool) -> list[tuple[str, Item | None]]:
        if self.items[item.row] is not item or item.available == available:
            return []
        item.available = available
        return [(item.key, item)]

    def _arrive(self) -> list[tuple[str, Item | None]]:
        """A new item takes the place of an old one, which leaves the catalog."""
        row = int(self.rng.integers(self.settings.items))
        old = self.items[row]
        new = self.items[row] = self._new_item(row, _tags(row, self.settings))
        self._passing_tags.welcome(new, self.now)
        self._titles.discard(old.product.title)
        self.price[row] = new.product.price
        self._quality[row] = self.rng.normal(0.0, self.settings.quality)
        self._whim[:, row] = self.rng.normal(0.0, self.settings.whim, size=len(SEGMENTS))
        return [(new.key, new), (old.key, None)]

    def views(self, count: int) -> Views:
        """`count` page views by visitors drawn by how active they are."""
        unit = np.searchsorted(self._activity, self.rng.random(count)).clip(0, self.settings.units - 1)
        page = self.rng.choice(len(PAGES), size=count, p=[page.share for page in PAGES])
        scroll = self.rng.random(count)
        rows = (scroll[:, None] < _REACH[page]).sum(axis=1)
        return Views(unit, self.unit_segment[unit], page, rows * _COLUMNS[page])

    def clicks(self, views: Views, slates: Ints, shelves: Ints) -> Bools:
        """Which of the shown item rows (views × slots, -1 for an empty slot) are clicked.

        `shelves` (views × slots, -1 for none) are those that the slots are part of.
        """
        chance = self.attraction[views.segment[:, None], slates] * self.examination[views.page]
        chance *= self.eagerness[views.unit][:, None] * self._shelf_factors[views.segment[:, None], shelves]
        return (slates >= 0) & (self.rng.random(slates.shape) < chance)

    def looks(self, views: Views) -> tuple[Ints, Ints]:
        """Items that visitors look at elsewhere, as they like them: the rows of views, and those of items."""
        view = np.flatnonzero(self._searches.random(len(views.unit)) < self.settings.elsewhere)
        liked = np.cumsum(self.attraction, axis=1)
        segment = views.segment[view]
        chosen = self._searches.random(len(view)) * liked[segment, -1]
        return view, (liked[segment] < chosen[:, None]).sum(axis=1)

    def orders(self, view: Ints, row: Ints) -> Orders:
        """Purchases that follow clicks on item rows; the delay is log-normal."""
        bought = (self.rng.random(len(row)) < self.purchase[row]) & self.in_stock[row]
        view, row = view[bought], row[bought]
        delay = self.settings.delay * np.exp(self.rng.normal(0.0, 0.6, size=len(row)))
        quantity = 1 + (self.rng.random(len(row)) < 0.15)
        return Orders(view, row, self.now + delay, quantity, quantity * self.price[row])

    def organic(self, views: Views) -> Orders:
        """Purchases without a click: a visitor finds an item by other ways."""
        view = np.flatnonzero(self.rng.random(len(views.unit)) < self.settings.organic)
        row = self.rng.integers(self.settings.items, size=len(view))
        ones = np.ones(len(view), dtype=np.int64)
        return Orders(view, row, np.full(len(view), self.now), ones, self.price[row])


def _tags(row: int, settings: ShopSettings) -> list[str]:
    """The first items stand in the front, the last ones are small things for the cart."""
    tags = ["front"] if row < settings.front else []
    return [*tags, "small"] if row >= settings.items - settings.small else tags


def _examination(page: PageSpec) -> Floats:
    """Chance that a slot in sight is looked at: falls by rank, and the last of a row gets a second look."""
    ranks = np.arange(WIDTH)
    last = ranks % page.columns == page.columns - 1
    return np.asarray(0.95 * np.log2(2.0 + ranks) ** -0.85 * np.where(last, 1.15, 1.0))


_ROWS = max(len(page.reach) for page in PAGES)
_REACH = np.array([[*page.reach, *([0.0] * (_ROWS - len(page.reach)))] for page in PAGES])
_COLUMNS = np.array([page.columns for page in PAGES])
