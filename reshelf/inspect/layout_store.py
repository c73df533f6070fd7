"""The newest layout of each page and segment, small in memory: compressed, and decoded when it is asked for.

A decoded layout takes some fifty kilobytes, its compressed bytes about two.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import lru_cache
from sys import intern
from typing import NamedTuple

from schemas.codec import decoder
from schemas.messages.layouts import Layout
from streams.catalog.layouts.lives import Lives
from streams.catalog.page import Key

LEVEL = 1
"""Of zlib: more takes three times as long and saves a tenth."""
DECODED = 64
"""Layouts that are kept decoded, those asked for last."""

_decode = decoder(Layout)


class StoredLayout(NamedTuple):
    """A layout as its compressed bytes, with what is asked of all layouts at once.

    `expires_at` is what it says itself; `LayoutStore.expires_at` follows its life, too.
    """

    version: int
    expires_at: int
    life: str
    packed: bytes

    def layout(self) -> Layout:
        """The layout itself; the same object while it is asked for often."""
        return _decoded(self.packed)


def store(layout: Layout, value: bytes) -> StoredLayout:
    """A layout and its bytes as the topic has them, stored."""
    return StoredLayout(layout.version, layout.expires_at, intern(layout.life), zlib.compress(value, LEVEL))


def unpack(packed: bytes) -> Layout:
    """The layout of compressed bytes."""
    layout: Layout = _decode(zlib.decompress(packed))
    return layout


_decoded = lru_cache(DECODED)(unpack)


class LayoutStore:
    """Takes records of the topic `layouts` in any order; an older version never takes the place of a newer one.

    `lives` say how long those are good that did not change.  One thread may write while others read.
    """

    def __init__(self, lives: Lives | None = None) -> None:
        self.lives = Lives() if lives is None else lives
        self._layouts: dict[Key, StoredLayout] = {}

    def __len__(self) -> int:
        return len(self._layouts)

    def __iter__(self) -> Iterator[tuple[Key, StoredLayout]]:
        return iter(sorted(self._layouts.items()))

    def get(self, page: str, segment: str) -> StoredLayout | None:
        """The newest layout of a page and segment."""
        return self._layouts.get(Key(page, segment))

    def take(self, key: Key, value: bytes | None) -> Layout | None:
        """The layout of a record if it is newer than the one held; none, a tombstone, takes the key away.

        Raises `BadRecord` where the value is no layout; what was there before stays.
        """
        if value is None:
            self._layouts.pop(key, None)
            return None
        layout: Layout = _decode(value)
        before = self._layouts.get(key)
        if before is not None and before.version >= layout.version:
            return None
        self._layouts[key] = store(layout, value)
        return layout

    def expires_at(self, stored: StoredLayout) -> int:
        """When a layout expires, in milliseconds: by itself or with its life, whichever is later."""
        return self.lives.end_of(stored.life, stored.expires_at)

    def expiries(self) -> list[tuple[Key, int]]:
        """When each layout expires, in milliseconds."""
        return [(key, self.expires_at(stored)) for key, stored in list(self._layouts.items())]
