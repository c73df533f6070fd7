"""Accepted events added up per state group: integers only, so that order cannot matter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, TypeVar
from zlib import crc32

from schemas.messages import BASELINE, Click, Conversion, Impression
from streams.fold.judge import Accepted
from streams.settings import FoldSettings

K = TypeVar("K")
V = TypeVar("V")
BINS = 256
DELAY_BINS = 32
WHOLE_PAGE = "*"
KNOWN_KEYS = 100_000
"""Keys whose groups a folder remembers."""


class Traffic(IntEnum):
    """Who chose the slate; the three are counted apart."""

    LEARNED = 0
    HOLDOUT = 1
    FALLBACK = 2


class TableKey(NamedTuple):
    """One table of counts."""

    page: str
    segment: str
    bucket: int
    traffic: Traffic


@dataclass(slots=True)
class TableDelta:
    """What a batch adds to a table; cells are keyed by (item, slot), sales by item."""

    impressions: dict[tuple[str, str], int] = field(default_factory=dict)
    clicks: dict[tuple[str, str], int] = field(default_factory=dict)
    sales: dict[str, list[int]] = field(default_factory=dict)
    delays: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class GroupDelta:
    """What a batch adds to one state group.

    `bins` maps a whole-page table and a bin of units (0..255) to
    [page views, units, clicks, orders, revenue].
    """

    tables: dict[TableKey, TableDelta] = field(default_factory=dict)
    bins: dict[TableKey, dict[int, list[int]]] = field(default_factory=dict)


def _no_counts() -> list[int]:
    return [0, 0, 0, 0, 0]


def traffic_of(variant: int) -> Traffic:
    """The traffic that a variant belongs to."""
    if variant >= 0:
        return Traffic.LEARNED
    return Traffic.HOLDOUT if variant == BASELINE else Traffic.FALLBACK


def unit_bin(unit: str) -> int:
    """The bin of a unit, 0..255: intervals are clustered by it."""
    return crc32(unit.encode()) & 255


def delay_bin(delay_ms: int) -> int:
    """Logarithmic bin of a delay: 0 below a second, then one for each doubling, 31 for all beyond."""
    return min(DELAY_BINS - 1, (delay_ms // 1_000).bit_length())


class Folder:
    """Folds accepted events; `group_of(page, segment)` names the state group of a key."""

    def __init__(self, settings: FoldSettings, group_of: Callable[[str, str], int]) -> None:
        self._cap = settings.amount_cap
        self._group_of = group_of
        self._known: dict[tuple[str, str], tuple[int, int]] = {}

    def fold(self, accepted: Iterable[Accepted], floors: list[int] | None = None) -> dict[int, GroupDelta]:
        """Deltas by group; events below a group's floor (offset) are left out for that group."""
        groups: dict[int, GroupDelta] = {}
        for one in accepted:
            event = one.event
            traffic = traffic_of(event.variant)
            group, whole = self._groups(event.page, event.segment)
            if floors is None or one.offset >= floors[group]:
                key = TableKey(event.page, event.segment, one.bucket, traffic)
                self._count(_entry(_entry(groups, group, GroupDelta).tables, key, TableDelta), event)
            if floors is None or one.offset >= floors[whole]:
                key = TableKey(event.page, WHOLE_PAGE, one.bucket, traffic)
                self._count_unit(_entry(_entry(groups, whole, GroupDelta).bins, key, dict), one)
        return groups

    def _groups(self, page: str, segment: str) -> tuple[int, int]:
        """The groups of a key and of its whole page."""
        known = self._known.get((page, segment))
        if known is None:
            if len(self._known) >= KNOWN_KEYS:
                self._known.clear()
            known = self._group_of(page, segment), self._group_of(page, WHOLE_PAGE)
            self._known[page, segment] = known
        return known

    def _count(self, table: TableDelta, event: Impression | Click | Conversion) -> None:
        if type(event) is Impression:
            impressions = table.impressions
            for shown in event.slots:
                cell = (shown.item, shown.slot)
                impressions[cell] = impressions.get(cell, 0) + 1
        elif type(event) is Click:
            cell = (event.item, event.slot)
            table.clicks[cell] = table.clicks.get(cell, 0) + 1
        else:
            self._count_sale(table, event)  # type: ignore[arg-type]

    def _count_sale(self, table: TableDelta, event: Conversion) -> None:
        amount = min(event.amount, self._cap)
        sale = table.sales.setdefault(event.item, [0, 0, 0])
        sale[0] += 1
        sale[1] += amount
        sale[2] += amount * amount
        delay = delay_bin(event.delay)
        table.delays[delay] = table.delays.get(delay, 0) + 1

    def _count_unit(self, bins: dict[int, list[int]], one: Accepted) -> None:
        counts = _entry(bins, unit_bin(one.event.unit), _no_counts)
        kind = type(one.event)
        if kind is Impression:
            counts[0] += one.new_view
            counts[1] += one.new_unit
        elif kind is Click:
            counts[2] += 1
        else:
            counts[3] += one.new_order
            counts[4] += min(one.event.amount, self._cap)


def _entry(entries: dict[K, V], key: K, make: Callable[[], V]) -> V:
    found = entries.get(key)
    if found is None:
        found = entries[key] = make()
    return found
