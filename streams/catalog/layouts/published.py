"""The newest published layout of each page and segment, by what came on the topic and what is about to."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from schemas.codec import decoder
from streams.catalog.layouts.latest_layout import NO_LAYOUT, LatestLayout, latest_layout_of
from streams.catalog.page import Key


class _Version(msgspec.Struct, frozen=True):
    version: int


_decode_version = decoder(_Version)


class PublishedLayouts:
    """Takes layouts in the order of the log; a version that is older than one before it is no news but lost."""

    def __init__(self) -> None:
        self.newest: dict[Key, LatestLayout] = {}
        self.segments: dict[str, set[str]] = {}
        self._logged: dict[Key, int] = {}

    def of(self, key: Key) -> LatestLayout:
        """What is known of the key's newest layout."""
        return self.newest.get(key, NO_LAYOUT)

    def remember(self, key: Key, published: LatestLayout) -> None:
        """Take over what is about to come on the topic, unless something newer is known."""
        if published.version >= self.of(key).version:
            self.newest[key] = published
            self.segments.setdefault(key.page, set()).add(key.segment)

    def take(self, key: Key, value: bytes | None) -> tuple[bool, bool]:
        """Whether the newest has to be published again, and whether renderers have this one.  Raises `BadRecord`."""
        latest = self.of(key)
        if value is None:
            self.remember(key, replace(latest, live=False))
            return latest.live, True
        version = _decode_version(value).version
        if version < self._logged.get(key, 0):
            self.remember(key, replace(latest, live=True, lost=True))
            return True, False
        if version > latest.version:
            self.remember(key, latest_layout_of(value))
        self._logged[key] = version
        return False, True
