"""An item of the shop as it stands in its catalog."""

from __future__ import annotations

from dataclasses import dataclass

from reshelf.demo.shop.words import Product


@dataclass(slots=True)
class Item:
    """An item as it stands in the catalog; `row` is its place in the shop's tables."""

    row: int
    key: str
    product: Product
    tags: list[str]
    available: bool = True
    arrived: float = 0.0
