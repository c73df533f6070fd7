"""Which shelf stands in which row, and what is on it: drawn down the rows, each with the shelf that is worth most.

The row most seen and looked at comes first.  What a shelf is worth there is what it is worth with the items still
left, so empty and thin shelves, and items that two of them would show, are seen on the way; no item is on a page
twice.  Equals are ordered by hash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from policy.arrays import EMPTY, Bools, Codes, Floats, Hashes, Indices
from policy.pages.compiled import CompiledPage
from policy.pages.holding import broken, lacking
from policy.slates.compiled import BUILT, scan

ROUNDS = 3
"""How often rows are drawn again for exposure to hold."""
NEAR = 3
"""Of a shelf's list, times its columns, are looked at first for items that are left."""


class ItemScores(NamedTuple):
    """Scores of A items in V variants, float64[A, V], and the part beside that goes with a shelf's order factor."""

    clicks: Floats
    sales: Floats | None = None

    @property
    def whole(self) -> Floats:
        """Both together, as on a shelf that adds nothing to orders."""
        return self.clicks if self.sales is None else self.clicks + self.sales


class ShelfScores(NamedTuple):
    """What columns are worth by themselves: `weights` [R, H, C], reach times look; what shelves add there, [V, R, H].

    `orders` [V, H] multiplies what items' orders are worth.  Where `rows` [V, R, H] is a number, it is compared in
    place of what the shelf is worth there.
    """

    weights: Floats
    factors: Floats
    orders: Floats | None = None
    rows: Floats | None = None


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
) -> Arrangement:
    """The pages of all variants; `candidates` bool[H, A] are what shelves may show, `hashes` [A] those of items.

    With `rows` int32[V, R] shelves stand as they say, and items alone are drawn.  `built` says whether the compiled
    code makes lists of items, which gives the same sooner.
    """
    drawing = _Drawing(page, scores, shelves, candidates, hashes, built)
    if rows is not None:
        return drawing.draw(rows, free=False)
    fixed = np.tile(page.pins, (drawing.variants, 1))
    for _ in range(ROUNDS):
        drawn = drawing.draw(fixed)
        if not drawing.hold_floors(drawn.rows, fixed):
            return drawn
    return drawing.draw(fixed)


