"""Packed tables straight from the bytes in Redis: the same that `decode_table` makes, without wide arrays between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Indices
from streams.fold.deltas import TableKey
from streams.fold.measures import BLOCK, DELAY_BINS, TABLE_ARRAYS, Array, Keying
from streams.state.arrays.directory import names_in
from streams.state.arrays.packed import NameList, PackedCounts
from streams.state.arrays.tables import TYPES, Table, blocks_for

Parts = Mapping[str, bytes | None]
_LISTS = tuple(dict.fromkeys(array.directories[0] for array in TABLE_ARRAYS if array.directories))
"""The directories of items."""


def packed_table(key: TableKey, parts: Parts, names: NameList) -> Table:
    """The table that these parts are, as `decode_table` takes them, with its items as numbers of `names`."""
    slots = names.shared(tuple(names_in(parts.get("slots"))))
    listed = [names.codes(names_in(parts.get(directory))) for directory in _LISTS]
    codes, rows = _joined(listed, len(names))
    counts: dict[str, NDArray[Any]] = {}
    for array in TABLE_ARRAYS:
        if array.keying is Keying.ITEM_SLOT:
            of_item = rows[_LISTS.index(array.directories[0])]
            counts.update(_cells(array, parts, of_item, len(codes), len(slots)))
        elif stored := parts.get(array.name):
            of_item = rows[_LISTS.index(array.directories[0])] if array.directories else np.arange(DELAY_BINS)
            counts.update(_numbers(array, stored, of_item, len(codes) if array.directories else DELAY_BINS))
    packed = PackedCounts(len(codes), len(slots), counts)
    return Table(key.segment, range(key.bucket, key.bucket + 1), key.traffic, names.coded(codes), slots, packed)


def _joined(listed: Sequence[Indices], names: int) -> tuple[Indices, list[Indices]]:
    """All of some lists of numbers below `names`, the first's first, and where those of each list are."""
    codes, *others = listed
    rows = [np.arange(len(codes))]
    for more in others:
        place = np.full(names if len(more) else 0, -1, dtype=np.intp)
        if len(more):
            place[codes] = np.arange(len(codes))
            new = more[place[more] < 0]
            place[new] = np.arange(len(codes), len(codes) + len(new))
            codes = np.concatenate([codes, new]) if len(new) else codes
        rows.append(place[more])
    return codes, rows


def _cells(array: Array, parts: Parts, of_item: Indices, items: int, slots: int) -> Iterator[tuple[str, NDArray[Any]]]:
    """The measures of an array in blocks, [items, slots] each."""
    if not len(of_item) or not slots:
        return
    fields, dtype = len(array.measures), np.dtype(TYPES[array.width])
    # What a block has of an item is moved as a whole.
    stretch = np.dtype(f"V{BLOCK * fields * dtype.itemsize}")
    whole = np.zeros((items, blocks_for(slots)), dtype=stretch)
    for at in range(blocks_for(slots)):
        if stored := parts.get(f"{array.name}{at}"):
            whole[: len(of_item), at] = _read(stored, stretch, len(of_item))
    cells = whole.view(dtype).reshape(items, -1, fields)[:, :slots]
    for number, name in enumerate(array.names):
        yield name, cells[..., number].astype(dtype.newbyteorder("="))


def _numbers(array: Array, stored: bytes, of_item: Indices, size: int) -> Iterator[tuple[str, NDArray[Any]]]:
    """The measures of an array that is not in blocks, [size] each."""
    dtype, fields = np.dtype(TYPES[array.width]), len(array.measures)
    numbers = _read(stored, dtype, len(of_item) * fields).astype(dtype.newbyteorder("=")).reshape(-1, fields)
    for number, name in enumerate(array.names):
        whole = np.zeros(size, dtype=numbers.dtype)
        whole[of_item] = numbers[:, number]
        yield name, whole


def _read(stored: bytes, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    """So many numbers of what is stored, which may be longer; what was never written is 0."""
    if len(stored) < count * dtype.itemsize:
        stored += bytes(count * dtype.itemsize - len(stored))
    return np.frombuffer(stored, dtype=dtype, count=count)
