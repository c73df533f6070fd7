"""Shopify: events of its web pixels, as JSON lines, among which orders may be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from reshelf.dialects.action import Action, Kind, LeftOut, Options, Product, Words, not_counted
from reshelf.dialects.shopify.orders import is_order, orders
from reshelf.dialects.shopify.products import STEM, product
from reshelf.dialects.values import decimal, digest, millis, number_of, record, records, text, total, within

KINDS: dict[str, Kind] = {
    "product_viewed": "view",
    "product_added_to_cart": "add-to-cart",
    "checkout_completed": "purchase",
    "reshelf_impression": "impressions",
    "reshelf_click": "click",
    "reshelf_wish": "wish",
}
WORDS = Words(
    unit="clientId",
    time="timestamp",
    item="the product's handle",
    page="reshelf_page",
    slot="slot",
    page_view="context.document.location.href",
    order="order.id",
    price="finalLinePrice or variant.price",
)
DAY_MS = 86_400_000
LONGEST_ID = 100


def read(row: Mapping[str, Any], options: Options) -> Iterator[Action]:
    """What an event of a pixel, or an order with its refunds, says."""
    if is_order(row):
        yield from orders(row, options)
        return
    name = text(row.get("name"))
    kind = KINDS.get(name)
    if name == "collection_viewed":
        raise LeftOut(
            "collection_viewed, which says what is in a collection and not in which slots it was seen",
            "publish reshelf_impression from the theme",
        )
    if kind is None:
        raise not_counted(name)
    data, custom = record(row.get("data")), record(row.get("customData"))
    unit, at = text(row.get("clientId")), millis(row.get("timestamp"))
    order = number_of(within(data, "checkout", "order", "id"))
    products = list(_custom(custom) if name.startswith("reshelf_") else _standard(kind, data, options))
    yield Action(
        source=name,
        kind=kind,
        words=WORDS,
        identity=_identity(row, name, kind, unit, at, order, products),
        at=at,
        unit=unit,
        products=products,
        page_view=_page_view(row, unit, at),
        order=order,
        currency=text(within(data, "checkout", "currencyCode")),
        custom=custom,
    )


def _identity(
    row: Mapping[str, Any], name: str, kind: Kind, unit: str, at: int | None, order: str, products: list[Product]
) -> str:
    """The order's; else the event's own id; without one, who did what, when and with what."""
    own = text(row.get("id"))
    if kind == "purchase" and order:
        return f"{STEM}order-{digest(order)}"
    if own and len(own) <= LONGEST_ID:
        return STEM + own
    return STEM + digest(own, name, unit, at, *(part for each in products for part in (each.item, each.slot)))


def _page_view(row: Mapping[str, Any], unit: str, at: int | None) -> str:
    """Pixels name no page view: a visitor on an address on a day of UTC."""
    address = text(within(row, "context", "document", "location", "href"))
    return STEM + digest(unit, address, at // DAY_MS) if address and at is not None else ""


def _custom(data: Mapping[str, Any]) -> Iterator[Product]:
    """Products of the shop's own events, which name items as Reshelf does."""
    for item in records(data.get("items")) if "items" in data else iter([data]):
        yield Product(
            item=text(item.get("item")), family=text(item.get("family")), slot=text(item.get("slot")), custom=item
        )


def _standard(kind: Kind, data: Mapping[str, Any], options: Options) -> Iterator[Product]:
    if kind == "view":
        yield _of_variant(record(data.get("productVariant")), options)
    elif kind == "add-to-cart":
        yield _of_variant(record(within(data, "cartLine", "merchandise")), options)
    else:
        for line in records(within(data, "checkout", "lineItems")):
            variant = record(line.get("variant"))
            yield _of_variant(variant, options, line.get("quantity"), _amount(line, variant))


def _of_variant(
    variant: Mapping[str, Any], options: Options, quantity: Any = None, amount: Decimal | None = None
) -> Product:
    parent = record(variant.get("product"))
    handle = re.search(r"/products/([^/?#]+)", text(parent.get("url")))
    return product(
        options,
        number=number_of(parent.get("id")),
        handle=handle[1] if handle else "",
        variant=number_of(variant.get("id")),
        sku=text(variant.get("sku")),
        quantity=quantity,
        amount=amount,
    )


def _amount(line: Mapping[str, Any], variant: Mapping[str, Any]) -> Decimal | None:
    """What the line costs after its discounts."""
    final = decimal(within(line, "finalLinePrice", "amount"))
    full = total(within(variant, "price", "amount"), line.get("quantity"))
    if final is not None or full is None:
        return final
    off = (decimal(within(part, "amount", "amount")) or Decimal(0) for part in records(line.get("discountAllocations")))
    return full - sum(off, Decimal(0))
