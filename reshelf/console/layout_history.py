"""The layouts of now and lately, and what a visitor saw change."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import NamedTuple

from policy.assignment import choose
from reshelf.inspect.layout_store import LayoutStore, StoredLayout
from streams.catalog.page import Key

DEPTH = 60
"""Versions that are kept of a page and segment."""
KEYS = 200
"""Pages and segments of which more than the newest is kept: those published last."""


class Change(NamedTuple):
    """Another item came into a slot, at milliseconds; an empty name is no item."""

    at: int
    version: int
    slot: str
    before: str
    after: str


class LayoutHistory:
    """Takes layouts in the order of the log; an older version never takes the place of a newer one."""

    def __init__(self, depth: int = DEPTH, keys: int = KEYS) -> None:
        self.newest = LayoutStore()
        self.layouts_read = 0
        self._depth = depth
        self._keys = keys
        self._earlier: OrderedDict[Key, deque[StoredLayout]] = OrderedDict()

    def take(self, key: Key, value: bytes | None) -> None:
        """Keep a layout if it is newer than the one held; a null value takes the key away.  Raises `BadRecord`."""
        if value is None:
            self._earlier.pop(key, None)
        if self.newest.take(key, value) is None:
            return
        self.layouts_read += 1
        stored = self.newest.get(*key)
        if stored is not None:
            self._earlier.setdefault(key, deque(maxlen=self._depth)).append(stored)
        self._earlier.move_to_end(key)
        if len(self._earlier) > self._keys:
            self._earlier.popitem(last=False)

    def changes(self, key: Key, unit: str) -> list[Change]:
        """What changed in the slots that the unit sees, as far as versions are kept, newest first."""
        changes: list[Change] = []
        before: dict[str, str] | None = None
        for stored in self._earlier.get(key, ()):
            layout = stored.layout()
            after = dict(choose(layout, unit).slate)
            if before is not None:
                changes += [
                    Change(layout.produced_at, layout.version, slot, before.get(slot, ""), after.get(slot, ""))
                    for slot in dict.fromkeys([*before, *after])
                    if before.get(slot) != after.get(slot)
                ]
            before = after
        return changes[::-1]
