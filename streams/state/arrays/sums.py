"""Tables added up, and a table as the bytes that Redis holds of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from policy.arrays import Ints
from streams.fold.measures import BLOCK, TABLE_ARRAYS, Array, Keying, Width
from streams.state.arrays.directory import Directory
from streams.state.arrays.tables import TYPES, Table, blocks_for

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
            Keying.DELAY: (slice(None),),
        }
        for array in TABLE_ARRAYS:
            for name in array.names:
                sums, place = total.counts[name], at[array.keying]
                sums[place] = _saturated(sums[place], table.counts[name], MOST[array.width])
    return Table(first.segment, first.buckets, first.traffic, total.items, total.slots, total.counts)


def _saturated(sums: Ints, more: Ints, most: int) -> Ints:
    return np.where(more > most - sums, most, sums + np.minimum(more, most - sums))


def encode_table(table: Table) -> dict[str, bytes]:
    """The parts and blocks that hold the table's counts, by name; what holds no count is left out."""
    parts: dict[str, bytes] = {}
    for array in TABLE_ARRAYS:
        numbers = np.stack([table.counts[name] for name in array.names], axis=-1)
        if not numbers.any():
            continue
        for axis, (directory, names) in enumerate(zip(array.directories, (table.items, table.slots), strict=False)):
            other = tuple(at for at in range(numbers.ndim) if at != axis)
            counted = np.flatnonzero(numbers.any(axis=other))
            parts[directory] = _directory([names[at] for at in counted.tolist()])
            numbers = numbers.take(counted, axis=axis)
        parts |= _blocks(array, numbers) if array.keying is Keying.ITEM_SLOT else {array.name: _encode(array, numbers)}
    return parts


def _directory(names: Sequence[str]) -> bytes:
    directory = Directory()
    for name in names:
        directory.row(name)
    return directory.payload()[8:]


def _blocks(array: Array, numbers: Ints) -> dict[str, bytes]:
    """Items by slots by measures, in blocks of slots."""
    count = blocks_for(numbers.shape[1])
    padded = np.zeros((numbers.shape[0], count * BLOCK, numbers.shape[2]), dtype=np.int64)
    padded[:, : numbers.shape[1]] = numbers
    return {f"{array.name}{at}": _encode(array, padded[:, at * BLOCK : (at + 1) * BLOCK]) for at in range(count)}


def _encode(array: Array, numbers: Ints) -> bytes:
    return numbers.astype(TYPES[array.width]).tobytes()