class _Ordered(NamedTuple):
    """Items of each variant, best first, [V, A], with their scores; equals are in the order of their hashes."""

    items: Indices
    scores: Floats

    @classmethod
    def of(cls, scores: Floats, hashes: Hashes) -> _Ordered:
        """From scores [A, V]."""
        by_hash = np.argsort(hashes, kind="stable")
        # What is not a number counts as minus infinity, and infinity as a number.
        comparable = np.minimum(np.fmax(scores[by_hash].T, -np.inf), np.finfo(np.float64).max)
        order = np.argsort(-comparable, axis=1, kind="stable")
        return cls(by_hash[order], np.take_along_axis(comparable, order, axis=1))

    def among(self, mask: Bools, most: int) -> tuple[Codes, Floats]:
        """The best of the items in bool[A], at most so many, int32[V, N], with their scores; -1 for none."""
        shape = len(self.items), int(mask.sum())
        at, place = np.nonzero(mask[self.items])
        rows, columns = (part.reshape(shape)[:, :most] for part in (at, place))
        scores = self.scores[rows, columns]
        there = scores > -np.inf
        return np.where(there, self.items[rows, columns], EMPTY).astype(np.int32), np.where(there, scores, 0.0)


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
    """The best items of each shelf in each variant, `lists` int32[V, H, L], best first, -1 behind the last."""

    def __init__(
        self,
        page: CompiledPage,
        scores: ItemScores,
        shelves: ShelfScores,
        candidates: Bools,
        hashes: Hashes,
        built: bool = BUILT,
    ) -> None:
        self.page, self.shelves, self._built = page, shelves, built
        self.items, self.variants = scores.clicks.shape
        self._by_hash = np.argsort(page.hashes, kind="stable")
        # A shelf with fewer columns than the row has its first ones, however they are looked at.
        usable = np.where(np.arange(page.shape[2]) < page.columns[:, :, None], shelves.weights, -1.0)
        self._columns = np.argsort(-usable, axis=2, kind="stable")
        self._weights = np.maximum(np.take_along_axis(usable, self._columns, axis=2), 0.0)
        whole = np.where(page.allowed, self._weights.sum(axis=2), 0.0)
        self._order = np.argsort(-whole.max(axis=1), kind="stable").tolist()
        self._lists, self._values = self._best(scores, candidates, hashes)

    def _best(self, scores: ItemScores, candidates: Bools, hashes: Hashes) -> tuple[Codes, Floats]:
        """Lists and their scores: as many items as a page may have used up before a shelf comes to its own."""
        length = len(self.page.row_of) + int(self.page.columns.max(axis=0)[self.page.keeps].sum())
        lists = np.full((self.variants, len(candidates), min(self.items, length)), EMPTY, dtype=np.int32)
        values = np.zeros(lists.shape)
        masks = np.ascontiguousarray(candidates).view(np.uint8)
        for those, whole in self._scores_of_shelves(scores):
            ordered = _Ordered.of(whole, hashes)
            if self._built:
                scan.best_items(lists, values, ordered.items, ordered.scores, masks, those.start, those.stop)
                continue
            for shelf in those:
                items, own = ordered.among(candidates[shelf], lists.shape[2])
                lists[:, shelf, : items.shape[1]], values[:, shelf, : items.shape[1]] = items, own
        return lists, values

    def _scores_of_shelves(self, scores: ItemScores) -> Iterator[tuple[range, Floats]]:
        """Scores [A, V] with the shelves that have them: orders may be worth another amount on each."""
        shelves, orders = range(self.page.shape[1]), self.shelves.orders
        if scores.sales is None or orders is None:
            yield shelves, scores.whole
        else:
            yield from ((shelves[at : at + 1], scores.clicks + scores.sales * orders[:, at]) for at in shelves)

    def draw(self, fixed: Codes, *, free: bool = True) -> Arrangement:
        """All rows; where `fixed` int32[V, R] names a shelf it stands there if it can, others only if `free`."""
        state = self._begin(fixed, free=free)
        for at, row in enumerate(self._order):
            self._place(state, row, self._choose(state, row, fixed, free=free))
            self._release(state, self._order[at + 1 :])
        return Arrangement(state.rows, state.slates, tuple(broken(self.page, state.rows)))

    def _begin(self, fixed: Codes, *, free: bool) -> _State:
        rows, shelves, columns = self.page.shape
        state = _State(
            rows=np.full((self.variants, rows), EMPTY, dtype=np.int32),
            slates=np.full((self.variants, len(self.page.row_of)), EMPTY, dtype=np.int32),
            # One more for what stands behind the last item of a list: it belongs to the page.
            owners=np.full((self.variants, self.items + 1), EMPTY, dtype=np.int32),
            tops=np.full((self.variants, shelves, columns), EMPTY, dtype=np.int32),
            values=np.zeros((self.variants, shelves, columns)),
            standing=np.zeros((self.variants, shelves), dtype=np.bool_),
        )
        state.owners[:, -1] = shelves
        for shelf in np.flatnonzero(self.page.keeps).tolist():
            for variant in np.flatnonzero((fixed == shelf).any(axis=1) | free).tolist():
                self._claim(state, variant, shelf)
        self._renew(state, np.ones((self.variants, shelves), dtype=np.bool_))
        return state

    def _claim(self, state: _State, variant: int, shelf: int) -> None:
        """The best items that are left belong to a shelf that keeps them, as many as it may show."""
        listed = self._lists[variant, shelf]
        left = listed[(listed != EMPTY) & (state.owners[variant, listed] == EMPTY)]
        state.owners[variant, left[: int(self.page.columns[:, shelf].max())]] = shelf

    def _release(self, state: _State, rows: list[int]) -> None:
        """What a shelf keeps is for all when none of the `rows` to come lets it stand."""
        waiting = self.page.keeps & ~self.page.allowed[rows].any(axis=0)
        for shelf in np.flatnonzero(waiting).tolist():
            state.owners[state.owners == shelf] = EMPTY

    def _renew(self, state: _State, which: Bools) -> None:
        """The best items of shelves, where bool[V, H] says so, of those that are left for them."""
        if self._built:
            scan.best_left(state.tops, state.values, self._lists, self._values, state.owners, which.view(np.uint8))
            return
        variants, shelves = np.nonzero(which)
        columns, length = state.tops.shape[2], self._lists.shape[2]
        state.tops[variants, shelves], state.values[variants, shelves] = EMPTY, 0.0
        # Few have to be looked at further down their list than this.
        for end in (NEAR * columns, length):
            listed, scores = self._lists[variants, shelves, :end], self._values[variants, shelves, :end]
            owners = state.owners[variants[:, None], listed]
            left = (owners == EMPTY) | (owners == shelves[:, None])
            rank = np.cumsum(left, axis=1, dtype=np.int32) - 1
            at, place = np.nonzero(left & (rank < columns))
            cells = variants[at], shelves[at], rank[at, place]
            state.tops[cells], state.values[cells] = listed[at, place], scores[at, place]
            if end >= length or not len(variants):
                break
            more = (rank[:, -1] < columns - 1) & (listed[:, -1] != EMPTY)
            variants, shelves = variants[more], shelves[more]

    def _choose(self, state: _State, row: int, fixed: Codes, *, free: bool) -> Codes:
        """The shelf of each variant in a row, int32[V], -1 where none can stand there."""
        values = (state.values * self._weights[row]).sum(axis=2) * self.shelves.factors[:, row]
        if self.shelves.rows is not None:
            values = np.where(np.isnan(self.shelves.rows[:, row]), values, self.shelves.rows[:, row])
        count = np.minimum((state.tops != EMPTY).sum(axis=2), self.page.columns[row])
        able = ~state.standing & (count >= self.page.least)
        allowed = able & self.page.allowed[row] & self._has_room(state, fixed) if free else np.zeros_like(able)
        own = fixed[:, row]
        at = np.flatnonzero(own != EMPTY)
        at = at[able[at, own[at]]]
        allowed[at] = False
        allowed[at, own[at]] = True
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
        if not len(variants):
            return
        shelves = chosen[variants]
        state.rows[variants, row] = shelves
        state.standing[variants, shelves] = True
        tops = state.tops[variants, shelves]
        at, rank = np.nonzero((tops != EMPTY) & (np.arange(tops.shape[1]) < self.page.columns[row, shelves][:, None]))
        items = tops[at, rank]
        slots = self.page.slots[row, self._columns[row, shelves[at], rank]]
        state.slates[variants[at], slots] = items
        state.owners[variants[at], items] = self.page.shape[1]
        owners = state.owners[np.arange(self.variants)[:, None, None], state.tops]
        gone = (state.tops != EMPTY) & (owners != EMPTY) & (owners != np.arange(self.page.shape[1])[:, None])
        self._renew(state, gone.any(axis=2) & ~state.standing)

    def hold_floors(self, rows: Codes, fixed: Codes) -> bool:
        """Fix shelves that are in too few slates, where they are worth most; whether there was one that could be.

        They get the row least seen and looked at, of those they may have.
        """
        changed = False
        for floor, count in lacking(self.page, rows, fixed):
            free = (fixed == EMPTY) & self.page.allowed[:, floor.shelf]
            has = (rows == floor.shelf).any(axis=1) | (fixed == floor.shelf).any(axis=1)
            variants = np.flatnonzero(free.any(axis=1) & ~has)
            best = self._values[:, floor.shelf].sum(axis=1)[variants]
            for variant in variants[np.argsort(-best, kind="stable")][:count].tolist():
                row = next(row for row in reversed(self._order) if free[variant, row])
                fixed[variant, row] = floor.shelf
                changed = True
        return changed
