"""An arrangement: the slates that it makes of those of a layout, and how likely each of them is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from msgspec import UNSET

from policy.arrays import Bools, Codes, Floats, Indices
from policy.assignment import slate_chances
from policy.evaluation.shelves import exchanged, pinned, row_shares
from policy.pages.compiled import CompiledPage
from schemas.messages.layouts import Layout
from streams.catalog.layouts.arranged import row_codes

SERVED = "served"


class Slates(NamedTuple):
    """Shelves in rows, int32[V, R] with -1 where none stands, and how likely each slate is, float64[V]."""

    rows: Codes
    chances: Floats

    @classmethod
    def even(cls, rows: Codes) -> Slates:
        """Equally likely ones."""
        return cls(rows, np.full(len(rows), 1.0 / len(rows)))

    @classmethod
    def of(cls, page: CompiledPage, layout: Layout) -> Slates:
        """Those that visitors outside the holdout were served."""
        rows = [] if layout.rows is UNSET else layout.rows
        return cls(row_codes(page, rows), np.array(slate_chances(layout)))

    def part(self, which: Bools) -> Slates:
        """Some of them, bool[V], of which one is certain."""
        return Slates(self.rows[which], self.chances[which] / self.chances[which].sum())

    def shares(self, shelves: int) -> Floats:
        """How likely shelves stand in rows, float64[R, H]."""
        return row_shares(self.rows, self.chances, shelves)


Move = Callable[[Layout, Slates], Slates]
"""From a layout and the slates that were served to those of the arrangement."""
Fill = Callable[[str, Layout], Codes]
"""Shelves in rows, int32[V, R], as the page's own policy fills the template of a name in a layout's place."""


class Arrangement(NamedTuple):
    """What is asked about, as people call it; `columns` int[R, H] are those that shelves show, None as on the page."""

    name: str
    move: Move
    columns: Indices | None = None


def as_served() -> Arrangement:
    """What was served: a check of the estimate, which should be what the log says."""
    return Arrangement(SERVED, lambda layout, served: served)


def in_declared_order(page: CompiledPage) -> Arrangement:
    """The order of the page's file, as the layouts have it for the holdout."""

    def move(layout: Layout, _: Slates) -> Slates:
        rows = {} if layout.baseline_rows is UNSET else layout.baseline_rows
        return Slates.even(row_codes(page, [rows]))

    return Arrangement("declared order", move)


def with_pin(page: CompiledPage, shelf: int, row: int) -> Arrangement:
    """A shelf in a row of each slate, and what stood there in its place."""
    name = f"pin {page.page.shelf_names[shelf]}={page.page.row_names[row]}"
    return Arrangement(name, lambda _, served: served._replace(rows=pinned(served.rows, row, shelf)))


def with_exchange(page: CompiledPage, upper: int, lower: int) -> Arrangement:
    """The shelves of two rows in each other's place, in each slate."""
    name = f"exchange {page.page.row_names[upper]} {page.page.row_names[lower]}"
    return Arrangement(name, lambda _, served: served._replace(rows=exchanged(served.rows, upper, lower)))


def in_template(template: str, columns: Indices, fill: Fill) -> Arrangement:
    """The page's own policy in a template."""
    return Arrangement(f"template {template}", lambda layout, _: Slates.even(fill(template, layout)), columns)
