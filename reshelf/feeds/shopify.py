"""Shopify: the export of products as CSV, and JSON lines of bulk operations or of its REST interface.

A product is one item, under its handle: its variants are one arm, at the lowest price, available
while one of them is.  Prices have no currency there; they are in the shop's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO

import msgspec

from reshelf.feeds.entry import Entry
from reshelf.feeds.report import FeedReport
from reshelf.feeds.rows import rows
from reshelf.feeds.values import flag, price, time
from reshelf.numbers import number
from reshelf.topics.lines import Shop
from schemas.errors import BadSettings
from schemas.foreign_content import content_of

LONGEST_LINE = 16_000_000
ALIASES = {
    "url handle": "handle",
    "description": "body (html)",
    "sku": "variant sku",
    "price": "variant price",
    "inventory quantity": "variant inventory qty",
    "continue selling when out of stock": "variant inventory policy",
    "published on online store": "published",
    "inventory tracker": "variant inventory tracker",
    "product image url": "image src",
}
"""Names of columns in newer exports, and in those before 2025."""
IMAGE = "image src"
OF_PRODUCT = {"title", "body (html)", "vendor", "product category", "type", "tags", "published", "status"}
TRACKER = "variant inventory tracker"
"""Empty: Shopify does not count what is in stock, and always sells it."""
OF_VARIANT = {
    "variant sku", "variant price", "variant inventory qty", "variant inventory policy", TRACKER, "cost per item",
}  # fmt: skip
TEXTS = {"title": "title", "body (html)": "description", "vendor": "brand", "type": "category"}
JSON_NAMES = {
    "title": ("title",),
    "body (html)": ("descriptionHtml", "bodyHtml", "body_html", "description"),
    "vendor": ("vendor",),
    "type": ("productType", "product_type"),
    "status": ("status",),
    "created": ("createdAt", "created_at"),
}
KNOWN = {"id", "handle", "tags", "variants", "publishedAt", "published_at", "priceRangeV2", "priceRange", "__parentId"}
KNOWN |= {"featuredImage", "featuredMedia", "image", "images"}
KNOWN |= {name for names in JSON_NAMES.values() for name in names}


@dataclass(slots=True)
class Product:
    """A product and its variants, with columns named as in the CSV."""

    where: str
    identity: str
    values: dict[str, str]
    variants: list[dict[str, str]] = field(default_factory=list)
    parent: str = ""
    currency: str = ""


def shopify_csv(file: BinaryIO, source: str, shop: Shop, report: FeedReport) -> Iterator[bytes]:
    """Lines of items from the export of products: its rows of one handle are a product, its variants and pictures."""
    product: Product | None = None
    for line, values in rows(file, source, ",", report):
        columns = {ALIASES.get(name, name): value for name, value in values.items()}
        tracked = columns.get(TRACKER) != ""
        named = {name: value for name, value in columns.items() if value}
        handle = named.pop("handle", "")
        if product is None or handle != product.identity:
            yield from _items(product, shop, report)
            product = Product(f"line {line}, handle {handle[:80]!r}", handle, {})
        product.values |= {name: value for name, value in named.items() if name in OF_PRODUCT}
        if IMAGE in named and IMAGE not in product.values:
            product.values[IMAGE] = named.pop(IMAGE)
        variant = {name: value for name, value in named.items() if name in OF_VARIANT}
        if not tracked:
            variant.pop("variant inventory qty", None)
        if "variant price" in variant:
            product.variants.append(variant)
        for name in named.keys() - OF_PRODUCT - OF_VARIANT:
            report.drop(name)
    yield from _items(product, shop, report)


def shopify_jsonl(file: BinaryIO, source: str, shop: Shop, report: FeedReport) -> Iterator[bytes]:
    """Lines of items from products as JSON, their variants within them or in the lines that follow."""
    product: Product | None = None
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if not line.strip():
            continue
        where = f"line {number}"
        content = _object(line, f"{source}, {where}")
        parent = str(content.get("__parentId", ""))
        if parent:
            if product is not None and parent == product.parent:
                _add_variant(product, content, report)
            else:
                report.leave_out("lines whose product is not right before them", where)
            continue
        yield from _items(product, shop, report)
        product = _product(content, where, report)
    yield from _items(product, shop, report)


def _object(line: bytes, where: str) -> dict[str, Any]:
    if len(line) > LONGEST_LINE:
        raise BadSettings(f"{where}: expected at most {number(LONGEST_LINE)} bytes in a line")
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        said = content_of(line)
        raise BadSettings(
            f"{where}: expected a product as JSON, got: {error}" + (f"; it {said}" if said else "")
        ) from None


def _product(content: Mapping[str, Any], where: str, report: FeedReport) -> Product:
    names = {column: name for column, some in JSON_NAMES.items() for name in reversed(some) if content.get(name)}
    values = {column: str(content[name]) for column, name in names.items()}
    identity = str(content.get("handle") or str(content.get("id", "")).rpartition("/")[2])
    product = Product(f"{where}, {identity[:80]!r}", identity, values, parent=str(content.get("id", "")))
    tags = content.get("tags")
    values["tags"] = ",".join(map(str, tags)) if isinstance(tags, list) else str(tags or "")
    if image := _image(content):
        values[IMAGE] = image
    published = next((name for name in ("publishedAt", "published_at") if name in content), "")
    values["published"] = "" if not published else "true" if content[published] else "false"
    lowest = _at(content, "priceRangeV2", "minVariantPrice") or _at(content, "priceRange", "minVariantPrice")
    if lowest:
        product.currency = str(lowest.get("currencyCode", ""))
        product.variants.append({"variant price": str(lowest.get("amount", ""))})
    variants = content.get("variants")
    for variant in variants if isinstance(variants, list) else _nodes(variants):
        if isinstance(variant, dict):
            _add_variant(product, variant, report)
    for name in content.keys() - KNOWN:
        report.drop(name)
    return product


def _add_variant(product: Product, content: Mapping[str, Any], report: FeedReport) -> None:
    if "/ProductImage/" in str(content.get("id", "")) and IMAGE not in product.values and _image({"image": content}):
        product.values[IMAGE] = _image({"image": content})
        return
    if "price" not in content:
        report.drop("lines of a product that are no variants")
        return
    names = {"inventory_quantity": "variant inventory qty", "inventoryQuantity": "variant inventory qty"}
    names |= {"inventory_policy": "variant inventory policy", "inventoryPolicy": "variant inventory policy"}
    variant = {column: str(content[name]).lower() for name, column in names.items() if content.get(name) is not None}
    if content.get("inventory_management", "shopify") is None:
        variant.pop("variant inventory qty", None)
    variant["variant price"] = str(content["price"])
    if "availableForSale" in content:
        variant["for sale"] = str(content["availableForSale"]).lower()
    product.variants.append(variant)


def _at(content: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    value: Any = content
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _image(content: Mapping[str, Any]) -> str:
    """The URL of the picture that stands for the product: the one that is featured, else its first."""
    listed = content.get("images")
    several = listed if isinstance(listed, list) else list(_nodes(listed))
    featured = [content.get("featuredImage"), _at(content, "featuredMedia", "preview", "image"), content.get("image")]
    urls = (image.get(name) for image in (*featured, *several) if isinstance(image, dict) for name in ("url", "src"))
    return next((str(url) for url in urls if url), "")


def _nodes(content: Any) -> Iterator[Any]:
    """The nodes of a GraphQL connection."""
    if isinstance(content, dict):
        yield from content.get("nodes") or (edge.get("node") for edge in content.get("edges") or ())


def _items(product: Product | None, shop: Shop, report: FeedReport) -> Iterator[bytes]:
    if product is None:
        return
    values, entry = product.values, Entry(product.where, report, shop)
    if product.identity:
        entry.put("handle", "item", lambda: product.identity)
    for column, target in TEXTS.items():
        if column in values:
            entry.text(column, target, values[column])
    if values.get(IMAGE):
        entry.image(IMAGE, values[IMAGE])
    if "product category" in values:
        entry.text("product category", "category", values["product category"])
    if values.get("tags"):
        entry.tags("tags", values["tags"].split(","))
    if "created" in values:
        entry.put("created", "created_at", lambda: time(values["created"], shop.zone))
    _fill_variants(entry, product)
    entry.put("status", "available", lambda: _is_shown(values) and _is_in_stock(product))
    if line := entry.line():
        yield line


def _fill_variants(entry: Entry, product: Product) -> None:
    """The lowest price, and what that variant costs."""
    currency = product.currency or entry.shop.currency or "EUR"
    prices = [
        (read[0], number)
        for number, variant in enumerate(product.variants)
        if (read := entry.read("variant price", partial(price, variant["variant price"], currency)))
    ]
    if not prices:
        return
    lowest, number = min(prices)
    entry.fields |= {"price": lowest, "currency": currency}
    entry.report.map("variant price", "price")
    if cost := product.variants[number].get("cost per item"):
        entry.cost("cost per item", cost)
    if len(prices) > 1:
        entry.report.change("variants joined to one item")


def _is_shown(values: Mapping[str, str]) -> bool:
    status, published = values.get("status", "").lower() or "active", values.get("published") or "true"
    return status == "active" and flag(published)


def _is_in_stock(product: Product) -> bool:
    return not product.variants or any(map(_can_be_bought, product.variants))


def _can_be_bought(variant: Mapping[str, str]) -> bool:
    if "for sale" in variant:
        return variant["for sale"] == "true"
    quantity = variant.get("variant inventory qty", "")
    goes_on = variant.get("variant inventory policy", "").lower() in ("continue", "true", "yes")
    return goes_on or not quantity.lstrip("-").isdigit() or int(quantity) > 0
