"""Tables added up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from policy.arrays import Ints
from streams.fold.measures import TABLE_ARRAYS, Keying, Width
from streams.state.arrays.tables import Table

MOST = {Width.COUNT: 2**32 - 1, Width.SUM: 2**63 - 1}


def add_tables(tables: Sequence[Table]) -> Table:
    """One table of all counts, which stay at their largest value; segment, buckets and traffic are the first's."""
    first = tables[0]
    items = {name: row for row, name in enumerate(dict.fromkeys(name for table in tables for name in table.items))}
    slots = {
        name: column for column, name in enumerate(dict.fromkeys(name for table in tables for name in table.slots))
    }
    total = Table.of(first.segment, first.bucket, first.traffic, tuple(items), tuple(slots))
    for table in tables:
        rows = np.array([items[name] for name in table.items], dtype=np.int64)
        columns = np.array([slots[name] for name in table.slots], dtype=np.int64)
        at: dict[Keying, Any] = {
            Keying.ITEM_SLOT: np.ix_(rows, columns),
            Keying.ITEM: (rows,),
            Keying.SLOT: (columns,),
            Keying.DELAY: (slice(None),),
        }
        for array in TABLE_ARRAYS:
            for name in array.names:
                sums, place = total.counts[name], at[array.keying]
                sums[place] = add_saturated(sums[place], table.counts[name], MOST[array.width])
    return Table(first.segment, first.buckets, first.traffic, total.items, total.slots, total.counts)


def add_saturated(sums: Ints, more: Ints, most: int) -> Ints:
    """Sums that stay at `most`."""
    return np.where(more > most - sums, most, sums + np.minimum(more, most - sums))
