"""Which shelf stands in which row, and what is on it: drawn down the rows, each with the shelf that is worth most.

The row most seen and looked at comes first.  What a shelf is worth there is what it is worth with the items still
left, so empty and thin shelves, and items that two of them would show, are seen on the way; no item is on a page
twice.  Equals are ordered by hash.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from policy.arrays import EMPTY, Bools, Codes, Floats, Hashes, Indices
from policy.pages.compiled import CompiledPage
from policy.pages.holding import broken, lacking
from policy.pages.item_rules.fixed_items import FixedItems, ItemRules
from policy.pages.lists import ItemScores, ShelfLists, ShelfScores
from policy.slates.compiled import BUILT

ROUNDS = 3
"""How often rows are drawn again for exposure to hold."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrangement:
    """Shelves in rows, int32[V, R], and items in slots, int32[V, S], -1 where none; and rules that do not hold."""

    rows: Codes
    slates: Codes
    broken: tuple[tuple[str, int], ...] = ()

    @property
    def relaxed(self) -> list[str]:
        """The rules that do not hold, in words."""
        return [f"{rule}: not in {count} of {len(self.rows)} slates" for rule, count in self.broken]


def arrange(
    page: CompiledPage,
    scores: ItemScores,
    shelves: ShelfScores,
    candidates: Bools,
    hashes: Hashes,
    rows: Codes | None = None,
    built: bool = BUILT,
    rules: ItemRules | None = None,
) -> Arrangement:
    """The pages of all variants; `candidates` bool[H, A] are what shelves may show, `hashes` [A] those of items.

    With `rows` int32[V, R] shelves stand as they say, and items alone are drawn.  `built` says whether the compiled
    code makes lists of items, which gives the same sooner.  `rules` for items hold as far as they can.
    """
    if rules is None or rules.bound.plain or not len(hashes):
        return _Drawing(page, scores, shelves, candidates, hashes, built).arrange(rows)
    # Rules are about items in the order of their hashes.
    order = rules.bound.canonical
    sales = None if scores.sales is None else scores.sales[order]
    ordered = ItemScores(scores.clicks[order], sales), shelves, candidates[:, order], hashes[order]
    drawn = _Drawing(page, *ordered, built, rules).arrange(rows)
    return replace(drawn, slates=np.append(order, EMPTY)[drawn.slates].astype(np.int32))


class _State(NamedTuple):
    """While rows are drawn: what has been placed, and to whom items belong, int32[V, A + 1].

    That is -1 for nobody, H for the page.  `tops` [V, H, C] are the best items that are left for shelves, with their
    `values`, and `standing` bool[V, H] are shelves that have a row.
    """

    rows: Codes
    slates: Codes
    owners: Codes
    tops: Codes
    values: Floats
    standing: Bools


