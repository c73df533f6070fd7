"""Items as workers keep them: what layouts need, and no texts."""

from __future__ import annotations

from collections.abc import Sized
from sys import intern

import msgspec

from policy.items import ItemFacts
from schemas.codec import decoder, named
from schemas.errors import BadRecord
from schemas.messages.catalog import CatalogItem
from schemas.times import LEAST_SECONDS, MOST_SECONDS, odd_unit

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
    family: str = ""


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
        intern(item.family),
    )


def item_of(value: bytes, name: str) -> CatalogItem:
    """The item of a record under that name; raises `BadRecord` where it is invalid."""
    item: CatalogItem = named(decoder(CatalogItem)(value), "item", name)
    for moment in (item.created_at, item.available_from, item.available_until):
        if LEAST_SECONDS <= moment <= MOST_SECONDS:
            raise BadRecord("invalid", f"expected milliseconds since 1970: {odd_unit(moment)} - in item {name!r}")
    return item


def facts(item: ItemFacts | None) -> object:
    """What of an item decides where it may be shown and what is expected of it; None where it may not be at all."""
    if item is None or not item.available:
        return None
    return (
        (item.category, item.brand, *item.tags),
        item.family,
        (item.created_at, item.price, item.margin, item.available_from, item.available_until),
        tuple(item.complements),
    )


def memory_of(items: Sized) -> int:
    """About how many bytes of a process these items take."""
    return len(items) * ITEM_BYTES
