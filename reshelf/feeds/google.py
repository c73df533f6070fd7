"""Google Merchant: RSS 2.0 or Atom with its namespace, and values between tabs.

Attributes are those of Google's product data specification, in both forms the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from reshelf.feeds.entry import Entry
from reshelf.feeds.report import FeedReport
from reshelf.feeds.rows import rows
from reshelf.feeds.values import availability, time
from reshelf.feeds.xml import elements
from reshelf.topics.lines import Shop

ATTRIBUTES = (
    "color", "size", "material", "pattern", "gender", "age_group", "condition", "gtin", "mpn",
)  # fmt: skip
LABELS = tuple(f"custom_label_{number}" for number in range(5))
MAPPED = {
    "id", "title", "description", "product_type", "google_product_category", "brand", "price", "sale_price",
    "sale_price_effective_date", "availability", "availability_date", "expiration_date", "cost_of_goods_sold",
    "image_link", "item_group_id",
    *ATTRIBUTES, *LABELS,
}  # fmt: skip


def google_xml(file: BinaryIO, source: str, shop: Shop, report: FeedReport) -> Iterator[bytes]:
    """Lines of items from a feed of XML."""
    for line, values in elements(file, source, ("item", "entry")):
        yield from _items(f"line {line}", values, shop, report)


def google_tsv(file: BinaryIO, source: str, shop: Shop, report: FeedReport) -> Iterator[bytes]:
    """Lines of items from a feed of values between tabs, in whose header words may have blanks between."""
    for line, values in rows(file, source, "\t", report):
        named = ((re.sub(r"[\s-]+", "_", name).removeprefix("g:"), value) for name, value in values.items() if value)
        yield from _items(f"line {line}", named, shop, report)


def _items(where: str, values: Iterable[tuple[str, str]], shop: Shop, report: FeedReport) -> Iterator[bytes]:
    entry, first = Entry(where, report, shop), dict[str, str]()
    for name, value in values:
        if name not in MAPPED:
            report.drop(name)
        elif name in first:
            report.drop(f"{name} beyond the first")
        elif value:
            first[name] = value
    _fill(entry, first)
    if line := entry.line():
        yield line


def _fill(entry: Entry, values: dict[str, str]) -> None:
    if identity := values.get("id"):
        entry.put("id", "item", lambda: identity)
        entry.where = f"{entry.where}, id {identity[:80]!r}"
    for source, target in _texts(values):
        entry.text(source, target, values[source])
    if "price" in values:
        entry.price("price", values["price"])
    _fill_sale(entry, values)
    if "cost_of_goods_sold" in values:
        entry.cost("cost_of_goods_sold", values["cost_of_goods_sold"])
    _fill_availability(entry, values)
    entry.image("image_link", values.get("image_link", ""))
    if family := values.get("item_group_id"):
        entry.put("item_group_id", "family", lambda: family)
    for name in LABELS:
        if name in values:
            entry.tags(name, [values[name]])
    for name in ATTRIBUTES:
        if name in values:
            entry.attribute(name, name, values[name])


def _texts(values: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The shop's own category is better than Google's number for it."""
    category = "product_type" if "product_type" in values else "google_product_category"
    for source in ("title", "description", category, "brand"):
        if source in values:
            yield source, "category" if source == category else source


def _fill_sale(entry: Entry, values: dict[str, str]) -> None:
    """A price that holds for a time is none for ever: an item has one price."""
    if "sale_price" in values and "sale_price_effective_date" not in values:
        entry.price("sale_price", values["sale_price"])
    elif "sale_price" in values:
        entry.report.drop("sale_price for a time")


def _fill_availability(entry: Entry, values: dict[str, str]) -> None:
    zone, word = entry.shop.zone, values.get("availability", "")
    if word:
        entry.put("availability", "available", lambda: availability(word))
    if "availability_date" in values:
        entry.put("availability_date", "available_from", lambda: time(values["availability_date"], zone))
        if word.strip().lower().replace(" ", "_") == "preorder":
            entry.fields["available"] = True
    if "expiration_date" in values:
        entry.put("expiration_date", "available_until", lambda: time(values["expiration_date"], zone))
