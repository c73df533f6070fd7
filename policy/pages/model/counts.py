"""What is counted of a page of shelves: items by slot as on any page, and shelves by slot and items by shelf beside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policy.arrays import Floats
from policy.pages.compiled import CompiledPage


@dataclass(frozen=True, slots=True, eq=False)
class ShelfCounts:
    """Counts of learned traffic of G segments, A items, H shelves and S slots; may be weighted by age.

    `views` [G] are page views.  `impressions` and `clicks` [G, A, S] are of items in slots, `shelf_impressions` and
    `shelf_clicks` [G, H, S] of shelves in slots, `placed` [G, A, H] the impressions of items in shelves.
    """

    views: Floats
    impressions: Floats
    clicks: Floats
    shelf_impressions: Floats
    shelf_clicks: Floats
    placed: Floats

    def __post_init__(self) -> None:
        groups, items, slots = self.impressions.shape
        shelves = self.shelf_impressions.shape[1]
        for name, expected in (
            ("views", (groups,)),
            ("clicks", (groups, items, slots)),
            ("shelf_impressions", (groups, shelves, slots)),
            ("shelf_clicks", (groups, shelves, slots)),
            ("placed", (groups, items, shelves)),
        ):
            shape = getattr(self, name).shape
            if shape != expected:
                raise ValueError(f"{name}: expected shape {expected}, got {shape}")

    @classmethod
    def empty(cls, page: CompiledPage, segments: int, items: int) -> ShelfCounts:
        """The counts of a page that nobody has seen yet."""
        shelves, slots = len(page.kinds), len(page.row_of)
        by_item, by_shelf = (segments, items, slots), (segments, shelves, slots)
        return cls(
            np.zeros(segments),
            np.zeros(by_item),
            np.zeros(by_item),
            np.zeros(by_shelf),
            np.zeros(by_shelf),
            np.zeros((segments, items, shelves)),
        )

    def plus(self, other: ShelfCounts, factor: float = 1.0) -> ShelfCounts:
        """And `factor` times the other: -1 takes it away."""
        return ShelfCounts(
            self.views + factor * other.views,
            self.impressions + factor * other.impressions,
            self.clicks + factor * other.clicks,
            self.shelf_impressions + factor * other.shelf_impressions,
            self.shelf_clicks + factor * other.shelf_clicks,
            self.placed + factor * other.placed,
        )


def by_row(page: CompiledPage, values: Floats) -> Floats:
    """Sums over the slots of each row, [..., R] from [..., S]."""
    starts = np.flatnonzero(page.column_of == 0)
    return np.asarray(np.add.reduceat(values, starts, axis=-1), dtype=np.float64)


def reach(page: CompiledPage, counts: ShelfCounts) -> Floats:
    """The share of page views in which each row comes into view, float64[G, R] in (0, 1].

    Of a segment with few views it is near that of the page.  A row is not seen less than those below it, which says
    more where it is often left out: it cannot be seen then.
    """
    in_view = counts.shelf_impressions.sum(axis=1)
    starts = np.flatnonzero(page.column_of == 0)
    rows: Floats = np.maximum.reduceat(in_view, starts, axis=1)
    of_page = (rows.sum(axis=0) + PAGE_VIEWS) / (counts.views.sum() + PAGE_VIEWS)
    shares = (rows + SEGMENT_VIEWS * of_page) / (counts.views + SEGMENT_VIEWS)[:, None]
    upwards = np.maximum.accumulate(shares[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(np.clip(upwards, LEAST_REACH, 1.0), dtype=np.float64)


PAGE_VIEWS = 20.0
"""Page views in which all rows were seen that every page is taken to have had."""
SEGMENT_VIEWS = 100.0
"""Page views of the whole page that a segment's own weigh as much as."""
LEAST_REACH = 1e-4
"""A row that nobody has seen yet may still be seen."""
