"""Tables of counts as numpy arrays, from the bytes in Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from policy.arrays import Ints
from policy.assignment import BINS as UNIT_BINS
from streams.fold.deltas import TableKey, Traffic
from streams.fold.measures import (
    BLOCK,
    DELAY_BINS,
    DIRECTORIES,
    ITEM_DIRECTORIES,
    TABLE_ARRAYS,
    UNIT_ARRAYS,
    Array,
    Keying,
    Width,
)
from streams.state.arrays.directory import names_in
from streams.state.keys import GroupKeys

TYPES = {Width.COUNT: ">u4", Width.SUM: ">i8"}


@dataclass(frozen=True, slots=True)
class Table:
    """The counts of one page, segment, span of buckets and traffic; it names all but its page.

    `buckets` are the starts of the time buckets whose counts it may hold, one or a span of them
    (`streams.fold.buckets`).  `counts` has an array for each measure of a table (`streams.fold.measures`): by item and
    slot [items, slots], by item [items], by slot [slots], by delay [32].  The properties name those that
    policies use; amounts are in minor units.
    """

    segment: str
    buckets: range
    traffic: Traffic
    items: Sequence[str]
    slots: tuple[str, ...]
    counts: Mapping[str, Ints]

    @staticmethod
    def of(
        segment: str, bucket: int, traffic: Traffic, items: Sequence[str], slots: Sequence[str], **counts: Ints
    ) -> Table:
        """A table with these counts; measures that are not named are 0."""
        empty = {
            name: np.zeros(shape_of(array, len(items), len(slots)), dtype=np.int64)
            for array in TABLE_ARRAYS
            for name in array.names
        }
        return Table(segment, range(bucket, bucket + 1), traffic, tuple(items), tuple(slots), empty | counts)

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


def shape_of(array: Array, items: int, slots: int) -> tuple[int, ...]:
    """The shape of one of its measures in a table with so many items and slots."""
    if array.keying is Keying.ITEM_SLOT:
        return items, slots
    return ({Keying.ITEM: items, Keying.SLOT: slots, Keying.DELAY: DELAY_BINS}[array.keying],)


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
    slots = directories["slots"]
    counts: dict[str, Ints] = {}
    for array in TABLE_ARRAYS:
        listed = directories[array.directories[0]] if array.directories else []
        whole = np.zeros((*shape_of(array, len(row_of), len(slots)), len(array.measures)), dtype=np.int64)
        if array.keying is Keying.ITEM_SLOT:
            whole[: len(listed)] = _blocks(array, parts, len(listed), len(slots))
        elif array.keying is Keying.ITEM:
            whole[[row_of[name] for name in listed]] = decode_array(array, parts.get(array.name), len(listed))
        else:
            whole[:] = decode_array(array, parts.get(array.name), len(whole))
        counts |= {name: whole[..., number] for number, name in enumerate(array.names)}
    return Table(key.segment, range(key.bucket, key.bucket + 1), key.traffic, tuple(row_of), tuple(slots), counts)


def table_of(key: TableKey, amounts: Mapping[str, Mapping[Any, int]]) -> Table:
    """A table that holds these amounts: by measure and cell, as deltas have them."""
    names: dict[Keying, list[Any]] = {}
    for array in TABLE_ARRAYS:
        for name in array.names:
            names.setdefault(array.keying, []).extend(amounts.get(name, ()))
    cells = names[Keying.ITEM_SLOT]
    items = {item: row for row, item in enumerate(dict.fromkeys([*(cell[0] for cell in cells), *names[Keying.ITEM]]))}
    listed = dict.fromkeys([*(cell[1] for cell in cells), *names[Keying.SLOT]])
    slots = {slot: column for column, slot in enumerate(listed)}
    table = Table.of(key.segment, key.bucket, key.traffic, tuple(items), tuple(slots))
    for array in TABLE_ARRAYS:
        for name in array.names:
            for cell, amount in amounts.get(name, {}).items():
                table.counts[name][_place(array, cell, items, slots)] = amount
    return table


def _place(array: Array, cell: Any, items: Mapping[str, int], slots: Mapping[str, int]) -> Any:
    if array.keying is Keying.ITEM_SLOT:
        return items[cell[0]], slots[cell[1]]
    names = {Keying.ITEM: items, Keying.SLOT: slots}.get(array.keying)
    return cell if names is None else names[cell]


def blocks_for(slots: int) -> int:
    """How many blocks an array by item and slot has in a table with `slots` slots."""
    return -(-slots // BLOCK)


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


def _blocks(array: Array, parts: Mapping[str, bytes | None], rows: int, slots: int) -> Ints:
    """[rows, slots, measures] of an array in blocks."""
    fields = len(array.measures)
    blocks = np.zeros((rows, blocks_for(slots) * BLOCK, fields), dtype=np.int64)
    for at in range(blocks_for(slots)):
        numbers = np.zeros(rows * BLOCK * fields, dtype=np.int64)
        _fill(numbers, parts.get(f"{array.name}{at}"), TYPES[array.width])
        blocks[:, at * BLOCK : (at + 1) * BLOCK] = numbers.reshape(rows, BLOCK, fields)
    return blocks[:, :slots]


def _fill(target: Ints, stored: bytes | None, dtype: str) -> None:
    width = np.dtype(dtype).itemsize
    content = (stored or b"")[: len(target) * width]
    content += b"\0" * (-len(content) % width)
    values = np.frombuffer(content, dtype=dtype)
    target[: len(values)] = values
