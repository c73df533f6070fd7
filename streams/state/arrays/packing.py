"""Packed tables straight from the bytes in Redis: the same that `decode_table` makes, without wide arrays between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from policy.arrays import Indices
from streams.fold.deltas import TableKey
from streams.fold.measure import Array, Axis, Width
from streams.fold.measures import BLOCK, DELAY_BINS, ITEM_DIRECTORIES, PACKED, TABLE_ARRAYS, blocks_for
from streams.state.arrays.compiled import BUILT, kernel
from streams.state.arrays.directory import names_in
from streams.state.arrays.packed import OF_WIDTH, NameList, Packed, PackedCounts, pack
from streams.state.arrays.packed_value import decode_packed, has_arrays
from streams.state.arrays.sums import MOST, add_saturated, cells_at, numbered, numbers_of
from streams.state.arrays.tables import TYPES, Table, shape_of

Parts = Mapping[str, bytes | None]
Arrays = Iterator[tuple[str, Packed | None]]


def packed_table(key: TableKey, parts: Parts, names: NameList, built: bool = BUILT) -> Table:
    """The table that these parts are, as `decode_table` takes them, with its items as numbers of `names`.

    `built` says whether the compiled code makes it, which gives the same sooner.
    """
    value = parts.get(PACKED)
    if value is None:
        return _of_arrays(parts, names, built).table(key, names)
    packed = decode_packed(key, value)
    labels = names.shared(packed.slots), names.shared(packed.shelves)
    merged = _Part(names.codes(packed.items), *labels, packed.counts)
    if has_arrays(parts):
        merged = _added(merged, _of_arrays(parts, names, built), names, built)
    return merged.table(key, names)


class _Part(NamedTuple):
    """What is stored of a table in one way, with its items as numbers of a list of names."""

    codes: Indices
    slots: tuple[str, ...]
    shelves: tuple[str, ...]
    counts: PackedCounts

    @property
    def size(self) -> tuple[int, int, int]:
        """How many items, slots and shelves it has."""
        return len(self.codes), len(self.slots), len(self.shelves)

    def table(self, key: TableKey, names: NameList) -> Table:
        buckets = range(key.bucket, key.bucket + 1)
        items = names.coded(self.codes)
        return Table(key.segment, buckets, key.traffic, items, self.slots, self.counts, self.shelves)


def _added(merged: _Part, late: _Part, names: NameList, built: bool) -> _Part:
    """The sum of both; arrays to which nothing is added stay as they are."""
    codes, (_, rows) = _joined([merged.codes, late.codes], len(names), built)
    slots, shelves = numbered((*merged.slots, *late.slots)), numbered((*merged.shelves, *late.shelves))
    size = len(codes), len(slots), len(shelves)
    at = {Axis.ITEM: rows, Axis.SLOT: numbers_of(late.slots, slots), Axis.SHELF: numbers_of(late.shelves, shelves)}

    def arrays() -> Arrays:
        for array in TABLE_ARRAYS:
            place = cells_at(array, at)
            for name in array.names:
                if size == merged.size and late.counts.packed(name) is None:
                    yield name, merged.counts.packed(name)
                    continue
                before = merged.counts[name]
                sums = np.zeros(shape_of(array, *size), dtype=np.int64)
                sums[tuple(map(slice, before.shape))] = before
                sums[place] = add_saturated(sums[place], late.counts[name], MOST[array.width])
                yield name, pack(sums.ravel())

    labels = names.shared(tuple(slots)), names.shared(tuple(shelves))
    return _Part(codes, *labels, PackedCounts(size, arrays()))


def _of_arrays(parts: Parts, names: NameList, built: bool) -> _Part:
    """The plain arrays."""
    slots, shelves = (names.shared(tuple(names_in(parts.get(kind)))) for kind in ("slots", "shelves"))
    codes, rows = _joined([names.codes(parts.get(directory)) for directory in ITEM_DIRECTORIES], len(names), built)

    def places_of(array: Array) -> tuple[Indices, int]:
        """Where the rows of an array go, and of how many."""
        axis = array.keying.axes[0]
        if axis is Axis.ITEM:
            return rows[ITEM_DIRECTORIES.index(array.directories[0])], len(codes)
        size = len(slots) if axis is Axis.SLOT else DELAY_BINS
        return np.arange(size), size

    def arrays() -> Arrays:
        for array in TABLE_ARRAYS:
            of, size = places_of(array)
            if len(array.keying.axes) > 1:
                one_pass = built and array.width is Width.COUNT
                columns = len(slots if array.keying.axes[1] is Axis.SLOT else shelves)
                if len(of) and columns:
                    cells = _cells_in_one_pass if one_pass else _cells
                    yield from cells(array, parts, len(of), size, columns)
            elif stored := parts.get(array.name):
                one_pass = built and array.width is Width.SUM
                yield from (_numbers_in_one_pass if one_pass else _numbers)(array, stored, of, size)

    return _Part(codes, slots, shelves, PackedCounts((len(codes), len(slots), len(shelves)), arrays()))


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


def _cells(array: Array, parts: Parts, rows: int, size: int, columns: int) -> Arrays:
    """The measures of an array in blocks, which has the first `rows` of all."""
    fields, dtype = len(array.measures), np.dtype(TYPES[array.width])
    # What a block has of a row is moved as a whole.
    stretch = np.dtype(f"V{BLOCK * fields * dtype.itemsize}")
    whole = np.zeros((size, blocks_for(columns)), dtype=stretch)
    for at in range(blocks_for(columns)):
        stored = parts.get(f"{array.name}{at}")
        whole[:rows, at] = np.frombuffer(_filled(stored, rows * stretch.itemsize), dtype=stretch, count=rows)
    cells = whole.view(dtype).reshape(size, -1, fields)[:, :columns]
    for number, name in enumerate(array.names):
        yield name, pack(cells[..., number].astype(dtype.newbyteorder("=")).ravel())


def _cells_in_one_pass(array: Array, parts: Parts, rows: int, size: int, columns: int) -> Arrays:
    """The same."""
    fields, count = len(array.measures), blocks_for(columns)
    stored = rows * BLOCK * fields * np.dtype(TYPES[array.width]).itemsize
    blocks = [_filled(parts.get(f"{array.name}{at}"), stored) for at in range(count)]
    return _of_bytes(array, kernel.cells(blocks, BLOCK, fields, rows, columns, size * columns))


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
            at = None if places is None else np.frombuffer(places, OF_WIDTH[of_place])
            yield name, Packed(np.frombuffer(values, OF_WIDTH[width]), at)


def _filled(stored: bytes | None, size: int) -> bytes:
    """So many bytes at least: what was never written is 0."""
    stored = stored or b""
    return stored if len(stored) >= size else stored + bytes(size - len(stored))
