"""The fields of one product as texts, to an item."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from reshelf.feeds.report import FeedReport
from reshelf.feeds.values import plain, price
from reshelf.numbers import number
from reshelf.topics.lines import Shop
from schemas.messages.catalog import CatalogItem

LONGEST_IMAGE = 2_048
LONGEST = {"title": 256, "category": 256, "brand": 256, "description": 10_000}
MOST_LABELS, LONGEST_LABEL = 64, 256


@dataclass(slots=True)
class Entry:
    """A product as it is put together; `where` says where in the feed it stands."""

    where: str
    report: FeedReport
    shop: Shop
    fields: dict[str, Any] = field(default_factory=dict)
    fault: str = ""

    def text(self, source: str, target: str, value: str) -> None:
        """A text without tags, cut where it is too long."""
        said = plain(value)
        if len(said) > LONGEST[target]:
            said = said[: LONGEST[target]]
            self.report.change(f"{target} cut to {number(LONGEST[target])} characters")
        if said and not self.fields.get(target):
            self.fields[target] = said
            self.report.map(source, target)

    def price(self, source: str, value: str) -> None:
        """The price in minor units, and its currency."""
        read = self.read(source, lambda: price(value, self.shop.currency or "EUR"))
        if read is not None:
            self.fields["price"], self.fields["currency"] = read
            self.report.map(source, "price")

    def cost(self, source: str, value: str) -> None:
        """The margin of an item that costs so much."""
        read = self.read(source, lambda: price(value, self.shop.currency or "EUR"))
        amount = self.fields.get("price", 0)
        if read is None or not amount or read[1] != self.fields["currency"]:
            self.report.drop(f"{source} without a price in its currency")
            return
        self.fields["margin"] = min(1.0, max(0.0, round(1.0 - read[0] / amount, 4)))
        self.report.map(source, "margin")

    def image(self, source: str, value: str) -> None:
        """Where the picture is; the first that is given, as an item has one."""
        if self.fields.get("image"):
            return
        if len(value) > LONGEST_IMAGE:
            self.report.change(f"{source} beyond {number(LONGEST_IMAGE)} characters dropped")
        elif value:
            self.fields["image"] = value
            self.report.map(source, "image")

    def put(self, source: str, target: str, value: Callable[[], Any]) -> None:
        """A field that `value` reads, unless it raises ValueError."""
        read = self.read(source, value)
        if read is not None:
            self.fields[target] = read
            self.report.map(source, target)

    def read(self, source: str, value: Callable[[], Any]) -> Any:
        """What `value` gives; where it raises ValueError the product is left out."""
        try:
            return value()
        except ValueError as error:
            self.fault = self.fault or f"with a {source} that cannot be read"
            self.where = f"{self.where}: {error}"
            return None

    def tags(self, source: str, values: Iterable[str]) -> None:
        """Tags beside those that are there."""
        tags = self.fields.setdefault("tags", [])
        for tag in (plain(value)[:LONGEST_LABEL] for value in values):
            if tag and tag not in tags:
                if len(tags) >= MOST_LABELS:
                    self.report.change(f"tags beyond {MOST_LABELS} dropped")
                    return
                tags.append(tag)
                self.report.map(source, "tags")

    def attribute(self, source: str, name: str, value: str) -> None:
        """A further attribute, by its name in the feed."""
        attributes = self.fields.setdefault("attributes", {})
        if value and name not in attributes and len(attributes) < MOST_LABELS:
            attributes[name] = plain(value)[:LONGEST_LABEL]
            self.report.map(source, f"attributes.{name}")

    def line(self) -> bytes | None:
        """The item as a line of JSON; None where it is left out, which the report says."""
        fault = self.fault or next((f"without {name}" for name in ("item", "title") if not self.fields.get(name)), "")
        if not fault:
            try:
                item: CatalogItem = msgspec.convert(self.fields, CatalogItem)
            except msgspec.ValidationError as error:
                fault, self.where = "that break a limit", f"{self.where}: {error}"
            else:
                self.report.items += 1
                return msgspec.json.encode(self.fields | {"item": item.item})
        self.report.leave_out(fault, self.where)
        return None
