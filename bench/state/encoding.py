"""Tables of counts to the bytes that Redis holds: the other way round than `streams.state.arrays.tables`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from policy.arrays import Ints
from streams.fold.measure import Array, Keying, Width
from streams.fold.measures import BINS, BLOCK, PACKED, TABLE_ARRAYS, blocks_for
from streams.state.arrays.directory import Directory
from streams.state.arrays.packed_value import encode_packed
from streams.state.arrays.tables import Table

STRETCH = 256
"""The script lengthens arrays by so many bytes."""
_TYPES = {Width.COUNT: ">u4", Width.SUM: ">i8"}


def table_parts(table: Table) -> dict[str, bytes]:
    """The parts of a table by name, as `decode_table` takes them; what is empty is left out."""
    return dict(part for array in TABLE_ARRAYS for part in _parts(array, table))


def merged_parts(table: Table) -> dict[str, bytes]:
    """The same where the table is one that workers have merged."""
    return {PACKED: encode_packed(table)} if table.items else {}


def bins_part(numbers: Ints) -> bytes:
    """The bins of a whole page, [256, 5]."""
    return _bytes(BINS, numbers)


def _parts(array: Array, table: Table) -> Iterator[tuple[str, bytes]]:
    numbers = np.stack([table.counts[name] for name in array.names], axis=-1)
    if not numbers.any():
        return
    if array.keying is Keying.ITEM_SLOT:
        items, slots = array.directories
        yield items, _directory(table.items)
        yield slots, _directory(table.slots)
        blocks = _blocks(array, numbers)
        for at, block in enumerate(blocks):
            yield f"{array.name}{at}", _padded(block.tobytes())
    elif array.keying is Keying.ITEM:
        listed = np.flatnonzero(numbers.any(axis=1))
        yield array.directories[0], _directory(tuple(table.items[at] for at in listed.tolist()))
        yield array.name, _bytes(array, numbers[listed])
    elif array.keying is Keying.SLOT:
        yield array.directories[0], _directory(table.slots)
        yield array.name, _bytes(array, numbers)
    else:
        yield array.name, _bytes(array, numbers)


def _blocks(array: Array, numbers: Ints) -> Any:
    """[blocks, items, BLOCK, measures] of numbers by item and slot, as they lie in Redis."""
    items, slots, measures = numbers.shape
    count = blocks_for(slots)
    whole = np.zeros((items, count * BLOCK, measures), dtype=_TYPES[array.width])
    whole[:, :slots] = numbers
    return np.ascontiguousarray(whole.reshape(items, count, BLOCK, measures).swapaxes(0, 1))


def _bytes(array: Array, numbers: Ints) -> bytes:
    return _padded(numbers.astype(_TYPES[array.width]).tobytes())


def _padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % STRETCH)


@lru_cache(maxsize=10_000)
def _directory(names: tuple[str, ...]) -> bytes:
    """The names as they are stored; a whole page's are asked for by many tables."""
    directory = Directory()
    for name in names:
        directory.row(name)
    # The payload begins with the token of an empty directory.
    return directory.payload()[8:]
