"""Shopify: orders of its Admin interface in REST's form, with what went back of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from reshelf.dialects.action import Action, LeftOut, Options, Product, Words
from reshelf.dialects.shopify.products import STEM, product
from reshelf.dialects.values import decimal, digest, millis, number_of, record, records, text, total

WORDS = Words(
    unit="reshelf_unit in note_attributes",
    time="processed_at or created_at",
    item="the product's handle (name the products by --products FILE)",
    page="page",
    slot="slot",
    page_view="page view",
    order="id",
    price="price",
)


def is_order(row: Mapping[str, Any]) -> bool:
    """Whether a row is an order rather than an event."""
    return "line_items" in row and "name" in row and "data" not in row


def orders(row: Mapping[str, Any], options: Options) -> Iterator[Action]:
    """The purchase, and a return for each refund that names lines."""
    if row.get("test") is True:
        raise LeftOut("orders that were placed as a test", "nothing")
    order, currency = number_of(row.get("id")), text(row.get("currency"))
    unit = next(
        (text(note.get("value")) for note in records(row.get("note_attributes")) if note.get("name") == "reshelf_unit"),
        "",
    )
    lines = list(records(row.get("line_items")))
    products = {number_of(line.get("id")) or str(place): _product(line, options) for place, line in enumerate(lines)}
    yield Action(
        source="order",
        kind="purchase",
        words=WORDS,
        identity=f"{STEM}order-{digest(order)}",
        at=millis(row.get("processed_at")) or millis(row.get("created_at")),
        unit=unit,
        products=list(products.values()),
        order=order,
        currency=currency,
    )
    numbered = _numbered(products)
    for refund in records(row.get("refunds")):
        yield _refund(refund, order, unit, currency, numbered)


def _refund(refund: Mapping[str, Any], order: str, unit: str, currency: str, numbered: Mapping[str, Product]) -> Action:
    lines = list(records(refund.get("refund_line_items")))
    number = number_of(refund.get("id")) or digest(order, refund.get("created_at"))
    return Action(
        source="refund",
        kind="return",
        words=WORDS._replace(price="subtotal"),
        identity=f"{STEM}refund-{digest(number)}",
        at=millis(refund.get("processed_at")) or millis(refund.get("created_at")),
        unit=unit,
        products=[_returned(line, numbered) for line in lines],
        order=order,
        refund=number,
        currency=currency,
    )


def _returned(line: Mapping[str, Any], numbered: Mapping[str, Product]) -> Product:
    """A line of the order, with what came back of it."""
    number = number_of(line.get("line_item_id")) or number_of(record(line.get("line_item")).get("id"))
    product_of_line = numbered.get(number, Product(item=""))
    return replace(product_of_line, quantity=line.get("quantity"), amount=decimal(line.get("subtotal")))


def _product(line: Mapping[str, Any], options: Options) -> Product:
    return product(
        options,
        number=number_of(line.get("product_id")),
        handle=text(line.get("handle")),
        variant=number_of(line.get("variant_id")),
        sku=text(line.get("sku")),
        quantity=line.get("quantity"),
        amount=_amount(line),
    )


def _amount(line: Mapping[str, Any]) -> Decimal | None:
    """What the line costs after its discounts."""
    full = total(line.get("price"), line.get("quantity"))
    off = (decimal(part.get("amount")) or Decimal(0) for part in records(line.get("discount_allocations")))
    return None if full is None else full - sum(off, Decimal(0))


def _numbered(products: Mapping[str, Product]) -> dict[str, Product]:
    """Lines of the order by their numbers; each says which of the order's lines of its item it is."""
    counts: Counter[str] = Counter()
    numbered = {}
    for number, each in products.items():
        counts[each.item] += 1
        numbered[number] = replace(each, nth=counts[each.item])
    return numbered
