"""Shopify: orders of its Admin interface, with what went back of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from reshelf.dialects.action import Action, LeftOut, Options, Product, Words
from reshelf.dialects.shopify_products import STEM, product
from reshelf.dialects.values import decimal, digest, millis, number_of, records, text, total

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
    products = {
        number_of(line.get("id")) or str(place): _product(line, options, _amount(line))
        for place, line in enumerate(lines)
    }
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
    places = _places(products)
    for refund in records(row.get("refunds")):
        yield _refund(refund, order, unit, currency, options, places)


def _refund(
    refund: Mapping[str, Any], order: str, unit: str, currency: str, options: Options, places: Mapping[str, int]
) -> Action:
    lines = list(records(refund.get("refund_line_items")))
    number = number_of(refund.get("id")) or digest(order, refund.get("created_at"))
    return Action(
        source="refund",
        kind="return",
        words=WORDS._replace(price="subtotal"),
        identity=f"{STEM}refund-{digest(number)}",
        at=millis(refund.get("processed_at")) or millis(refund.get("created_at")),
        unit=unit,
        products=[_returned(line, options, places) for line in lines],
        order=order,
        refund=number,
        currency=currency,
    )


def _returned(line: Mapping[str, Any], options: Options, places: Mapping[str, int]) -> Product:
    of_order = line.get("line_item")
    content = of_order if isinstance(of_order, dict) else {}
    number = number_of(line.get("line_item_id")) or number_of(content.get("id"))
    return _product(content, options, decimal(line.get("subtotal")), line.get("quantity"), places.get(number, 0))


def _product(
    line: Mapping[str, Any], options: Options, amount: Decimal | None, quantity: Any = None, nth: int = 0
) -> Product:
    return product(
        options,
        number=number_of(line.get("product_id")),
        handle=text(line.get("handle")),
        variant=number_of(line.get("variant_id")),
        sku=text(line.get("sku")),
        quantity=line.get("quantity") if quantity is None else quantity,
        amount=amount,
        nth=nth,
    )


def _amount(line: Mapping[str, Any]) -> Decimal | None:
    """What the line costs after its discounts."""
    full = total(line.get("price"), line.get("quantity"))
    off = (decimal(part.get("amount")) or Decimal(0) for part in records(line.get("discount_allocations")))
    return None if full is None else full - sum(off, Decimal(0))


def _places(products: Mapping[str, Product]) -> dict[str, int]:
    """Which of the order's lines of its item each line is, by the line's number."""
    counts: Counter[str] = Counter()
    places = {}
    for number, each in products.items():
        counts[each.item] += 1
        places[number] = counts[each.item]
    return places
