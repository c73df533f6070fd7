"""The page renderer: the newest layouts, a slate for each visitor, the static fallback.

This is the renderer's side of the contract.  It keeps the newest version for each
page and segment and ignores older ones; it is good until it and its life have expired.  For a
segment without a layout it takes that of '*'; without any layout, or with an expired one, it shows
its own fallback as variant -2; a slot whose item is out of stock it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Bools, Ints
from policy.assignment import Choice
from reshelf.demo.shop import PAGES, SEGMENTS, WIDTH, Views
from schemas.messages.events import SlotItem
from schemas.messages.fields import BASELINE, FALLBACK
from schemas.messages.layouts import Layout
from streams.catalog.layouts.lives import Lives

EVERYONE = "*"
NO_SLOT = -1
_UNKNOWN = -3

Choose = Callable[[Layout, str], Choice]
Key = tuple[str, str]


class Renderer:
    """What is on the pages now.

    `choose` gives variant and slate for a layout and a unit; `units` are the
    visitors' pseudonyms by number; `fallback` holds item rows for each page (pages × slots).
    """

    def __init__(self, choose: Choose, units: Sequence[str], fallback: Ints) -> None:
        self.layouts: dict[Key, Layout] = {}
        self.lives = Lives()
        self._choose = choose
        self._units = units
        self._fallback = fallback
        self._rows: dict[str, int] = {}
        self._variants: dict[tuple[int, int], tuple[tuple[object, ...], NDArray[np.int16]]] = {}
        self._tables: dict[tuple[int, int], tuple[Layout | None, Ints]] = {}
        self._slot_items: dict[tuple[int, ...], list[SlotItem]] = {}

    def set_items(self, rows: Mapping[str, int]) -> None:
        """Tell which item key stands in which row of the shop's tables."""
        self._rows = dict(rows)
        self._tables.clear()
        self._slot_items.clear()

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
        for name in (SEGMENTS[segment], EVERYONE):
            layout = self.layouts.get((PAGES[page].name, name))
            if layout is not None and self.lives.end_of(layout.life, layout.expires_at) > now_ms:
                return layout
        return None

    def render(self, views: Views, in_stock: Bools, now_ms: int) -> tuple[Ints, Ints, Ints]:
        """Variant and layout version of each view, and the item rows in sight (views × slots, -1 for none)."""
        variant = np.full(len(views.unit), FALLBACK, dtype=np.int64)
        version = np.zeros(len(views.unit), dtype=np.int64)
        slates = np.full((len(views.unit), WIDTH), NO_SLOT, dtype=np.int64)
        for page, segment in np.unique(np.stack([views.page, views.segment]), axis=1).T.tolist():
            here = np.flatnonzero((views.page == page) & (views.segment == segment))
            layout, table = self._table(page, segment, now_ms)
            if layout is not None:
                variant[here] = self._variants_of(layout, (page, segment), views.unit[here])
                version[here] = layout.version
            slates[here] = table[variant[here]]
        unseen = (np.arange(WIDTH) >= views.depth[:, None]) | ~in_stock[slates]
        slates[unseen] = NO_SLOT
        return variant, version, slates

    def _table(self, page: int, segment: int, now_ms: int) -> tuple[Layout | None, Ints]:
        """Item rows by variant and slot; the last two rows are fallback and baseline, so -2 and -1 find them."""
        layout = self.layout(page, segment, now_ms)
        cached = self._tables.get((page, segment))
        if cached is None or cached[0] is not layout:
            slates = [] if layout is None else [self._slate(page, slate) for slate in layout.slates]
            baseline = self._fallback[page] if layout is None else self._slate(page, layout.baseline)
            cached = layout, np.array([*slates, self._fallback[page], baseline], dtype=np.int64)
            self._tables[page, segment] = cached
        return cached

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

    def slot_items(self, page: int, slate: Sequence[int], names: Sequence[str]) -> list[SlotItem]:
        """The slots in sight as an impression lists them; equal ones share one list."""
        key = (page, *slate)
        slots = self._slot_items.get(key)
        if slots is None:
            slots = [
                SlotItem(slot, names[row]) for slot, row in zip(PAGES[page].slots, slate, strict=False) if row >= 0
            ]
            if len(self._slot_items) > 50_000:
                self._slot_items.clear()
            self._slot_items[key] = slots
        return slots


assert (FALLBACK, BASELINE) == (-2, -1), "the last two rows of a table are addressed by these numbers"
