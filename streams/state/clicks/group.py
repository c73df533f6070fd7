"""The clicks that one group of units may still be credited with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import NamedTuple
from zlib import crc32

from policy.attribution import ClickRecord
from streams.state.watermark import Watermark

_SPARE = 1_000


class Position(NamedTuple):
    """A point in the common order of both logs."""

    clicks: Watermark
    purchases: Watermark

    @property
    def offsets(self) -> tuple[int, int]:
        return self.clicks.offset, self.purchases.offset

    def before(self, other: Position) -> bool:
        """Whether this point comes earlier; points of one order never cross."""
        return self.clicks.offset < other.clicks.offset or self.purchases.offset < other.purchases.offset


def group_of_unit(unit: str, groups: int) -> int:
    """CRC-32 of the unit, modulo the number of groups."""
    return crc32(unit.encode()) % groups


class GroupMemory:
    """The clicks of one group of units at one position, and what changed since it was last written."""

    def __init__(self, position: Position, clicks: Mapping[int, tuple[str, ClickRecord]]) -> None:
        self.position = position
        self._units = {offset: unit for offset, (unit, _) in sorted(clicks.items())}
        self._by_unit: dict[str, dict[int, ClickRecord]] = {}
        for offset, unit in self._units.items():
            self._by_unit.setdefault(unit, {})[offset] = clicks[offset][1]
        self._by_time = self._in_time()
        self._added: set[int] = set()
        self._dropped: list[int] = []

    def __len__(self) -> int:
        return len(self._units)

    @property
    def changed(self) -> bool:
        return bool(self._added or self._dropped)

    def of_unit(self, unit: str) -> Mapping[int, ClickRecord]:
        """The clicks of a unit by offset, ascending."""
        return self._by_unit.get(unit, {})

    def add(self, unit: str, click: ClickRecord) -> None:
        """Remember the next click of the log."""
        self._units[click.offset] = unit
        self._by_unit.setdefault(unit, {})[click.offset] = click
        heappush(self._by_time, (click.occurred_at, click.offset))
        self._added.add(click.offset)

    def forget(self, unit: str) -> None:
        """Drop all clicks of a unit."""
        self._drop(list(self.of_unit(unit)))

    def expire(self, first_offset: int, first_time: int) -> None:
        """Drop clicks below an offset and those that happened before `first_time`."""
        stale = []
        for offset in self._units:
            if offset >= first_offset:
                break
            stale.append(offset)
        while self._by_time and self._by_time[0][0] < first_time:
            stale.append(heappop(self._by_time)[1])
        self._drop(stale)

    def take_changes(self) -> tuple[list[tuple[str, ClickRecord]], list[int]]:
        """What to write and what to delete so that Redis holds the same."""
        units = ((offset, self._units[offset]) for offset in sorted(self._added))
        added = [(unit, self._by_unit[unit][offset]) for offset, unit in units]
        dropped, self._dropped, self._added = self._dropped, [], set()
        return added, dropped

    def _drop(self, offsets: Iterable[int]) -> None:
        for offset in offsets:
            unit = self._units.pop(offset, None)
            if unit is None:
                continue
            mine = self._by_unit[unit]
            del mine[offset]
            if not mine:
                del self._by_unit[unit]
            if offset in self._added:
                self._added.discard(offset)
            else:
                self._dropped.append(offset)
        # What was dropped before its time stays behind, and without a time limit it never comes off.
        if len(self._by_time) > 2 * len(self._units) + _SPARE:
            self._by_time = self._in_time()

    def _in_time(self) -> list[tuple[int, int]]:
        """A heap of the clicks that are there, the earliest on top."""
        heap = [(self._by_unit[unit][offset].occurred_at, offset) for offset, unit in self._units.items()]
        heapify(heap)
        return heap


class Change(NamedTuple):
    """What one group's memory in Redis is to become, if it is at `expected`."""

    group: int
    expected: Position
    after: Position
    added: list[tuple[str, ClickRecord]]
    dropped: list[int]
