"""What follows page views some time later: product pages, carts, orders, and what is sent back."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from policy.arrays import Floats, Ints
from reshelf.demo.shop.model import Orders
from schemas.messages.events import Purchase, PurchaseLine, Return, ReturnLine, Signal
from schemas.topic import Topic
from schemas.topics import PURCHASES, RETURNS, SIGNALS

VIEW, CART, WISH = "view", "add-to-cart", "wish"
LOOKS, CARTS, WISHES = 0.8, 0.1, 0.03
"""Shares of clicks that are followed by a product page, and without an order by a cart or a wish."""
CARTED, RETURNED = 0.9, 0.12
"""Shares of orders that a cart came before, and of which something goes back."""


class FollowUp(NamedTuple):
    """Something that a visitor does at `due`, seconds; `number` tells it from others, `order` names its order."""

    due: float
    number: int
    topic: Topic
    unit: int
    arm: int
    item: str
    kind: str = ""
    quantity: int = 1
    amount: int = 0
    order: int = 0

    def event(self, unit: str, run: str, now_ms: int) -> Signal | Purchase | Return:
        """As it is published."""
        order = f"{run}-{self.order}"
        if self.topic is SIGNALS:
            return Signal(f"s-{run}-{self.number}", now_ms, unit, self.kind, self.item)
        if self.topic is PURCHASES:
            line = PurchaseLine(self.item, self.quantity, self.amount, nth=1)
            return Purchase(f"p-{order}", now_ms, unit, order, "EUR", [line])
        back = ReturnLine(self.item, self.quantity, self.amount, nth=1)
        return Return(f"r-{order}", now_ms, unit, f"r-{order}", order, "EUR", [back])


class FollowUps:
    """Those that are still to come; chances are drawn by a generator of their own, so that visitors stay as they are.

    `delay` is about how long orders take after clicks, seconds.
    """

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._rng = np.random.default_rng(1)
        self._waiting: list[FollowUp] = []
        self._numbers = 0

    def add_clicks(self, now: float, units: Ints, items: list[str]) -> None:
        """What of clicks on items by units comes to a product page, a cart or a wish; orders are added apart."""
        chances = self._rng.random((len(items), 3)) < (LOOKS, CARTS, WISHES)
        waits = self._rng.exponential(self._delay, (len(items), 3)) * (0.1, 1.0, 1.0)
        for at, place in np.argwhere(chances).tolist():
            self._signal(now + float(waits[at, place]), int(units[at]), items[at], (VIEW, CART, WISH)[place])

    def add_looks(self, now: float, units: Ints, items: list[str]) -> None:
        """Product pages that units open without a click on a page of the shop."""
        for unit, item in zip(units.tolist(), items, strict=True):
            self._signal(now, unit, item, VIEW)

    def add_orders(self, now: float, orders: Orders, units: Ints, arms: Ints, items: list[str]) -> None:
        """Orders, with the carts before those that follow clicks, and what goes back of them."""
        draws: Floats = self._rng.random((len(items), 4))
        rows = zip(orders.view, orders.due, orders.quantity, orders.amount, items, draws.tolist(), strict=True)
        for view, due, quantity, amount, item, (cart, when, back, part) in rows:
            number, unit, arm = self._next(), int(units[view]), int(arms[view])
            if cart < CARTED and due > now:
                self._signal(now + float(due - now) * when, unit, item, CART)
            self._push(float(due), PURCHASES, unit, arm, item, quantity=int(quantity), amount=int(amount), order=number)
            if back < RETURNED:
                paid_back = int(amount) if part < 0.5 else int(amount * part)
                later = float(due) + self._delay * (1.0 + part)
                self._push(later, RETURNS, unit, arm, item, amount=paid_back, order=number)

    def due(self, now: float) -> Iterator[FollowUp]:
        """Those that are due by now, in the order of their times."""
        while self._waiting and self._waiting[0].due <= now:
            yield heapq.heappop(self._waiting)

    def _signal(self, due: float, unit: int, item: str, kind: str) -> None:
        self._push(due, SIGNALS, unit, 0, item, kind)

    def _push(
        self,
        due: float,
        topic: Topic,
        unit: int,
        arm: int,
        item: str,
        kind: str = "",
        *,
        quantity: int = 1,
        amount: int = 0,
        order: int = 0,
    ) -> None:
        entry = FollowUp(due, self._next(), topic, unit, arm, item, kind, quantity, amount, order)
        heapq.heappush(self._waiting, entry)

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers
