"""Tables of counts as numpy arrays, from the bytes in Redis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from policy.arrays import Ints
from policy.assignment import BINS as UNIT_BINS
from streams.fold.deltas import TableKey, Traffic
from streams.fold.measure import Array, Axis, Width
from streams.fold.measures import (
    BLOCK,
    DELAY_BINS,
    DIRECTORIES,
    ITEM_DIRECTORIES,
    TABLE_ARRAYS,
    UNIT_ARRAYS,
    Blocks,
    blocks_for,
)
from streams.state.arrays.directory import names_in
from streams.state.keys import GroupKeys

TYPES = {Width.COUNT: ">u4", Width.SUM: ">i8"}


@dataclass(frozen=True, slots=True)
class Table:
    """The counts of one page, segment, span of buckets and traffic; it names all but its page.

    `buckets` are the starts of the time buckets whose counts it may hold, one or a span of them
    (`streams.fold.buckets`).  `counts` has an array for each measure of a table (`streams.fold.measures`), by its
    axes: [items, slots], [slots, shelves], [items, shelves], [items], [slots], or [32] by delay.  The properties name
    those that policies use; amounts are in minor units.
    """

    segment: str
    buckets: range
    traffic: Traffic
    items: Sequence[str]
    slots: tuple[str, ...]
    counts: Mapping[str, Ints]
    shelves: tuple[str, ...] = ()

    @staticmethod
    def of(
        segment: str,
        bucket: int,
        traffic: Traffic,
        items: Sequence[str],
        slots: Sequence[str],
        shelves: Sequence[str] = (),
        **counts: Ints,
    ) -> Table:
        """A table with these counts; measures that are not named are 0."""
        empty = {
            name: np.zeros(shape_of(array, len(items), len(slots), len(shelves)), dtype=np.int64)
            for array in TABLE_ARRAYS
            for name in array.names
        }
        buckets = range(bucket, bucket + 1)
        return Table(segment, buckets, traffic, tuple(items), tuple(slots), empty | counts, tuple(shelves))

    @property
    def bucket(self) -> int:
        """Where its buckets begin."""
        return self.buckets.start

    @property
    def impressions(self) -> Ints:
        return self.counts["impressions"]

    @property
    def clicks(self) -> Ints:
        return self.counts["clicks"]

    @property
    def conversions(self) -> Ints:
        return self.counts["conversions"]

    @property
    def revenue(self) -> Ints:
        """Of the conversions, capped."""
        return self.counts["revenue"]

    @property
    def squares(self) -> Ints:
        """Of the capped amounts, added up."""
        return self.counts["squares"]

    @property
    def delays(self) -> Ints:
        """Conversions by `streams.fold.deltas.delay_bin`."""
        return self.counts["delays"]

    @property
    def blocks(self) -> Blocks:
        """How many blocks its arrays take."""
        return Blocks.of(len(self.slots), len(self.shelves))


def shape_of(array: Array, items: int, slots: int, shelves: int) -> tuple[int, ...]:
    """The shape of one of its measures in a table with so many items, slots and shelves."""
    sizes = {Axis.ITEM: items, Axis.SLOT: slots, Axis.SHELF: shelves, Axis.DELAY: DELAY_BINS}
    return tuple(sizes[axis] for axis in array.keying.axes)


def decode_arrays(key: TableKey, parts: Mapping[str, bytes | None]) -> Table:
    """A table from its plain arrays, by name: directories, arrays, and blocks of those that are in blocks.

    Only rows of listed items count: cells are read a moment later and may hold rows
    of items that came since, which the items known by sales alone must not take.
    """
    directories = {name: names_in(parts.get(name)) for name in DIRECTORIES}
    row_of: dict[str, int] = {}
    for listing in ITEM_DIRECTORIES:
        for name in directories[listing]:
            row_of.setdefault(name, len(row_of))
    slots, shelves = directories["slots"], directories["shelves"]
    counts: dict[str, Ints] = {}
    for array in TABLE_ARRAYS:
        listed = directories[array.directories[0]] if array.directories else []
        shape = shape_of(array, len(row_of), len(slots), len(shelves))
        whole = np.zeros((*shape, len(array.measures)), dtype=np.int64)
        if len(shape) > 1:
            whole[: len(listed)] = _blocks(array, parts, len(listed), shape[1])
        elif array.keying.axes[0] is Axis.ITEM:
            whole[[row_of[name] for name in listed]] = decode_array(array, parts.get(array.name), len(listed))
        else:
            whole[:] = decode_array(array, parts.get(array.name), len(whole))
        counts |= {name: whole[..., number] for number, name in enumerate(array.names)}
    buckets = range(key.bucket, key.bucket + 1)
    return Table(key.segment, buckets, key.traffic, tuple(row_of), tuple(slots), counts, tuple(shelves))


def table_of(key: TableKey, amounts: Mapping[str, Mapping[Any, int]]) -> Table:
    """A table that holds these amounts: by measure and cell, as deltas have them."""
    numbers: dict[Axis, dict[Any, int]] = {axis: {} for axis in (Axis.ITEM, Axis.SLOT, Axis.SHELF)}
    for array in TABLE_ARRAYS:
        for name in array.names:
            for axis, cell in _cell_names(array, amounts.get(name, ())):
                numbers[axis].setdefault(cell, len(numbers[axis]))
    table = Table.of(key.segment, key.bucket, key.traffic, *map(tuple, numbers.values()))
    for array in TABLE_ARRAYS:
        for name in array.names:
            for cell, amount in amounts.get(name, {}).items():
                place = tuple(numbers[axis][part] for axis, part in _cell_names(array, [cell])) or cell
                table.counts[name][place] = amount
    return table


def _cell_names(array: Array, cells: Iterable[Any]) -> Iterator[tuple[Axis, Any]]:
    """The names that cells are keyed by, of an array that is keyed by names."""
    axes = array.keying.axes
    if axes[0] is not Axis.DELAY:
        for cell in cells:
            yield from zip(axes, cell if len(axes) > 1 else (cell,), strict=True)


def decode_bins(stored: Sequence[bytes | None] = ()) -> Ints:
    """[256, 6]: page views, units, clicks, orders, revenue and what of it went back, by bin of units.

    `stored` are the `UNIT_ARRAYS`; without them all is 0.
    """
    contents = stored or [None] * len(UNIT_ARRAYS)
    return np.hstack([decode_array(*each, UNIT_BINS) for each in zip(UNIT_ARRAYS, contents, strict=True)])


def bin_names(keys: GroupKeys, key: TableKey) -> list[str]:
    """The keys of the arrays that `decode_bins` takes."""
    return [keys.table(array.name, key) for array in UNIT_ARRAYS]


def decode_array(array: Array, stored: bytes | None, rows: int) -> Ints:
    """[rows, measures] of an array that is not in blocks; what was never written is 0."""
    fields = len(array.measures)
    numbers = np.zeros(rows * fields, dtype=np.int64)
    _fill(numbers, stored, TYPES[array.width])
    return numbers.reshape(rows, fields)


def _blocks(array: Array, parts: Mapping[str, bytes | None], rows: int, columns: int) -> Ints:
    """[rows, columns, measures] of an array in blocks."""
    fields, count = len(array.measures), blocks_for(columns)
    blocks = np.zeros((rows, count * BLOCK, fields), dtype=np.int64)
    for at in range(count):
        numbers = np.zeros(rows * BLOCK * fields, dtype=np.int64)
        _fill(numbers, parts.get(f"{array.name}{at}"), TYPES[array.width])
        blocks[:, at * BLOCK : (at + 1) * BLOCK] = numbers.reshape(rows, BLOCK, fields)
    return blocks[:, :columns]


def _fill(target: Ints, stored: bytes | None, dtype: str) -> None:
    width = np.dtype(dtype).itemsize
    content = (stored or b"")[: len(target) * width]
    content += b"\0" * (-len(content) % width)
    values = np.frombuffer(content, dtype=dtype)
    target[: len(values)] = values
