"""Accepted events added up per state group, by the declared measures: integers only, so that order cannot matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import chain, repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from policy.assignment import unit_bin
from schemas.messages.fields import BASELINE, RETURN
from schemas.topic import Topic
from streams.fold.judge import Accepted
from streams.fold.measure import STAGE_AMOUNTS, Amount, Keying, Measure
from streams.fold.measures import PLACED, STANDS, TABLE_ARRAYS, UNIT_MEASURES, VISIBLE, VISIBLE_CAP_MS, delay_bin
from streams.fold.stages import OF_RETURNS, Causes, Stages, causes_of
from streams.settings import FoldSettings

if TYPE_CHECKING:
    from streams.fold.fast.compiled import Cells, FastEvents

WHOLE_PAGE = "*"
REMEMBERED_KEYS = 100_000
"""Keys whose groups a folder remembers."""
CellName = tuple[str, str, int, int]
"""Page, segment, bucket and variant."""
Cell = Any
"""What the array of a measure is keyed by: a pair of names such as (item, slot), one name, or the number of a bin."""


class Traffic(IntEnum):
    """Who chose the slate; the three are counted apart."""

    LEARNED = 0
    HOLDOUT = 1
    FALLBACK = 2

    # That of enumerations is written in Python, and keys of tables are looked up all the time.
    __hash__ = int.__hash__


class TableKey(NamedTuple):
    """One table of counts."""

    page: str
    segment: str
    bucket: int
    traffic: Traffic


@dataclass(slots=True)
class TableDelta:
    """What a batch adds to a table: by measure, an amount for each cell.

    `fast_events` are impressions that the fast path counted, beside the others.
    """

    amounts: dict[str, dict[Cell, int]] = field(default_factory=dict)
    fast_events: Cells | None = None

    @property
    def touched(self) -> bool:
        """Whether anything was added."""
        return bool(self.amounts or self.fast_events)

    @property
    def cells(self) -> int:
        """How many amounts these are."""
        return sum(map(len, self.amounts.values())) + (len(self.fast_events) if self.fast_events else 0)


@dataclass(slots=True)
class GroupDelta:
    """What a batch adds to one state group.

    `bins` maps a whole-page table and a bin of units (0..255) to the numbers of `measures.UNIT_MEASURES`.
    """

    tables: dict[TableKey, TableDelta] = field(default_factory=dict)
    bins: dict[TableKey, dict[int, list[int]]] = field(default_factory=dict)

    @property
    def cells(self) -> int:
        """How many amounts and bins these are."""
        return sum(table.cells for table in self.tables.values()) + sum(map(len, self.bins.values()))


class _Cell(NamedTuple):
    """Where events of one key, bucket and traffic go; the events are counted when the batch is through."""

    group: int
    whole: int
    table: TableDelta
    bins: dict[int, list[int]]
    of_key: list[Accepted]
    of_page: list[Accepted]


def traffic_of(variant: int) -> Traffic:
    """The traffic that a variant belongs to."""
    if variant >= 0:
        return Traffic.LEARNED
    return Traffic.HOLDOUT if variant == BASELINE else Traffic.FALLBACK


class Folder:
    """Folds accepted events of one topic; `group_of(page, segment)` names the state group of a key."""

    def __init__(self, topic: Topic, settings: FoldSettings, group_of: Callable[[str, str], int]) -> None:
        self._cap = settings.amount_cap
        self._group_of = group_of
        self._groups: dict[tuple[str, str], tuple[int, int]] = {}
        self._many = topic.message is not None and "slots" in topic.message.__struct_fields__
        self._arrays = [(array, some) for array in TABLE_ARRAYS if (some := measures_of(topic, array.measures))]
        self._bins = measures_of(topic, UNIT_MEASURES)
        self._stages = Stages(settings)
        # What bins have of a topic, where most of its events add nothing to them.
        of_bins = {measure.amount for _, measure in self._bins}
        self._few_for_bins = of_bins if of_bins <= STAGE_AMOUNTS else frozenset[Amount]()

    def fold(
        self,
        accepted: Iterable[Accepted],
        applied_offsets: list[int] | None = None,
        fast_events: FastEvents | None = None,
    ) -> dict[int, GroupDelta]:
        """Deltas by group; events below the offset that a group has applied are left out for that group."""
        groups: dict[int, GroupDelta] = {}
        places: dict[CellName, _Cell] = {}
        for entry in accepted:
            offset, bucket, event = entry[0], entry[1], entry[2]
            name = (event.page, event.segment, bucket, min(event.variant, 0))
            place = places.get(name)
            if place is None:
                place = places[name] = self._place(groups, *name)
            if applied_offsets is None or offset >= applied_offsets[place.group]:
                place.of_key.append(entry)
            if applied_offsets is None or offset >= applied_offsets[place.whole]:
                place.of_page.append(entry)
        for place in places.values():
            self._count(place)
        if fast_events:
            self._add_fast_events(groups, fast_events, applied_offsets)
        _drop_untouched(groups)
        return groups

    def _add_fast_events(
        self, groups: dict[int, GroupDelta], fast_events: FastEvents, applied_offsets: list[int] | None
    ) -> None:
        """What the fast path has counted; impressions alone."""
        width, (view, unit) = len(UNIT_MEASURES), (number for number, _ in self._bins)
        for name, cells, units, times, *of_shelves in fast_events.counted(applied_offsets):
            place = self._place(groups, *name)
            place.table.fast_events = cells
            for number, measure in enumerate(VISIBLE.names if times else ()):
                amounts = place.table.amounts.setdefault(measure, {})
                _add(amounts, ((slot, numbers[number]) for slot, numbers in times.items()))
            for measure, some in zip(_OF_SHELVES, of_shelves, strict=True):
                if some:
                    _add(place.table.amounts.setdefault(measure, {}), some.items())
            bins = place.bins
            for at, (views, new_units) in units.items():
                row = bins.get(at)
                if row is None:
                    row = bins[at] = [0] * width
                row[view] += views
                row[unit] += new_units

    def _place(self, groups: dict[int, GroupDelta], page: str, segment: str, bucket: int, variant: int) -> _Cell:
        """Where events of a key, bucket and variant are counted."""
        traffic = traffic_of(variant)
        group, whole = self.groups(page, segment)
        tables = groups.setdefault(group, GroupDelta()).tables
        bins = groups.setdefault(whole, GroupDelta()).bins
        table = tables.setdefault(TableKey(page, segment, bucket, traffic), TableDelta())
        return _Cell(group, whole, table, bins.setdefault(TableKey(page, WHOLE_PAGE, bucket, traffic), {}), [], [])

    def groups(self, page: str, segment: str) -> tuple[int, int]:
        """The groups of a key and of its whole page."""
        groups = self._groups.get((page, segment))
        if groups is None:
            if len(self._groups) >= REMEMBERED_KEYS:
                self._groups.clear()
            groups = self._group_of(page, segment), self._group_of(page, WHOLE_PAGE)
            self._groups[page, segment] = groups
        return groups

    def _count(self, place: _Cell) -> None:
        """Add up what came to a place, measure by measure."""
        events = place.of_key
        causes: Causes | None = None
        for array, measures in self._arrays if events else ():
            if array.of_stages:
                causes = causes_of(events) if causes is None else causes
                self._stages.count(array.keying, measures, causes, place.table.amounts)
                continue
            some = self._with_shelves(events) if array.keying.of_shelves else events
            cells = self._cells(array.keying, some) if some else ()
            for _, measure in measures if cells else ():
                counts = place.table.amounts.setdefault(measure.name, {})
                if measure.amount is Amount.ONE:
                    _add(counts, Counter(cells).items())
                else:
                    _add(counts, zip(cells, self._amounts(measure.amount, some), strict=True))
        self._count_units(place.bins, place.of_page)

    def _count_units(self, bins: dict[int, list[int]], events: Sequence[Accepted]) -> None:
        rows = []
        if self._few_for_bins and self._few_for_bins <= OF_RETURNS:
            events = [entry for entry in events if entry.event.kind == RETURN]
        if self._few_for_bins:
            events = [entry for entry in events if self._adds_to_bins(entry.event)]
        for entry in events:
            at = unit_bin(entry.event.unit)
            row = bins.get(at)
            if row is None:
                row = bins[at] = [0] * len(UNIT_MEASURES)
            rows.append(row)
        for number, measure in self._bins:
            for row, amount in zip(rows, self._amounts(measure.amount, events), strict=False):
                row[number] += amount

    def _adds_to_bins(self, event: Any) -> bool:
        return any(self._stages.amount(amount, event) for amount in self._few_for_bins)

    def _cells(self, keying: Keying, events: Sequence[Accepted]) -> Sequence[Cell]:
        """The cell of each event in an array, or the several of an event with a list of slots."""
        if keying.of_shelves:
            return self._cells_of_shelves(keying, events)
        if keying is Keying.ITEM_SLOT:
            places = chain.from_iterable(entry.event.slots for entry in events) if self._many else map(_EVENT, events)
            return list(map(_ITEM_SLOT, places))
        if keying is Keying.ITEM:
            return [entry.event.item for entry in events]
        if keying is Keying.SLOT:
            return [slot.slot for slot in _timed(events)]
        return [delay_bin(entry.event.delay) for entry in events]

    def _with_shelves(self, events: Sequence[Accepted]) -> Sequence[Accepted]:
        """The events that name a shelf, or shelves of rows."""
        return [entry for entry in events if (entry.event.rows if self._many else entry.event.shelf)]

    def _cells_of_shelves(self, keying: Keying, events: Sequence[Accepted]) -> Sequence[Cell]:
        name_of = attrgetter("slot" if keying is Keying.SLOT_SHELF else "item")
        if not self._many:
            return [(name_of(entry.event), entry.event.shelf) for entry in events]
        slots = ((slot, entry.event.shelf_of(slot)) for entry in events for slot in entry.event.slots)
        return [(name_of(slot), shelf) for slot, shelf in slots if shelf]

    def _amounts(self, amount: Amount, events: Sequence[Accepted]) -> Iterable[int]:
        """What each event, or each slot whose visible time it says, adds to its cell."""
        match amount:
            case Amount.ONE:
                return repeat(1)
            case Amount.MONEY:
                return [min(entry.event.amount, self._cap) for entry in events]
            case Amount.MONEY_SQUARED:
                return [min(entry.event.amount, self._cap) ** 2 for entry in events]
            case Amount.NEW_VIEW:
                return map(_NEW_VIEW, events)
            case Amount.NEW_UNIT:
                return map(_NEW_UNIT, events)
            case Amount.NEW_ORDER:
                return map(_NEW_ORDER, events)
            case Amount.VISIBLE_MS:
                return [min(slot.visible_ms, VISIBLE_CAP_MS) for slot in _timed(events)]
            case _:
                return [self._stages.amount(amount, entry.event) for entry in events]


def _timed(events: Iterable[Accepted]) -> Iterator[Any]:
    """The slots of events that say how long they were visible."""
    return (slot for entry in events for slot in entry.event.slots if slot.visible_ms is not None)


_OF_SHELVES = STANDS.names[0], PLACED.names[0]
_EVENT, _ITEM_SLOT = attrgetter("event"), attrgetter("item", "slot")
_NEW_VIEW, _NEW_UNIT, _NEW_ORDER = map(attrgetter, ("new_view", "new_unit", "new_order"))


def measures_of(topic: Topic, measures: Sequence[Measure]) -> list[tuple[int, Measure]]:
    """The measures that a topic's events add to, with their places."""
    return [(number, measure) for number, measure in enumerate(measures) if measure.topic is topic]


def _add(counts: dict[Cell, int], more: Iterable[tuple[Cell, int]]) -> None:
    for cell, amount in more:
        counts[cell] = counts.get(cell, 0) + amount


def _drop_untouched(groups: dict[int, GroupDelta]) -> None:
    """Drop what nothing was added to."""
    for group, delta in list(groups.items()):
        delta.tables = {key: table for key, table in delta.tables.items() if table.touched}
        delta.bins = {key: bins for key, bins in delta.bins.items() if bins}
        if not (delta.tables or delta.bins):
            del groups[group]
