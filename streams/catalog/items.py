"""Items as workers keep them: what layouts need, and no texts."""

from __future__ import annotations

from collections.abc import Sized
from sys import intern

import msgspec

from policy.items import ItemFacts
from schemas.messages.catalog import CatalogItem

ITEM_BYTES = 400
"""What an item takes of a process, with its name in the indexes."""


class CompactItem(msgspec.Struct, frozen=True, gc=False):
    """An item of the catalog without its texts; names that many items share are one object."""

    item: str
    category: str = ""
    brand: str = ""
    price: int = 0
    available: bool = True
    created_at: int = 0
    tags: tuple[str, ...] = ()
    margin: float = 1.0
    available_from: int = 0
    available_until: int = 0
    complements: tuple[str, ...] = ()


def compact(item: CatalogItem) -> CompactItem:
    """What layouts need of an item."""
    return CompactItem(
        item.item,
        intern(item.category),
        intern(item.brand),
        item.price,
        item.available,
        item.created_at,
        tuple(map(intern, item.tags)),
        item.margin,
        item.available_from,
        item.available_until,
        tuple(item.complements),
    )


def facts(item: ItemFacts | None) -> object:
    """What of an item decides where it may be shown and what is expected of it; None where it may not be at all."""
    if item is None or not item.available:
        return None
    return (
        (item.category, item.brand, *item.tags),
        (item.created_at, item.price, item.margin, item.available_from, item.available_until),
        tuple(item.complements),
    )


def memory_of(items: Sized) -> int:
    """About how many bytes of a process these items take."""
    return len(items) * ITEM_BYTES
