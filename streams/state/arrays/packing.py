"""Packed tables straight from the bytes in Redis: the same that `decode_table` makes, without wide arrays between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from policy.arrays import Indices
from streams.fold.deltas import TableKey
from streams.fold.measures import BLOCK, DELAY_BINS, TABLE_ARRAYS, Array, Keying, Width
from streams.state.arrays.compiled import BUILT, kernel
from streams.state.arrays.directory import names_in
from streams.state.arrays.packed import NameList, Packed, PackedCounts, narrowest, pack
from streams.state.arrays.tables import TYPES, Table, blocks_for

Parts = Mapping[str, bytes | None]
Arrays = Iterator[tuple[str, Packed | None]]
_OF_WIDTH = {width: narrowest(256**width - 1, 0) for width in (1, 2, 4, 8)}
_LISTS = tuple(dict.fromkeys(array.directories[0] for array in TABLE_ARRAYS if array.directories))
"""The directories of items."""


def packed_table(key: TableKey, parts: Parts, names: NameList, built: bool = BUILT) -> Table:
    """The table that these parts are, as `decode_table` takes them, with its items as numbers of `names`.

    `built` says whether the compiled code makes it, which gives the same sooner.
    """
    slots = names.shared(tuple(names_in(parts.get("slots"))))
    codes, rows = _joined([names.codes(parts.get(directory)) for directory in _LISTS], len(names), built)

    def arrays() -> Arrays:
        for array in TABLE_ARRAYS:
            of = rows[_LISTS.index(array.directories[0])] if array.directories else np.arange(DELAY_BINS)
            if array.keying is Keying.ITEM_SLOT:
                one_pass = built and array.width is Width.COUNT
                if len(of) and slots:
                    cells = _cells_in_one_pass if one_pass else _cells
                    yield from cells(array, parts, len(of), len(codes), len(slots))
            elif stored := parts.get(array.name):
                one_pass = built and array.width is Width.SUM
                size = len(codes) if array.directories else DELAY_BINS
                yield from (_numbers_in_one_pass if one_pass else _numbers)(array, stored, of, size)

    counts = PackedCounts(len(codes), len(slots), arrays())
    return Table(key.segment, range(key.bucket, key.bucket + 1), key.traffic, names.coded(codes), slots, counts)


def _joined(listed: Sequence[Indices], names: int, built: bool) -> tuple[Indices, list[Indices]]:
    """All of some lists of numbers below `names`, the first's first, and where those of each list are."""
    codes, *others = listed
    rows = [np.arange(len(codes))]
    for more in others:
        if built:
            codes, places = kernel.joined(codes, more, names)
            rows.append(places)
            continue
        place = np.full(names if len(more) else 0, -1, dtype=np.intp)
        if len(more):
            place[codes] = np.arange(len(codes))
            new = more[place[more] < 0]
            place[new] = np.arange(len(codes), len(codes) + len(new))
            codes = np.concatenate([codes, new]) if len(new) else codes
        rows.append(place[more])
    return codes, rows


def _cells(array: Array, parts: Parts, rows: int, items: int, slots: int) -> Arrays:
    """The measures of an array in blocks, which has the first `rows` of the items."""
    fields, dtype = len(array.measures), np.dtype(TYPES[array.width])
    # What a block has of an item is moved as a whole.
    stretch = np.dtype(f"V{BLOCK * fields * dtype.itemsize}")
    whole = np.zeros((items, blocks_for(slots)), dtype=stretch)
    for at in range(blocks_for(slots)):
        stored = parts.get(f"{array.name}{at}")
        whole[:rows, at] = np.frombuffer(_filled(stored, rows * stretch.itemsize), dtype=stretch, count=rows)
    cells = whole.view(dtype).reshape(items, -1, fields)[:, :slots]
    for number, name in enumerate(array.names):
        yield name, pack(cells[..., number].astype(dtype.newbyteorder("=")).ravel())


def _cells_in_one_pass(array: Array, parts: Parts, rows: int, items: int, slots: int) -> Arrays:
    """The same."""
    fields, count = len(array.measures), blocks_for(slots)
    size = rows * BLOCK * fields * np.dtype(TYPES[array.width]).itemsize
    blocks = [_filled(parts.get(f"{array.name}{at}"), size) for at in range(count)]
    return _of_bytes(array, kernel.cells(blocks, BLOCK, fields, rows, slots, items * slots))


def _numbers(array: Array, stored: bytes, of_row: Indices, size: int) -> Arrays:
    """The measures of an array that is not in blocks, each of so many numbers; its rows are some of these."""
    dtype, fields = np.dtype(TYPES[array.width]), len(array.measures)
    count = len(of_row) * fields
    numbers = np.frombuffer(_filled(stored, count * dtype.itemsize), dtype=dtype, count=count).reshape(-1, fields)
    for number, name in enumerate(array.names):
        whole = np.zeros(size, dtype=dtype.newbyteorder("="))
        whole[of_row] = numbers[:, number]
        yield name, pack(whole)


def _numbers_in_one_pass(array: Array, stored: bytes, of_row: Indices, size: int) -> Arrays:
    """The same, of sums."""
    fields = len(array.measures)
    stored = _filled(stored, len(of_row) * fields * np.dtype(TYPES[array.width]).itemsize)
    return _of_bytes(array, kernel.sums(stored, fields, of_row, size))


def _of_bytes(array: Array, packed: Iterable[tuple[bytes, int, bytes | None, int] | None]) -> Arrays:
    """The measures of an array as the compiled code packs them."""
    for name, content in zip(array.names, packed, strict=True):
        if content is None:
            yield name, None
        else:
            values, width, places, of_place = content
            at = None if places is None else np.frombuffer(places, _OF_WIDTH[of_place])
            yield name, Packed(np.frombuffer(values, _OF_WIDTH[width]), at)


def _filled(stored: bytes | None, size: int) -> bytes:
    """So many bytes at least: what was never written is 0."""
    stored = stored or b""
    return stored if len(stored) >= size else stored + bytes(size - len(stored))
