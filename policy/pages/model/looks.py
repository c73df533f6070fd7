"""How likely the slots of rows are looked at: by row, by column of the shelf's kind, and each slot's own part.

Clicks tell it, and impressions hold what came into view, so this is of slots in view; how often rows come
into view is their reach (`policy.pages.model.counts`).  What has few clicks is drawn to what is above it: a slot to
its row and column, those to a curve whose steepness all of them together tell (`policy.model.examination`).
In an order that never changes a row's clicks are mostly those of its shelf's title, so shelves that always stand in
the same row have no part in the fit of rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policy.arrays import Floats
from policy.model.examination import examination, move_curve
from policy.model.interest import damping
from policy.model.strength import fit_strength
from policy.pages.compiled import CompiledPage
from policy.pages.model.counts import by_row

OWN = 40.0
"""The shape of slots' own parts where nothing tells it, in expected clicks."""


class Looks(NamedTuple):
    """Chances to be looked at in view: of rows [R], of columns by kind [K, C], and factors of slots around 1 [S]."""

    rows: Floats
    columns: Floats
    own: Floats

    @classmethod
    def start(cls, page: CompiledPage) -> Looks:
        """Where nothing is known: they fall as slots of a flat page do."""
        rows, _, columns = page.shape
        curve = examination([""] * columns, {})
        return cls(examination([""] * rows, {}), np.tile(curve, (len(page.kind_names), 1)), np.ones(len(page.row_of)))

    def of_slots(self, page: CompiledPage) -> Floats:
        """Of each slot in the hands of each shelf, float64[H, S]."""
        columns = self.columns[page.kinds][:, page.column_of]
        return np.asarray(self.rows[page.row_of] * columns * self.own, dtype=np.float64)


def move_looks(page: CompiledPage, looks: Looks, clicks: Floats, expected: Floats, spot_strength: float) -> Looks:
    """Looks that make clicks [H, S] likelier, where full looks would give `expected` [H, S].

    `spot_strength` is the shape of what a shelf's clicks in a row differ by from its others: many clicks of one
    shelf in a row say less of the row.
    """
    rows, columns, own = looks
    start = Looks.start(page)
    free = ~page.is_pinned[:, None]
    damped = damping(by_row(page, expected * looks.of_slots(page)), spot_strength)[:, page.row_of] * free
    without_row = expected * columns[page.kinds][:, page.column_of] * own
    by_slot = by_row(page, (damped * clicks).sum(axis=0)), by_row(page, (damped * without_row).sum(axis=0))
    rows = move_curve(*by_slot, start.rows)
    columns = _move_columns(page, start.columns, clicks, expected * rows[page.row_of] * own)
    fitted = Looks(rows, columns, np.ones_like(own)).of_slots(page)
    of_slot, from_slot = clicks.sum(axis=0), (expected * fitted).sum(axis=0)
    # What all slots have in common is not their own: items have it.
    from_slot = from_slot * (of_slot.sum() / max(from_slot.sum(), 1e-12))
    strength = fit_strength(of_slot, from_slot, default=OWN)
    return Looks(rows, columns, (of_slot + strength) / (from_slot + strength))


def _move_columns(page: CompiledPage, start: Floats, clicks: Floats, expected: Floats) -> Floats:
    """Of each kind of shelf by itself, [K, C]."""
    moved = start.copy()
    for kind in range(len(moved)):
        shelves = page.kinds == kind
        sums = [
            np.bincount(page.column_of, values[shelves].sum(axis=0), minlength=moved.shape[1]).astype(np.float64)
            for values in (clicks, expected)
        ]
        moved[kind] = move_curve(sums[0], sums[1], start[kind])
    return moved
