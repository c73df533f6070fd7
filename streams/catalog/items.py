"""Items as workers keep them: what layouts need, and no texts."""

from __future__ import annotations

from collections.abc import Sized
from sys import intern
from typing import Any

import msgspec

from policy.items import ItemFacts
from schemas.codec import decoder
from schemas.errors import BadRecord
from schemas.foreign_content import key_of
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


def read_item(value: bytes, name: str) -> CatalogItem:
    """A record of the catalog under its key; raises `BadRecord`."""
    item: CatalogItem = require_key(decoder(CatalogItem)(value), "item", name)
    for moment in (item.created_at, item.available_from, item.available_until):
        if LEAST_SECONDS <= moment <= MOST_SECONDS:
            raise BadRecord("invalid", f"expected milliseconds since 1970: {odd_unit(moment)} - in item {name!r}")
    return item


def require_key(message: Any, field_name: str, name: str) -> Any:
    """The message, whose field has to be the record's key; raises `BadRecord`."""
    value = getattr(message, field_name)
    if value != name:
        said = key_of(name.encode())
        more = f"; the key {said}" if said else ""
        raise BadRecord("key", f"expected `{field_name}` to be the record's key {name!r}, got {value!r}{more}")
    return message
