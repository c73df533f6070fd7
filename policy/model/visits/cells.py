"""The slots of sampled page views, those that are alike counted together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policy.arrays import Bools, Floats, Ints

EFFECTS = ("after_click", "after_alike")
"""What may lower the clicks of a slot: each click above it, and each item of the same category above it."""
MOST = 3
"""More clicks or items above count as that many."""


class PageViews(NamedTuple):
    """N page views of S slots in rendered order, [N, S] each.

    `pairs` number items by segment and layout from 0, `kinds` their categories, -1 where an item has none;
    `seen` says which slots were, and `clicked` which of these were clicked.
    """

    pairs: Ints
    kinds: Ints
    seen: Bools
    clicked: Bools

    def only(self, rows: Bools) -> PageViews:
        """Some of the page views, bool[N]."""
        return PageViews(self.pairs[rows], self.kinds[rows], self.seen[rows], self.clicked[rows])


class Cells(NamedTuple):
    """C cells: slots of page views that are alike in item, segment, layout, place and in what is above them.

    `pairs` int64[C] number items by segment and layout from 0, `slots` int64[C] are places; `above` float64[C, 2]
    are, in the order of `EFFECTS`, the clicks and the items of the same category above, each at most `MOST`.
    `shown` and `clicks` float64[C] say how often; a slot counts as clicked once.
    """

    pairs: Ints
    slots: Ints
    above: Floats
    shown: Floats
    clicks: Floats

    @property
    def size(self) -> int:
        """How many pairs there are."""
        return int(self.pairs.max(initial=-1)) + 1

    def of_clicked_pairs(self) -> Cells:
        """The cells of pairs with clicks: the others say nothing."""
        totals = np.bincount(self.pairs, self.clicks, self.size)
        numbers = np.cumsum(totals > 0.0) - 1
        rows = totals[self.pairs] > 0.0
        pairs = numbers[self.pairs][rows]
        return Cells(pairs, self.slots[rows], self.above[rows], self.shown[rows], self.clicks[rows])


def cells_of(views: PageViews) -> Cells:
    """Count page views; an item without a category is like no other."""
    slots = views.pairs.shape[1]
    clicks = np.minimum(np.cumsum(views.clicked, axis=1) - views.clicked, MOST)
    alike = np.minimum(_alike_above(views.kinds, views.seen), MOST)
    sizes = slots, MOST + 1, MOST + 1
    keys = ((views.pairs * sizes[0] + np.arange(slots)) * sizes[1] + clicks) * sizes[2] + alike
    unique, places = np.unique(keys[views.seen], return_inverse=True)
    of_cell, alike_of = np.divmod(unique, sizes[2])
    of_cell, clicks_of = np.divmod(of_cell, sizes[1])
    return Cells(
        of_cell // slots,
        of_cell % slots,
        np.stack([clicks_of, alike_of], axis=1).astype(np.float64),
        np.bincount(places, minlength=len(unique)).astype(np.float64),
        np.bincount(places, views.clicked[views.seen], len(unique)).astype(np.float64),
    )


def _alike_above(kinds: Ints, seen: Bools) -> Ints:
    """How many items of its category each slot has above it, int64[N, S]."""
    rows, above = np.arange(len(kinds)), np.zeros(kinds.shape, dtype=np.int64)
    counts = np.zeros((len(kinds), int(kinds.max(initial=-1)) + 2), dtype=np.int64)
    for slot in range(kinds.shape[1]):
        counts[:, -1] = 0
        above[:, slot] = counts[rows, kinds[:, slot]]
        counts[rows, kinds[:, slot]] += seen[:, slot]
    return above
