"""Weighted counts of a segment by shelf: sums are moved along with the tables that changed, and exact.

They are those of learned traffic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from policy.arrays import Floats, Ints
from policy.pages.model.segment_counts import SegmentCounts
from streams.catalog.candidates import CandidateSet, places_in
from streams.catalog.weights import ONE
from streams.fold.deltas import Traffic
from streams.state.arrays.adding import add_weighted
from streams.state.arrays.changes import HeldTables
from streams.state.arrays.tables import Table


class ShelfSums:
    """Of A candidates, S slots and H shelves: `placed` [A, H], and by slot and shelf [S, H] the three others."""

    def __init__(self, candidates: CandidateSet, slots: tuple[str, ...], shelves: tuple[str, ...]) -> None:
        self.shelves = shelves
        self._candidates, self._slots = candidates, slots
        self._columns = {name: at for at, name in enumerate(shelves)}
        self._held = HeldTables[int]([Traffic.LEARNED])
        self.placed: Ints = np.zeros((len(candidates.items), len(shelves)), dtype=np.int64)
        self.impressions, self.clicks, self.conversions = (
            np.zeros((len(slots), len(shelves)), dtype=np.int64) for _ in range(3)
        )

    def move_to(self, tables: Sequence[Table], weight_of: Mapping[range, int]) -> ShelfSums:
        """The same, holding exactly these tables; those that are the same, and weigh the same, cost nothing."""
        for gone, came in self._held.move_to(tables, weight_of):
            if gone and came and gone.table is came.table:
                self._add(came.table, came.weight - gone.weight)
                continue
            if gone:
                self._add(gone.table, -gone.weight)
            if came:
                self._add(*came)
        return self

    def _add(self, table: Table, weight: int) -> None:
        if not table.shelves:
            return
        items, slots = self._candidates.places(table.items, table.slots, self._slots)
        shelves = places_in(table.shelves, self._columns)
        add_weighted(table, "placed", items, shelves, [(self.placed, weight)])
        for name, sums in (
            ("shelf_impressions", self.impressions),
            ("shelf_clicks", self.clicks),
            ("shelf_conversions", self.conversions),
        ):
            add_weighted(table, name, slots, shelves, [(sums, weight)])

    def counts(self, impressions: Floats) -> SegmentCounts:
        """With the impressions of items by slot [A, S], what is needed to tell shelves' parts in them."""
        return SegmentCounts.from_arrays(impressions, self.placed / ONE, self.impressions.T / ONE)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.placed.nbytes + 3 * self.impressions.nbytes
