"""The best items of each shelf: as lists, and of those the ones that are left.

Equals are in the order of their hashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from policy.arrays import EMPTY, Bools, Codes, Floats, Hashes, Indices
from policy.pages.compiled import CompiledPage
from policy.slates.compiled import BUILT, scan
from policy.slates.fixing.arms import comparable

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


class Ordered(NamedTuple):
    """Items of each variant, best first, [V, A], with their scores; equals are in the order of their hashes."""

    items: Indices
    scores: Floats

    @classmethod
    def of(cls, scores: Floats, hashes: Hashes) -> Ordered:
        """From scores [A, V]."""
        by_hash = np.argsort(hashes, kind="stable")
        ordered = comparable(scores[by_hash])
        order = np.argsort(-ordered, axis=1, kind="stable")
        return cls(by_hash[order], np.take_along_axis(ordered, order, axis=1))

    def among(self, mask: Bools, most: int) -> tuple[Codes, Floats]:
        """The best of the items in bool[A], at most so many, int32[V, N], with their scores; -1 for none."""
        shape = len(self.items), int(mask.sum())
        at, place = np.nonzero(mask[self.items])
        rows, columns = (part.reshape(shape)[:, :most] for part in (at, place))
        scores = self.scores[rows, columns]
        there = scores > -np.inf
        return np.where(there, self.items[rows, columns], EMPTY).astype(np.int32), np.where(there, scores, 0.0)


class ShelfLists:
    """The best items of each shelf in each variant, `items` int32[V, H, L], best first, -1 behind the last.

    `values` are their scores.
    """

    def __init__(
        self,
        page: CompiledPage,
        scores: ItemScores,
        orders: Floats | None,
        candidates: Bools,
        hashes: Hashes,
        built: bool = BUILT,
    ) -> None:
        self._built, count = built, len(scores.clicks)
        length = len(page.row_of) + int(page.columns.max(axis=0)[page.keeps].sum())
        """As many items as a page may have used up before a shelf comes to its own."""
        shape = scores.clicks.shape[1], len(candidates), min(count, length)
        self.items: Codes = np.full(shape, EMPTY, dtype=np.int32)
        self.values: Floats = np.zeros(shape)
        masks = np.ascontiguousarray(candidates).view(np.uint8)
        for those, whole in _scores_of_shelves(scores, orders, page.shape[1]):
            ordered = Ordered.of(whole, hashes)
            if built:
                scan.best_items(self.items, self.values, ordered.items, ordered.scores, masks, those.start, those.stop)
                continue
            for shelf in those:
                items, own = ordered.among(candidates[shelf], shape[2])
                self.items[:, shelf, : items.shape[1]], self.values[:, shelf, : items.shape[1]] = items, own

    def renew(self, tops: Codes, values: Floats, owners: Codes, which: Bools) -> None:
        """Write into `tops` [V, H, C], with their `values`, the best items that are left, where bool[V, H] says so.

        Left are those that belong, by `owners` int32[V, A + 1], to nobody (-1) or to the shelf.
        """
        if self._built:
            scan.best_left(tops, values, self.items, self.values, owners, which.view(np.uint8))
            return
        variants, shelves = np.nonzero(which)
        columns, length = tops.shape[2], self.items.shape[2]
        tops[variants, shelves], values[variants, shelves] = EMPTY, 0.0
        # Few have to be looked at further down their list than this.
        for end in (NEAR * columns, length):
            listed, scores = self.items[variants, shelves, :end], self.values[variants, shelves, :end]
            owned = owners[variants[:, None], listed]
            left = (owned == EMPTY) | (owned == shelves[:, None])
            rank = np.cumsum(left, axis=1, dtype=np.int32) - 1
            at, place = np.nonzero(left & (rank < columns))
            cells = variants[at], shelves[at], rank[at, place]
            tops[cells], values[cells] = listed[at, place], scores[at, place]
            if end >= length or not len(variants):
                break
            more = (rank[:, -1] < columns - 1) & (listed[:, -1] != EMPTY)
            variants, shelves = variants[more], shelves[more]


def _scores_of_shelves(scores: ItemScores, orders: Floats | None, shelves: int) -> Iterator[tuple[range, Floats]]:
    """Scores [A, V] with the shelves that have them: orders may be worth another amount on each."""
    if scores.sales is None or orders is None:
        yield range(shelves), scores.whole
    else:
        yield from ((range(at, at + 1), scores.clicks + scores.sales * orders[:, at]) for at in range(shelves))
