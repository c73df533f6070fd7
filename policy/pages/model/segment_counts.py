"""The counts of one segment, with the part that each shelf has in those of an item in a slot.

Counted are items by slot, shelves by slot and items by shelf; how often an item stood in a slot in the hands of a
shelf is estimated from these: its shelves share a slot by how often they showed it and stood there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policy.arrays import Floats, Indices
from policy.pages.model.counts import ShelfCounts


class SegmentCounts(NamedTuple):
    """Of one segment: `rows` int[a] of items that were shown, of A in all, how often each shelf showed them [a, H].

    `stands` [H, S] is the share of a shelf's impressions in each slot, `per_shelf` [a, S] the impressions of an item
    in a slot over how often its shelves' shares would have it there, and `elsewhere` [a, S] impressions in slots
    where none of its shelves was counted.
    """

    rows: Indices
    items: int
    placed: Floats
    stands: Floats
    per_shelf: Floats
    elsewhere: Floats

    @classmethod
    def of(cls, counts: ShelfCounts, at: int) -> SegmentCounts:
        """The segment with this number."""
        return cls.from_arrays(counts.impressions[at], counts.placed[at], counts.shelf_impressions[at])

    @classmethod
    def from_arrays(cls, impressions: Floats, placed: Floats, of_shelves: Floats) -> SegmentCounts:
        """From impressions of items by slot [A, S], of items by shelf [A, H], and of shelves by slot [H, S]."""
        rows = np.flatnonzero(impressions.any(axis=1))
        shown, placed = impressions[rows], placed[rows]
        stands = of_shelves / np.maximum(of_shelves.sum(axis=1, keepdims=True), 1e-12)
        there = placed @ stands
        share = np.divide(shown, there, out=np.zeros_like(there), where=there > 0.0)
        return cls(rows, len(impressions), placed, stands, share, np.where(there > 0.0, 0.0, shown))

    def examined(self, looks: Floats, added: Floats) -> Floats:
        """Examined impressions of all items by slot, float64[A, S]: those of full looks on a shelf that adds nothing.

        `looks` [H, S] are of slots in the hands of shelves, and `added` [H, S] is what shelves add there.
        """
        examined = np.zeros((self.items, looks.shape[1]))
        looked_at = self.placed @ (self.stands * looks * added)
        examined[self.rows] = self.per_shelf * looked_at + self.elsewhere * looks.mean(axis=0)
        return examined

    def masses(self, attraction: Floats) -> Floats:
        """What shelves would get in slots at full looks and factors of 1, [H, S], given items' attraction [A]."""
        return np.asarray(self.stands * (self.placed.T @ (self.per_shelf * attraction[self.rows, None])))

    def by_shelf(self, in_hand: Floats) -> Floats:
        """How much of the items' clicks shelves would get by `in_hand` [H, S], looks times what they add, [A, H]."""
        shared = np.zeros((self.items, len(in_hand)))
        shared[self.rows] = self.placed * (self.per_shelf @ (self.stands * in_hand).T)
        return shared
