"""A row on its way to events: what is left out of it, and what all its events share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reshelf.dialects.action import Action, LeftOut, Options, Product
from reshelf.dialects.values import text
from schemas.messages.events import Click, Impression, Purchase, Return, Signal

Event = Impression | Click | Signal | Purchase | Return
NOBODY = "-"
"""The unit of events whose visitor is that of their order."""


class Mapped(NamedTuple):
    """What became of a row: events by what the row calls them, parts of it that were left out, and what was altered.

    A row of an `order` without a visitor has `strays` in place of events, and `no_visitor` says so.
    """

    events: list[tuple[str, Event]]
    left_out: list[LeftOut]
    changed: list[str]
    strays: Sequence[tuple[str, Event]] = ()
    order: str = ""
    no_visitor: LeftOut | None = None


class Entry(NamedTuple):
    """One action of a row; what is left out or altered goes to the row's result."""

    action: Action
    options: Options
    result: Mapped

    @property
    def unit(self) -> str:
        """The visitor, or nobody."""
        return text(self.action.custom.get("reshelf_unit")) or self.action.unit or NOBODY

    def identity(self, number: int) -> str:
        """The id of an event; further events of one action have their number behind it."""
        return f"{self.action.identity}.{number}" if number else self.action.identity

    def leave_out(self, reason: str, step: str) -> None:
        """A part of the row is left out."""
        self.result.left_out.append(LeftOut(f"{self.action.source} {reason}", step))

    def products(self) -> Iterator[Product]:
        """The products that are items."""
        action = self.action
        for product in action.products:
            if product.item:
                yield product
            else:
                self.leave_out(f"with a product without {action.words.item}", "send it with each product")
        if not action.products:
            self.leave_out("without products", "send the products with it")
