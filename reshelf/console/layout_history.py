"""The layouts of now and lately, and what a visitor saw change."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import NamedTuple

from policy.assignment import choose
from reshelf.inspect.layouts_topic import put_newer
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
        self.newest: dict[Key, Layout] = {}
        self.layouts_read = 0
        self._depth = depth
        self._keys = keys
        self._earlier: OrderedDict[Key, deque[Layout]] = OrderedDict()

    def take(self, layout: Layout) -> None:
        """Keep a layout if it is newer than the one held."""
        key = Key(layout.page, layout.segment)
        if not put_newer(self.newest, key, layout):
            return
        self.layouts_read += 1
        self._earlier.setdefault(key, deque(maxlen=self._depth)).append(layout)
        self._earlier.move_to_end(key)
        if len(self._earlier) > self._keys:
            self._earlier.popitem(last=False)

    def drop(self, key: Key) -> None:
        """The key has no layout any more."""
        self.newest.pop(key, None)
        self._earlier.pop(key, None)

    def changes(self, key: Key, unit: str) -> list[Change]:
        """What changed in the slots that the unit sees, as far as versions are kept, newest first."""
        changes: list[Change] = []
        before: dict[str, str] | None = None
        for layout in self._earlier.get(key, ()):
            after = dict(choose(layout, unit).slate)
            if before is not None:
                changes += [
                    Change(layout.produced_at, layout.version, slot, before.get(slot, ""), after.get(slot, ""))
                    for slot in dict.fromkeys([*before, *after])
                    if before.get(slot) != after.get(slot)
                ]
            before = after
        return changes[::-1]
