"""Packed tables straight from the bytes in Redis: the same that `decode_table` makes, without wide arrays between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from policy.arrays import Indices
from streams.fold.deltas import TableKey
from streams.fold.measures import BLOCK, DELAY_BINS, ITEM_DIRECTORIES, PACKED, TABLE_ARRAYS, Array, Keying, Width
from streams.state.arrays.compiled import BUILT, kernel
from streams.state.arrays.directory import names_in
from streams.state.arrays.packed import OF_WIDTH, NameList, Packed, PackedCounts, pack
from streams.state.arrays.packed_value import decode_packed, has_arrays
from streams.state.arrays.sums import MOST, add_saturated
from streams.state.arrays.tables import TYPES, Table, blocks_for, shape_of

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
    merged = _Part(names.codes(packed.items), names.shared(packed.slots), packed.counts)
    if has_arrays(parts):
        merged = _added(merged, _of_arrays(parts, names, built), names, built)
    return merged.table(key, names)


class _Part(NamedTuple):
    """What is stored of a table in one way, with its items as numbers of a list of names."""

    codes: Indices
    slots: tuple[str, ...]
    counts: PackedCounts

    def table(self, key: TableKey, names: NameList) -> Table:
        buckets = range(key.bucket, key.bucket + 1)
        return Table(key.segment, buckets, key.traffic, names.coded(self.codes), self.slots, self.counts)


def _added(merged: _Part, late: _Part, names: NameList, built: bool) -> _Part:
    """The sum of both; arrays to which nothing is added stay as they are."""
    codes, (_, rows) = _joined([merged.codes, late.codes], len(names), built)
    slots = names.shared(tuple(dict.fromkeys((*merged.slots, *late.slots))))
    columns = np.array([slots.index(slot) for slot in late.slots], dtype=np.intp)
    at: dict[Keying, Any] = {
        Keying.ITEM_SLOT: np.ix_(rows, columns),
        Keying.ITEM: (rows,),
        Keying.SLOT: (columns,),
        Keying.DELAY: (slice(None),),
    }

    def arrays() -> Arrays:
        same = len(codes) == len(merged.codes) and len(slots) == len(merged.slots)
        for array in TABLE_ARRAYS:
            for name in array.names:
                if same and late.counts.packed(name) is None:
                    yield name, merged.counts.packed(name)
                    continue
                before, place = merged.counts[name], at[array.keying]
                sums = np.zeros(shape_of(array, len(codes), len(slots)), dtype=np.int64)
                sums[tuple(map(slice, before.shape))] = before
                sums[place] = add_saturated(sums[place], late.counts[name], MOST[array.width])
                yield name, pack(sums.ravel())

    return _Part(codes, slots, PackedCounts(len(codes), len(slots), arrays()))


def _of_arrays(parts: Parts, names: NameList, built: bool) -> _Part:
    """The plain arrays."""
    slots = names.shared(tuple(names_in(parts.get("slots"))))
    codes, rows = _joined([names.codes(parts.get(directory)) for directory in ITEM_DIRECTORIES], len(names), built)

    def places_of(array: Array) -> tuple[Indices, int]:
        """Where the rows of an array go, and of how many."""
        if array.keying in (Keying.ITEM_SLOT, Keying.ITEM):
            return rows[ITEM_DIRECTORIES.index(array.directories[0])], len(codes)
        size = len(slots) if array.keying is Keying.SLOT else DELAY_BINS
        return np.arange(size), size

    def arrays() -> Arrays:
        for array in TABLE_ARRAYS:
            of, size = places_of(array)
            if array.keying is Keying.ITEM_SLOT:
                one_pass = built and array.width is Width.COUNT
                if len(of) and slots:
                    cells = _cells_in_one_pass if one_pass else _cells
                    yield from cells(array, parts, len(of), len(codes), len(slots))
            elif stored := parts.get(array.name):
                one_pass = built and array.width is Width.SUM
                yield from (_numbers_in_one_pass if one_pass else _numbers)(array, stored, of, size)

    return _Part(codes, slots, PackedCounts(len(codes), len(slots), arrays()))


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
            at = None if places is None else np.frombuffer(places, OF_WIDTH[of_place])
            yield name, Packed(np.frombuffer(values, OF_WIDTH[width]), at)


def _filled(stored: bytes | None, size: int) -> bytes:
    """So many bytes at least: what was never written is 0."""
    stored = stored or b""
    return stored if len(stored) >= size else stored + bytes(size - len(stored))
