"""What a row of any dialect says, before it is an event: one visitor did one thing with some products."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from reshelf.dialects.values import printable
from schemas.messages.fields import FALLBACK

Items = Literal["products", "variants"]
Kind = Literal["impressions", "click", "view", "add-to-cart", "wish", "purchase", "return"]
SIGNAL_KINDS: frozenset[Kind] = frozenset(("view", "add-to-cart", "wish"))


class LeftOut(Exception):
    """A row, or a part of one, becomes no event: why, what to do, and what stands there."""

    def __init__(self, reason: str, step: str = "", detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.step, self.detail = reason, step, detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How rows are read.

    `currency` is the shop's; amounts in another one are left out.  `signals` are the kinds that are counted.
    `segment` and `variant` are for rows that name none.  `handles` has the handles of Shopify's products by
    their numbers.
    """

    currency: str = "EUR"
    items: Items = "products"
    signals: Collection[str] = SIGNAL_KINDS
    segment: str = "all"
    variant: int = FALLBACK
    handles: Mapping[str, str] = field(default_factory=dict)


class Words(NamedTuple):
    """What a dialect calls the fields without which there is no event, for the reasons."""

    unit: str
    time: str
    item: str
    page: str
    slot: str
    page_view: str
    order: str
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product as the row has it; what is not there is empty.

    `amount` is the line's total in whole units of the currency, None where it cannot be read.  `custom` has
    fields of the shop's own, `reshelf_slot` and `reshelf_page` among them.
    """

    item: str
    family: str = ""
    page: str = ""
    slot: str = ""
    quantity: Any = None
    amount: Decimal | None = None
    nth: int = 0
    custom: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that a visitor did; `source` is the dialect's own name for it, `identity` its event id."""

    source: str
    kind: Kind
    words: Words
    identity: str
    at: int | None
    unit: str
    products: list[Product]
    page_view: str = ""
    order: str = ""
    refund: str = ""
    currency: str = ""
    custom: Mapping[str, Any] = field(default_factory=dict)


Read = Callable[[Mapping[str, Any], Options], Iterator[Action]]
"""A dialect: what a row says; raises `LeftOut` for a row that says nothing that Reshelf counts."""


def not_counted(source: str) -> LeftOut:
    """An event that is none of Reshelf's."""
    name = printable(source) or "without a name"
    if "promo" in source.lower():
        return LeftOut(f"promotion events, which are not mapped: {name}", "nothing: a promotion is no item in a slot")
    return LeftOut(f"events of no kind that Reshelf counts: {name}", "nothing, unless this should be counted")
