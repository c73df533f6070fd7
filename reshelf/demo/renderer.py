"""The page renderer: the newest layouts, a slate for each visitor, the static fallback.

This is the renderer's side of the contract.  It keeps the newest version for each
page and segment and ignores older ones; it is good until it and its life have expired.  For a
segment without a layout it takes that of '*'; without any layout, or with an expired one, it shows
its own fallback as variant -2; a slot whose item is out of stock it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Bools, Ints
from policy.assignment import NO_ROWS, Choice
from reshelf.demo.shop.model import Views
from reshelf.demo.shop.pages import NO_SHELF, PAGES, SEGMENTS, SHELVES, WIDTH
from schemas.messages.events import SlotItem
from schemas.messages.fields import BASELINE, FALLBACK
from schemas.messages.layouts import Layout
from streams.catalog.layouts.lives import Lives

EVERYONE = "*"
NO_SLOT, NO_BRANCH = -1, -1
_UNKNOWN = -3

Choose = Callable[[Layout, str], Choice]
Key = tuple[str, str]


class Rendered(NamedTuple):
    """What visitors see, one page view a row: variant and version, number of the branch, -1 where it is of none.

    `slates` are the item rows in sight, and `shelves` those that slots are part of (views × slots, -1 for none).
    """

    variant: Ints
    version: Ints
    branch: Ints
    slates: Ints
    shelves: Ints


class InSight(NamedTuple):
    """What an impression lists: items in slots, and the shelf of each row."""

    slots: list[SlotItem]
    rows: dict[str, str]


class _Table(NamedTuple):
    """A layout by variant and slot; the last two rows are fallback and baseline, so -2 and -1 find them."""

    layout: Layout | None
    branches: Ints
    slates: Ints
    shelves: Ints


class Renderer:
    """What is on the pages now.

    `choose` gives variant and slate for a layout and a unit; `units` are the visitors' pseudonyms by number, `segments`
    the names of segments by theirs;
    `fallback` holds item rows for each page (pages × slots), whose shelves are in the order of the merchants.
    """

    def __init__(
        self, choose: Choose, units: Sequence[str], fallback: Ints, segments: Sequence[str] = SEGMENTS
    ) -> None:
        self.layouts: dict[Key, Layout] = {}
        self.lives = Lives()
        self._choose = choose
        self._units = units
        self._fallback = fallback
        self._segments = segments
        self._rows: dict[str, int] = {}
        self._variants: dict[tuple[int, int], tuple[tuple[object, ...], NDArray[np.int16]]] = {}
        self._tables: dict[tuple[int, int], _Table] = {}
        self._in_sight: dict[tuple[int, ...], InSight] = {}

    def set_items(self, rows: Mapping[str, int]) -> None:
        """Tell which item key stands in which row of the shop's tables."""
        self._rows = dict(rows)
        self._tables.clear()
        self._in_sight.clear()

    def set_slots(self, page: int, declared: Collection[str]) -> None:
        """Tell which slots a page has: its fallback fills no others."""
        others = [at for at, slot in enumerate(PAGES[page].slots) if slot not in declared]
        self._fallback[page, others] = NO_SLOT
        self._tables.clear()

    def take(self, layout: Layout) -> bool:
        """Keep a layout if it is newer than the one held; True where it was."""
        key = (layout.page, layout.segment)
        held = self.layouts.get(key)
        if held is not None and held.version >= layout.version:
            return False
        self.layouts[key] = layout
        self._tables.clear()
        return True

    def drop(self, key: Key) -> None:
        """A tombstone arrived: the page and segment has no layout any more."""
        self.layouts.pop(key, None)
        self._tables.clear()

    def layout(self, page: int, segment: int, now_ms: int) -> Layout | None:
        """The layout to render, if there is one that has not expired."""
        for name in (self._segments[segment], EVERYONE):
            layout = self.layouts.get((PAGES[page].name, name))
            if layout is not None and self.lives.end_of(layout.life, layout.expires_at) > now_ms:
                return layout
        return None

    def render(self, views: Views, in_stock: Bools, now_ms: int) -> Rendered:
        """What each page view shows."""
        count = len(views.unit)
        variant, version, branch = np.full(count, FALLBACK), np.zeros(count, dtype=np.int64), np.full(count, NO_BRANCH)
        slates, shelves = np.full((count, WIDTH), NO_SLOT), np.full((count, WIDTH), NO_SHELF)
        for page, segment in np.unique(np.stack([views.page, views.segment]), axis=1).T.tolist():
            here = np.flatnonzero((views.page == page) & (views.segment == segment))
            table = self._table(page, segment, now_ms)
            if table.layout is not None:
                variant[here] = self._variants_of(table.layout, (page, segment), views.unit[here])
                version[here] = table.layout.version
            branch[here] = table.branches[variant[here]]
            slates[here], shelves[here] = table.slates[variant[here]], table.shelves[variant[here]]
        unseen = (np.arange(WIDTH) >= views.depth[:, None]) | ~in_stock[slates]
        slates[unseen] = NO_SLOT
        shelves[slates == NO_SLOT] = NO_SHELF
        return Rendered(variant, version, branch, slates, shelves)

    def _table(self, page: int, segment: int, now_ms: int) -> _Table:
        layout = self.layout(page, segment, now_ms)
        cached = self._tables.get((page, segment))
        if cached is None or cached.layout is not layout:
            cached = self._tables[page, segment] = self._new_table(page, layout)
        return cached

    def _new_table(self, page: int, layout: Layout | None) -> _Table:
        static = self._fallback[page].tolist()
        static_shelves = _shelves(page, {row: shelf.name for row, shelf in PAGES[page].in_order.items()})
        if layout is None:
            slates, shelves, branches = [static, static], [static_shelves, static_shelves], [NO_BRANCH] * 2
        else:
            sizes = [branch.variants for branch in layout.branches] or [len(layout.slates)]
            branches = [at for at, size in enumerate(sizes) for _ in range(size)] + [NO_BRANCH] * 2
            slates = [*(self._slate(page, each) for each in layout.slates), static, self._slate(page, layout.baseline)]
            rows: Sequence[Mapping[str, str]] = layout.rows or [NO_ROWS] * len(layout.slates)
            baseline = layout.baseline_rows or NO_ROWS
            shelves = [*(_shelves(page, each) for each in rows), static_shelves, _shelves(page, baseline)]
        tables = (np.array(table, dtype=np.int64) for table in (branches, slates, shelves))
        return _Table(layout, *tables)

    def _slate(self, page: int, slate: Mapping[str, str]) -> list[int]:
        slots = PAGES[page].slots
        row = [self._rows.get(slate.get(slot, ""), NO_SLOT) for slot in slots]
        return row + [NO_SLOT] * (WIDTH - len(slots))

    def _variants_of(self, layout: Layout, place: tuple[int, int], units: Ints) -> Ints:
        """The variant of each unit, remembered for as long as the layout's terms hold."""
        terms = (
            *(layout.segment, layout.epoch, len(layout.slates), layout.holdout_share, layout.holdout_salt),
            *(layout.branch_salt, *layout.branches),
        )
        held = self._variants.get(place)
        if held is None or held[0] != terms:
            held = self._variants[place] = terms, np.full(len(self._units), _UNKNOWN, dtype=np.int16)
        variants = held[1]
        for unit in units[variants[units] == _UNKNOWN].tolist():
            variants[unit] = self._choose(layout, self._units[unit])[0]
        return variants[units].astype(np.int64)

    def in_sight(self, page: int, slate: Sequence[int], shelves: Sequence[int], names: Sequence[str]) -> InSight:
        """The slots in sight, and the shelves of their rows, as an impression lists them; equal ones share one list."""
        key = (page, *slate, *shelves)
        in_sight = self._in_sight.get(key)
        if in_sight is None:
            places = zip(PAGES[page].slots, slate, shelves, strict=False)
            shown = [(slot, row, shelf) for slot, row, shelf in places if row >= 0]
            in_sight = InSight(
                [SlotItem(slot, names[row]) for slot, row, _ in shown],
                {slot.rpartition(".")[0]: SHELVES[shelf].name for slot, _, shelf in shown if shelf >= 0},
            )
            if len(self._in_sight) > 50_000:
                self._in_sight.clear()
            self._in_sight[key] = in_sight
        return in_sight


def _shelves(page: int, rows: Mapping[str, str]) -> list[int]:
    """The number of the shelf that each slot is part of, -1 for none."""
    spec = PAGES[page]
    numbers = [_NUMBERS.get(rows.get(row, ""), NO_SHELF) for row in spec.rows]
    shelves = [number for number in numbers for _ in range(spec.columns)]
    return shelves + [NO_SHELF] * (WIDTH - len(shelves))


_NUMBERS = {shelf.name: number for number, shelf in enumerate(SHELVES)}
assert (FALLBACK, BASELINE) == (-2, -1), "the last two rows of a table are addressed by these numbers"