class _Drawing:
    """Rows of all variants; with `rules` for items slates in the making have gaps between rows (`Spread`)."""

    def __init__(
        self,
        page: CompiledPage,
        scores: ItemScores,
        shelves: ShelfScores,
        candidates: Bools,
        hashes: Hashes,
        built: bool = BUILT,
        rules: ItemRules | None = None,
    ) -> None:
        self.page, self.shelves = page, shelves
        self.items, self.variants = scores.clicks.shape
        self._by_hash = np.argsort(page.hashes, kind="stable")
        # A shelf with fewer columns than the row has its first ones, however they are looked at.
        usable = np.where(np.arange(page.shape[2]) < page.columns[:, :, None], shelves.weights, -1.0)
        self._columns = np.argsort(-usable, axis=2, kind="stable")
        self._weights = np.maximum(np.take_along_axis(usable, self._columns, axis=2), 0.0)
        whole = np.where(page.allowed, self._weights.sum(axis=2), 0.0)
        self._order = np.argsort(-whole.max(axis=1), kind="stable").tolist()
        self._lists = ShelfLists(page, scores, shelves.orders, candidates, hashes, built)
        self._ruled = rules and FixedItems(page, scores, shelves.orders, candidates, self._columns, rules, built)

    def arrange(self, rows: Codes | None) -> Arrangement:
        """All pages, with shelves in rows as int32[V, R] says, or else as they are worth most."""
        drawn = self._decide() if rows is None else self._draw(rows, free=False)
        if not self._ruled:
            return drawn
        for _ in range(ROUNDS + len(self._ruled.rules.soft_pins.labels)):
            if not self._ruled.correct(drawn.slates, self._order):
                break
            drawn = self._draw(drawn.rows, free=False, anew=False)
        slates = self._ruled.of_slots(drawn.slates)
        return Arrangement(drawn.rows, slates, (*drawn.broken, *self._ruled.broken(drawn.slates)))

    def _decide(self) -> Arrangement:
        """Shelves as they are worth most, and their items."""
        fixed = np.tile(self.page.pins, (self.variants, 1))
        for _ in range(ROUNDS):
            drawn = self._draw_pinned(fixed)
            if not self._hold_floors(drawn.rows, fixed):
                return drawn
        return self._draw_pinned(fixed)

    def _draw_pinned(self, fixed: Codes) -> Arrangement:
        """All rows, again until each soft pin has a shelf that may show its item, or there is none."""
        drawn = self._draw(fixed)
        while self._ruled and self._ruled.need(drawn.rows, self._order):
            drawn = self._draw(fixed)
        return drawn

    def _draw(self, fixed: Codes, *, free: bool = True, anew: bool = True) -> Arrangement:
        """All rows; where `fixed` int32[V, R] names a shelf it stands there if it can, others only if `free`.

        Items that are fixed in slots stay so unless it begins `anew`.
        """
        if self._ruled and anew:
            self._ruled.begin(fixed, free=free)
        state = self._begin(fixed, free=free)
        for at, row in enumerate(self._order):
            self._place(state, row, self._choose(state, at, fixed, free=free))
            self._release(state, self._order[at + 1 :])
        return Arrangement(state.rows, state.slates, tuple(broken(self.page, state.rows)))

    def _begin(self, fixed: Codes, *, free: bool) -> _State:
        rows, shelves, columns = self.page.shape
        width = self._ruled.fixed.shape[1] if self._ruled else len(self.page.row_of)
        state = _State(
            rows=np.full((self.variants, rows), EMPTY, dtype=np.int32),
            slates=np.full((self.variants, width), EMPTY, dtype=np.int32),
            # One more for what stands behind the last item of a list: it belongs to the page.
            owners=np.full((self.variants, self.items + 1), EMPTY, dtype=np.int32),
            tops=np.full((self.variants, shelves, columns), EMPTY, dtype=np.int32),
            values=np.zeros((self.variants, shelves, columns)),
            standing=np.zeros((self.variants, shelves), dtype=np.bool_),
        )
        state.owners[:, -1] = shelves
        if self._ruled:
            self._ruled.place(state.slates, state.owners)
        for shelf in np.flatnonzero(self.page.keeps).tolist():
            for variant in np.flatnonzero((fixed == shelf).any(axis=1) | free).tolist():
                self._claim(state, variant, shelf)
        self._lists.renew(state.tops, state.values, state.owners, np.ones((self.variants, shelves), dtype=np.bool_))
        return state

    def _claim(self, state: _State, variant: int, shelf: int) -> None:
        """The best items that are left belong to a shelf that keeps them, as many as it may show."""
        listed = self._lists.items[variant, shelf]
        left = listed[(listed != EMPTY) & (state.owners[variant, listed] == EMPTY)]
        state.owners[variant, left[: int(self.page.columns[:, shelf].max())]] = shelf

    def _release(self, state: _State, rows: list[int]) -> None:
        """What a shelf keeps is for all when none of the `rows` to come lets it stand."""
        waiting = self.page.keeps & ~self.page.allowed[rows].any(axis=0)
        for shelf in np.flatnonzero(waiting).tolist():
            state.owners[state.owners == shelf] = EMPTY

    def _choose(self, state: _State, at: int, fixed: Codes, *, free: bool) -> Codes:
        """The shelf of each variant in a row, int32[V], -1 where none can stand there."""
        row = self._order[at]
        values = (state.values * self._weights[row]).sum(axis=2)
        count = (state.tops != EMPTY).sum(axis=2)
        if self._ruled:
            count, values = self._ruled.in_row(row, self._weights[row], state.values, state.tops, (count, values))
        values = values * self.shelves.factors[:, row]
        if self.shelves.rows is not None:
            values = np.where(np.isnan(self.shelves.rows[:, row]), values, self.shelves.rows[:, row])
        able = ~state.standing & (np.minimum(count, self.page.columns[row]) >= self.page.least)
        allowed = able & self.page.allowed[row] & self._has_room(state, fixed) if free else np.zeros_like(able)
        if self._ruled and free:
            allowed = self._ruled.suiting(allowed, row, state.standing, self._order[at + 1 :])
        own = fixed[:, row]
        at_own = np.flatnonzero(own != EMPTY)
        at_own = at_own[able[at_own, own[at_own]]]
        allowed[at_own] = False
        allowed[at_own, own[at_own]] = True
        values = np.where(allowed, values, -np.inf)[:, self._by_hash]
        best = values.argmax(axis=1)
        there = values[np.arange(self.variants), best] > -np.inf
        return np.where(there, self._by_hash[best], EMPTY).astype(np.int32)

    def _has_room(self, state: _State, fixed: Codes) -> Bools:
        """Which shelves have no row that is fixed for them, and are let in by caps of kinds, bool[V, H]."""
        waiting = np.zeros_like(state.standing)
        variants, rows = np.nonzero(fixed != EMPTY)
        waiting[variants, fixed[variants, rows]] = True
        room = ~waiting
        for cap in self.page.caps:
            full = ((state.standing | waiting) & cap.shelves).sum(axis=1) >= cap.most
            room &= ~(full[:, None] & cap.shelves)
        return room

    def _place(self, state: _State, row: int, chosen: Codes) -> None:
        """The shelves, int32[V], with their items."""
        variants = np.flatnonzero(chosen != EMPTY)
        shelves = chosen[variants]
        state.rows[variants, row] = shelves
        state.standing[variants, shelves] = True
        if self._ruled:
            changed = self._ruled.fill(state.slates, state.owners, row, chosen)
        else:
            changed = np.zeros(self.variants, dtype=np.bool_)
            self._place_best(state, row, variants, shelves)
        if not (len(variants) or changed.any()):
            return
        owners = state.owners[np.arange(self.variants)[:, None, None], state.tops]
        gone = (state.tops != EMPTY) & (owners != EMPTY) & (owners != np.arange(self.page.shape[1])[:, None])
        which = (gone.any(axis=2) | changed[:, None]) & ~state.standing
        self._lists.renew(state.tops, state.values, state.owners, which)

    def _place_best(self, state: _State, row: int, variants: Indices, shelves: Codes) -> None:
        """The best items that are left for the shelf of each of the variants."""
        tops = state.tops[variants, shelves]
        at, rank = np.nonzero((tops != EMPTY) & (np.arange(tops.shape[1]) < self.page.columns[row, shelves][:, None]))
        items = tops[at, rank]
        slots = self.page.slots[row, self._columns[row, shelves[at], rank]]
        state.slates[variants[at], slots] = items
        state.owners[variants[at], items] = self.page.shape[1]

    def _hold_floors(self, rows: Codes, fixed: Codes) -> bool:
        """Fix shelves that are in too few slates, where they are worth most; whether there was one that could be.

        They get the row least seen and looked at, of those they may have.
        """
        changed = False
        for floor, count in lacking(self.page, rows, fixed):
            free = (fixed == EMPTY) & self.page.allowed[:, floor.shelf]
            if self._ruled:
                free &= self._ruled.permitted(floor.shelf)
            has = (rows == floor.shelf).any(axis=1) | (fixed == floor.shelf).any(axis=1)
            variants = np.flatnonzero(free.any(axis=1) & ~has)
            best = self._lists.values[:, floor.shelf].sum(axis=1)[variants]
            for variant in variants[np.argsort(-best, kind="stable")][:count].tolist():
                row = next(row for row in reversed(self._order) if free[variant, row])
                fixed[variant, row] = floor.shelf
                changed = True
        return changed
