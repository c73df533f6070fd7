"""Counts of a table added to sums by candidate and slot, each as many times as it weighs.

`candidates` says which row of the sums each item of the table has, and `slots` which column each
of its slots; -1 for none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from policy.arrays import Indices, Ints
from streams.state.arrays.compiled import BUILT, kernel
from streams.state.arrays.packed import Packed, PackedCounts
from streams.state.arrays.tables import Table

Into = Sequence[tuple[Ints, int]]
"""Sums [A, S] that counts are added to, and how many times."""


def add_weighted(table: Table, name: str, candidates: Indices, slots: Indices, into: Into, built: bool = BUILT) -> None:
    """Add one of a table's measures, by item and slot or, with one slot, by item.

    `built` says whether the compiled code does it, which gives the same sooner.
    """
    if isinstance(table.counts, PackedCounts):
        packed = table.counts.packed(name)
        if packed is not None:
            (_add_in_one_pass if built else _add_packed)(packed, candidates, slots, into)
    else:
        _add_all(table.counts[name], candidates, slots, into)


def add_cells(candidates: Indices, slots: Indices, rows: Indices, columns: Indices, more: Ints, into: Into) -> None:
    """Add the counts of some cells of a table, each at most once."""
    candidates, slots = candidates[rows], slots[columns]
    counted = (candidates >= 0) & (slots >= 0)
    targets, more = (candidates[counted], slots[counted]), more[counted]
    for sums, times in into:
        sums[targets] += times * more


def _add_in_one_pass(packed: Packed, candidates: Indices, slots: Indices, into: Into) -> None:
    values, places = packed
    counts, width = values.view(np.uint8), values.itemsize
    for sums, times in into:
        if places is None:
            kernel.add(sums, candidates, slots, counts, width, times)
        else:
            kernel.add_few(sums, candidates, slots, counts, width, places.view(np.uint8), places.itemsize, times)


def _add_packed(packed: Packed, candidates: Indices, slots: Indices, into: Into) -> None:
    """The same."""
    values, places = packed
    if places is None:
        _add_all(values.astype(np.int64), candidates, slots, into)
    else:
        rows, columns = np.divmod(places.astype(np.int64), len(slots))
        add_cells(candidates, slots, rows, columns, values.astype(np.int64), into)


def _add_all(counts: Ints, candidates: Indices, slots: Indices, into: Into) -> None:
    rows, columns = np.flatnonzero(candidates >= 0), np.flatnonzero(slots >= 0)
    gained = counts.reshape(len(candidates), len(slots))[np.ix_(rows, columns)]
    for sums, times in into:
        sums[np.ix_(candidates[rows], slots[columns])] += times * gained
