"""Tables added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from policy.arrays import Indices, Ints
from streams.fold.measure import Array, Axis, Width
from streams.fold.measures import TABLE_ARRAYS
from streams.state.arrays.tables import Table

MOST = {Width.COUNT: 2**32 - 1, Width.SUM: 2**63 - 1}


def add_tables(tables: Sequence[Table]) -> Table:
    """One table of all counts, which stay at their largest value; segment, buckets and traffic are the first's."""
    first = tables[0]
    items = numbered(name for table in tables for name in table.items)
    slots = numbered(name for table in tables for name in table.slots)
    shelves = numbered(name for table in tables for name in table.shelves)
    total = Table.of(first.segment, first.bucket, first.traffic, tuple(items), tuple(slots), tuple(shelves))
    for table in tables:
        at = {
            Axis.ITEM: numbers_of(table.items, items),
            Axis.SLOT: numbers_of(table.slots, slots),
            Axis.SHELF: numbers_of(table.shelves, shelves),
        }
        for array in TABLE_ARRAYS:
            place = cells_at(array, at)
            for name in array.names:
                sums = total.counts[name]
                sums[place] = add_saturated(sums[place], table.counts[name], MOST[array.width])
    return replace(total, buckets=first.buckets)


def numbered(names: Iterable[str]) -> dict[str, int]:
    """Each name with its number, in the order in which they come."""
    return {name: number for number, name in enumerate(dict.fromkeys(names))}


def numbers_of(names: Iterable[str], numbers: Mapping[str, int]) -> Indices:
    """The numbers of names, all of which have one."""
    return np.array([numbers[name] for name in names], dtype=np.intp)


def cells_at(array: Array, at: Mapping[Axis, Indices]) -> Any:
    """An index of a measure's cells in these rows and columns."""
    axes = array.keying.axes
    if axes[0] is Axis.DELAY:
        return (slice(None),)
    return np.ix_(*(at[axis] for axis in axes))


def add_saturated(sums: Ints, more: Ints, most: int) -> Ints:
    """Sums that stay at `most`."""
    return np.where(more > most - sums, most, sums + np.minimum(more, most - sums))
