"""A table as the plain arrays that the apply script makes of its counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from policy.arrays import Ints
from streams.fold.measure import Array, Axis
from streams.fold.measures import BLOCK, TABLE_ARRAYS, blocks_for
from streams.state.arrays.directory import Directory
from streams.state.arrays.tables import TYPES, Table


def encode_table(table: Table) -> dict[str, bytes]:
    """The parts and blocks that hold the table's counts, by name; what holds no count is left out."""
    numbers = {array: np.stack([table.counts[name] for name in array.names], axis=-1) for array in TABLE_ARRAYS}
    counted: dict[str, Any] = {}
    for array in TABLE_ARRAYS:
        for axis, directory in enumerate(array.directories):
            other = tuple(at for at in range(numbers[array].ndim) if at != axis)
            counted[directory] = counted.get(directory, False) | numbers[array].any(axis=other)
    parts: dict[str, bytes] = {}
    for array in TABLE_ARRAYS:
        rows = numbers[array]
        if not rows.any():
            continue
        for axis, (directory, names) in enumerate(zip(array.directories, _names_of(array, table), strict=True)):
            listed = np.flatnonzero(counted[directory])
            parts[directory] = _directory([names[at] for at in listed.tolist()])
            rows = rows.take(listed, axis=axis)
        parts |= _blocks(array, rows) if len(array.keying.axes) > 1 else {array.name: _encode(array, rows)}
    return parts


def _names_of(array: Array, table: Table) -> Sequence[Sequence[str]]:
    """The names that the directories of an array list."""
    names = {Axis.ITEM: table.items, Axis.SLOT: table.slots, Axis.SHELF: table.shelves}
    return [names[axis] for axis in array.keying.axes if axis in names]


def _directory(names: Sequence[str]) -> bytes:
    directory = Directory()
    for name in names:
        directory.row(name)
    return directory.payload()[8:]


def _blocks(array: Array, numbers: Ints) -> dict[str, bytes]:
    """Rows by columns by measures, in blocks of columns."""
    count = blocks_for(numbers.shape[1])
    padded = np.zeros((numbers.shape[0], count * BLOCK, numbers.shape[2]), dtype=np.int64)
    padded[:, : numbers.shape[1]] = numbers
    return {f"{array.name}{at}": _encode(array, padded[:, at * BLOCK : (at + 1) * BLOCK]) for at in range(count)}


def _encode(array: Array, numbers: Ints) -> bytes:
    return numbers.astype(TYPES[array.width]).tobytes()
