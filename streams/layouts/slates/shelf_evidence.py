"""What was counted of a shelf in a segment, and whether its counts tell its title from its items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policy.arrays import Floats
from policy.pages.compiled import CompiledPage
from policy.pages.model.counts import by_row
from streams.catalog.candidates import places_in
from streams.catalog.page import Page
from streams.catalog.shelves.sums import ShelfSums
from streams.catalog.weights import ONE, weights
from streams.fold.deltas import Traffic
from streams.page_settings import LayoutSettings
from streams.state.arrays.adding import add_weighted
from streams.state.arrays.tables import Table

LEAST_SHARE = 0.01
"""Of a shelf's impressions: what happened less often says nothing."""


@dataclass(frozen=True, slots=True)
class Apart:
    """What tells a shelf's title from its items and its row, as shares of its impressions.

    `shared` are those that have a counterpart: of the same item, on another shelf.  `other_rows` are those outside the
    row in which it stood most.
    """

    shared: float
    other_rows: float

    @property
    def from_items(self) -> bool:
        """Whether its items stood in several shelves."""
        return self.shared >= LEAST_SHARE

    @property
    def from_row(self) -> bool:
        """Whether it stood in several rows."""
        return self.other_rows >= LEAST_SHARE

    @property
    def is_told(self) -> bool:
        """Whether what it adds may be shown as its own."""
        return self.from_items or self.from_row


@dataclass(frozen=True, slots=True, eq=False)
class ShelfEvidence:
    """Learned traffic of a shelf, weighted by age: float64[R] by row each, in minor units where it is money."""

    impressions: Floats
    clicks: Floats
    orders: Floats
    revenue: Floats
    apart: Apart

    @classmethod
    def of(
        cls, shelf: str, tables: Sequence[Table], page: Page, compiled: CompiledPage, settings: LayoutSettings
    ) -> ShelfEvidence:
        """Of the tables of a segment, or of a whole page."""
        sums = ShelfSums(page.candidates, compiled.page.slots, compiled.page.shelf_names)
        weight_of = weights(tables, settings.half_life_ms)
        sums.move_to(tables, weight_of)
        revenue = np.zeros_like(sums.conversions)
        slots = {name: at for at, name in enumerate(compiled.page.slots)}
        shelves = {name: at for at, name in enumerate(compiled.page.shelf_names)}
        for table in tables:
            if table.traffic is Traffic.LEARNED and table.shelves:
                cells = places_in(table.slots, slots), places_in(table.shelves, shelves)
                add_weighted(table, "shelf_revenue", *cells, [(revenue, weight_of[table.buckets])])
        at = shelves[shelf]
        impressions, clicks, orders, amounts = (
            by_row(compiled, those[:, at] / ONE) for those in (sums.impressions, sums.clicks, sums.conversions, revenue)
        )
        return cls(impressions, clicks, orders, amounts, _apart(sums.placed / ONE, at, impressions))


def _apart(placed: Floats, at: int, of_rows: Floats) -> Apart:
    own = placed[:, at]
    shared = np.minimum(own, placed.sum(axis=1) - own).sum()
    whole = of_rows.sum()
    return Apart(
        shared=float(shared / own.sum()) if own.any() else 0.0,
        other_rows=float(1.0 - of_rows.max() / whole) if whole else 0.0,
    )
