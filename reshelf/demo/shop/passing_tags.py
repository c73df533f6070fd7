"""What items are called for a while: new after they came, and on sale, at a lower price."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from reshelf.demo.shop.item import Item

NEW, SALE = "new", "sale"
NEW_S, SALE_S = 120.0, 90.0
SALE_EVERY_S = 6.0
AT_ONCE = 16
"""Items that are new, and on sale, when the shop opens."""
LOWER = 0.75
"""The price of an item on sale, as a share of what it was."""


@dataclass(slots=True)
class PassingTags:
    """Tags with their ends, seconds; drawn by a generator of their own, so that all else of the shop stays as it is."""

    rng: np.random.Generator
    _ends: list[tuple[float, int, str, Item, int]] = field(default_factory=list)
    _next_sale: float = SALE_EVERY_S
    _number: int = 0

    def open(self, items: Sequence[Item]) -> None:
        """Some items are new and on sale already, for a part of their time."""
        for tag, lasts in ((NEW, NEW_S), (SALE, SALE_S)):
            for row in self.rng.choice(len(items), AT_ONCE, replace=False).tolist():
                self._begin(items[row], tag, lasts * float(self.rng.random()))

    def welcome(self, item: Item, now: float) -> None:
        """An item came."""
        self._begin(item, NEW, now + NEW_S)

    def advance(self, items: Sequence[Item], now: float) -> list[Item]:
        """The items whose tags changed by `now`; `items` are those of the shop."""
        changed = []
        while self._ends and self._ends[0][0] <= now:
            _, _, tag, item, price = heapq.heappop(self._ends)
            item.tags.remove(tag)
            if tag == SALE:
                item.product = replace(item.product, price=price)
            changed.append(item)
        while self._next_sale <= now:
            self._next_sale += SALE_EVERY_S
            item = items[int(self.rng.integers(len(items)))]
            if SALE not in item.tags:
                self._begin(item, SALE, now + SALE_S)
                changed.append(item)
        return [item for item in changed if items[item.row] is item]

    def _begin(self, item: Item, tag: str, end: float) -> None:
        price = item.product.price
        item.tags.append(tag)
        if tag == SALE:
            item.product = replace(item.product, price=round(price * LOWER))
        self._number += 1
        heapq.heappush(self._ends, (end, self._number, tag, item, price))
