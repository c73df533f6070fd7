"""A click and layouts as the edge gets them."""

from __future__ import annotations

from typing import Any

from reshelf.edge.layout_cache import LayoutCache
from schemas.codec import encode, encode_key
from schemas.messages.layouts import Layout, LayoutLife
from schemas.topics import LAYOUT_LIVES, LAYOUTS
from tests.reshelf.test_layouts_command import NOW_MS

CLICK: dict[str, Any] = {
    "kind": "click",
    "event_id": "c-1",
    "occurred_at": NOW_MS,
    "unit": "u-1",
    "page": "home",
    "segment": "cooks",
    "slot": "home-1",
    "item": "tent",
    "page_view_id": "v-1",
    "layout_version": 9,
    "variant": 0,
}


def shelf_of(*layouts: Layout) -> LayoutCache:
    cache = LayoutCache(100)
    for one in layouts:
        cache.take(_Message(one))  # type: ignore[arg-type]  # what it reads of a message
    return cache


class _Message:
    def __init__(self, one: Layout) -> None:
        self._layout = one

    def key(self) -> bytes:
        return encode_key(LAYOUTS, self._layout.page, self._layout.segment)

    def value(self) -> bytes:
        return encode(self._layout)


class LifeMessage:
    """A sign of life as the edge gets it."""

    def __init__(self, life: LayoutLife) -> None:
        self._life = life

    def key(self) -> bytes:
        return encode_key(LAYOUT_LIVES, self._life.life)

    def value(self) -> bytes:
        return encode(self._life)
