"""Shopify: which item a product or variant of an event or order is."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from reshelf.dialects.action import Options, Product
from reshelf.dialects.rows import Row
from reshelf.dialects.values import number_of, text

STEM = "shopify-"


def product(
    options: Options,
    *,
    number: str,
    handle: str,
    variant: str,
    sku: str,
    quantity: Any = None,
    amount: Decimal | None = None,
) -> Product:
    """The product by its handle, as the catalog feed has it; or the variant by its SKU, else its number."""
    handle = handle or options.handles.get(number, "")
    if options.items == "products":
        return Product(item=handle, quantity=quantity, amount=amount)
    return Product(item=sku or variant, family=handle or number, quantity=quantity, amount=amount)


def handles(rows: Iterable[Row]) -> dict[str, str]:
    """The handles of products by their numbers, from the lines that also make the catalog."""
    names = {}
    for row in rows:
        content = row.content if isinstance(row.content, dict) else {}
        number, handle = number_of(content.get("id")), text(content.get("handle"))
        if number and handle:
            names[number] = handle
    return names
