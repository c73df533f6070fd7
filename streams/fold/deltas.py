"""Accepted events added up per state group: integers only, so that order cannot matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from policy.assignment import unit_bin
from schemas.messages import BASELINE, Click, Conversion, Impression, SlotItem
from streams.fold.judge import Accepted
from streams.settings import FoldSettings

if TYPE_CHECKING:
    from streams.fold.fast.compiled import Cells, FastEvents

DELAY_BINS = 32
WHOLE_PAGE = "*"
_CELL = attrgetter("item", "slot")
KNOWN_KEYS = 100_000
"""Keys whose groups a folder remembers."""
CellName = tuple[str, str, int, int]
"""Page, segment, bucket and variant."""


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
    """What a batch adds to a table; cells are keyed by (item, slot), sales by item.

    `fast_events` are impressions that the shortcut counted, beside the others.
    """

    impressions: dict[tuple[str, str], int] = field(default_factory=dict)
    clicks: dict[tuple[str, str], int] = field(default_factory=dict)
    sales: dict[str, list[int]] = field(default_factory=dict)
    delays: dict[int, int] = field(default_factory=dict)
    fast_events: Cells | None = None

    @property
    def touched(self) -> bool:
        """Whether anything was added."""
        return bool(self.impressions or self.clicks or self.sales or self.fast_events)


@dataclass(slots=True)
class GroupDelta:
    """What a batch adds to one state group.

    `bins` maps a whole-page table and a bin of units (0..255) to
    [page views, units, clicks, orders, revenue].
    """

    tables: dict[TableKey, TableDelta] = field(default_factory=dict)
    bins: dict[TableKey, dict[int, list[int]]] = field(default_factory=dict)


class _Cell(NamedTuple):
    """Where events of one key, bucket and variant go; `shown` is counted when the batch is through."""

    group: int
    whole: int
    table: TableDelta
    bins: dict[int, list[int]]
    shown: list[SlotItem]


def traffic_of(variant: int) -> Traffic:
    """The traffic that a variant belongs to."""
    if variant >= 0:
        return Traffic.LEARNED
    return Traffic.HOLDOUT if variant == BASELINE else Traffic.FALLBACK


def delay_bin(delay_ms: int) -> int:
    """Logarithmic bin of a delay: 0 below a second, then one for each doubling, 31 for all beyond."""
    return min(DELAY_BINS - 1, (delay_ms // 1_000).bit_length())


class Folder:
    """Folds accepted events; `group_of(page, segment)` names the state group of a key."""

    def __init__(self, settings: FoldSettings, group_of: Callable[[str, str], int]) -> None:
        self._cap = settings.amount_cap
        self._group_of = group_of
        self._known: dict[tuple[str, str], tuple[int, int]] = {}

    def fold(
        self,
        accepted: Iterable[Accepted],
        applied_offsets: list[int] | None = None,
        fast_events: FastEvents | None = None,
    ) -> dict[int, GroupDelta]:
        """Deltas by group; events below a group's floor (offset) are left out for that group."""
        groups: dict[int, GroupDelta] = {}
        places: dict[CellName, _Cell] = {}
        for one in accepted:
            offset, bucket, event = one[0], one[1], one[2]
            name = (event.page, event.segment, bucket, event.variant)
            place = places.get(name)
            if place is None:
                place = places[name] = self._place(groups, *name)
            if applied_offsets is None or offset >= applied_offsets[place.group]:
                self._count(place, event)
            if applied_offsets is None or offset >= applied_offsets[place.whole]:
                self._count_unit(place.bins, one)
        if fast_events:
            self._add_fast_events(groups, fast_events, applied_offsets)
        _close(groups, places.values())
        return groups

    def _add_fast_events(
        self, groups: dict[int, GroupDelta], fast_events: FastEvents, applied_offsets: list[int] | None
    ) -> None:
        """What the shortcut has counted; impressions alone."""
        for name, cells, units in fast_events.counted(applied_offsets):
            place = self._place(groups, *name)
            place.table.fast_events = cells
            for at, (views, new_units, *_) in units.items():
                counts = place.bins.setdefault(at, [0, 0, 0, 0, 0])
                counts[0] += views
                counts[1] += new_units

    def _place(self, groups: dict[int, GroupDelta], page: str, segment: str, bucket: int, variant: int) -> _Cell:
        """Where events of a key, bucket and variant are counted."""
        traffic = traffic_of(variant)
        group, whole = self.groups(page, segment)
        tables = groups.setdefault(group, GroupDelta()).tables
        bins = groups.setdefault(whole, GroupDelta()).bins
        return _Cell(
            group,
            whole,
            tables.setdefault(TableKey(page, segment, bucket, traffic), TableDelta()),
            bins.setdefault(TableKey(page, WHOLE_PAGE, bucket, traffic), {}),
            [],
        )

    def groups(self, page: str, segment: str) -> tuple[int, int]:
        """The groups of a key and of its whole page."""
        known = self._known.get((page, segment))
        if known is None:
            if len(self._known) >= KNOWN_KEYS:
                self._known.clear()
            known = self._group_of(page, segment), self._group_of(page, WHOLE_PAGE)
            self._known[page, segment] = known
        return known

    def _count(self, place: _Cell, event: Impression | Click | Conversion) -> None:
        if type(event) is Impression:
            place.shown.extend(event.slots)
        elif type(event) is Click:
            clicks, cell = place.table.clicks, (event.item, event.slot)
            clicks[cell] = clicks.get(cell, 0) + 1
        else:
            self._count_sale(place.table, event)  # type: ignore[arg-type]

    def _count_sale(self, table: TableDelta, event: Conversion) -> None:
        amount = min(event.amount, self._cap)
        sale = table.sales.setdefault(event.item, [0, 0, 0])
        sale[0] += 1
        sale[1] += amount
        sale[2] += amount * amount
        delay = delay_bin(event.delay)
        table.delays[delay] = table.delays.get(delay, 0) + 1

    def _count_unit(self, bins: dict[int, list[int]], one: Accepted) -> None:
        at = unit_bin(one.event.unit)
        counts = bins.get(at)
        if counts is None:
            counts = bins[at] = [0, 0, 0, 0, 0]
        kind = type(one.event)
        if kind is Impression:
            counts[0] += one.new_view
            counts[1] += one.new_unit
        elif kind is Click:
            counts[2] += 1
        else:
            counts[3] += one.new_order
            counts[4] += min(one.event.amount, self._cap)


def _close(groups: dict[int, GroupDelta], places: Iterable[_Cell]) -> None:
    """Count the cells that were shown, and drop what nothing was added to."""
    for place in places:
        impressions = place.table.impressions
        for cell, count in Counter(map(_CELL, place.shown)).items():
            impressions[cell] = impressions.get(cell, 0) + count
    for group, delta in list(groups.items()):
        delta.tables = {key: table for key, table in delta.tables.items() if table.touched}
        delta.bins = {key: bins for key, bins in delta.bins.items() if bins}
        if not (delta.tables or delta.bins):
            del groups[group]
