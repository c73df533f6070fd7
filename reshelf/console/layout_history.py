"""The layouts of now and lately, and what a visitor saw change."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from policy.assignment import choose
from reshelf.inspect.layout_store import LayoutStore, StoredLayout, unpack
from schemas.messages.layouts import Layout
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

    def versions(self, key: Key) -> Iterator[Layout]:
        """The versions that are kept, oldest first; each is decoded as it is taken."""
        return (unpack(stored.packed) for stored in list(self._earlier.get(key, ())))

    def ends(self, key: Key) -> tuple[Layout, Layout] | None:
        """The oldest layout of a page and segment that is kept, and the newest; None where none is."""
        versions = self._earlier.get(key)
        if not versions:
            return None
        return unpack(versions[0].packed), versions[-1].layout()

    def changes(self, key: Key, unit: str) -> Iterator[Change]:
        """What changed in the slots that the unit sees, as far as versions are kept, newest first.

        No more layouts are decoded than are asked for, and none stays so: fifty kilobytes each, for all that is kept.
        """
        versions = (unpack(stored.packed) for stored in reversed(list(self._earlier.get(key, ()))))
        for layout, earlier in pairwise(versions):
            before, after = (dict(choose(each, unit).slate) for each in (earlier, layout))
            for slot in reversed(dict.fromkeys([*before, *after])):
                if before.get(slot) != after.get(slot):
                    yield Change(layout.produced_at, layout.version, slot, before.get(slot, ""), after.get(slot, ""))
