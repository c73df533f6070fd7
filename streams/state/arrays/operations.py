"""A group's deltas as operations of the apply script.

Arrays are those of `streams.fold.measures`: uint32 for counts, int64 for sums.  A
number is at row * measures of the array + its place among them; in an array of two
axes, which has blocks of four columns, at
(row * 4 + column % 4) * measures + its place, in block column // 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from streams.fold.deltas import GroupDelta, TableDelta, TableKey
from streams.fold.fast.path import BUILT
from streams.fold.measure import Array, Width
from streams.fold.measures import BINS, BLOCK, CELLS, TABLE_ARRAYS, UNIT_ARRAYS
from streams.state.arrays.directory import Directories, Directory
from streams.state.keys import GroupKeys, key_member, place_of, table_member

if TYPE_CHECKING or BUILT:
    from streams.fold.fast import compiled

if TYPE_CHECKING:
    from streams.fold.fast.compiled import Cells

SHORT = 64
"""Names in a directory that the script reads and writes whole."""
EXACT = 1 << 20
"""The least high word of a number that Lua may not have exactly."""
_STORED = attrgetter("stored")


class Operations:
    """The keys and the packed operations of one call of the apply script.

    `directories` are those that an earlier call for the same deltas had, as the script told them.
    """

    def __init__(self, keys: GroupKeys, directories: Mapping[str, Directory] | None = None) -> None:
        self._steps: list[Any] = []
        self._payloads: list[bytes] = []
        self.directories: dict[str, Directory] = {}
        """Those that the call needs: the script refuses it where one holds other names."""
        self._held = directories or {}
        self._names = keys
        self._places: dict[str, int] = {}

    def add(self, verb: str, key: str, payload: bytes | str = b"") -> None:
        """One operation; KEYS[1] is the watermark, so places begin at 2."""
        place = self._places.setdefault(key, len(self._places) + 2)
        content = payload if isinstance(payload, bytes) else payload.encode()
        self._steps += (verb, place, len(content))
        self._payloads.append(content)

    def packed(self) -> tuple[bytes, bytes]:
        """All operations and their payloads as two arguments: each argument costs a client as much as a step."""
        return msgspec.msgpack.encode(self._steps), b"".join(self._payloads)

    @property
    def keys(self) -> list[str]:
        """The keys that the script calls KEYS[2] and so on."""
        return list(self._places)

    def add_group(self, delta: GroupDelta, copies: Directories) -> None:
        """All operations of a group's deltas."""
        for key, table in delta.tables.items():
            self._add_table(key, table, copies)
        for page, segment in dict.fromkeys((key.page, key.segment) for key in delta.tables):
            self.add("touch", self._names.revisions, key_member(page, segment))
        for key, bins in delta.bins.items():
            self._add_bins(key, bins)
        for name, directory in self.directories.items():
            self.add("short" if directory.used <= SHORT else "name", name, directory.payload())

    def _directory(self, kind: str, page: str, place: str, copies: Directories) -> Directory:
        name = self._names.placed(kind, place)
        directory = self.directories.get(name)
        if directory is None:
            directory = self.directories[name] = self._held.get(name) or copies.get(name, page, kind)
        return directory

    def _add_table(self, key: TableKey, table: TableDelta, copies: Directories) -> None:
        place, amounts, arrays = place_of(key), table.amounts, []
        for array in TABLE_ARRAYS if amounts else (CELLS,):
            fast_events = table.fast_events if array is CELLS else None
            if fast_events or not amounts.keys().isdisjoint(array.names):
                directories = [self._directory(kind, key.page, place, copies) for kind in array.directories]
                arrays.append((array, fast_events, directories))
        revision = self._names.placed("revision", place)
        # A directory that has names is of a table that is listed, and the script compares it.
        if not any(any(map(_STORED, directories)) for _, _, directories in arrays):
            self._list_new(revision, key, "table")
        self.add("tick", revision)
        for array, fast_events, directories in arrays:
            counts = [amounts.get(name, {}) for name in array.names]
            self._add_array(array, place, counts, fast_events, directories)

    def _add_array(
        self,
        array: Array,
        place: str,
        counts: list[dict[Any, int]],
        fast_events: Cells | None,
        directories: Sequence[Directory],
    ) -> None:
        if len(array.keying.axes) > 1 and array.width is Width.COUNT:
            pack = compiled.packed_cells if BUILT else packed_cells
            of_rows, of_columns = directories
            for block, payload in pack(fast_events, counts, of_rows, of_columns, BLOCK):
                self.add("count", self._names.placed(f"{array.name}{block}", place), payload)
            return
        if len(array.keying.axes) > 1:
            for name, cells in _sums_in_blocks(array, counts, *directories):
                self._add_rows(array, self._names.placed(name, place), cells)
            return
        row_of = directories[0].row if directories else int
        names = dict.fromkeys(chain.from_iterable(counts))
        columns = [map(some.get, names, repeat(0)) for some in counts]
        numbers = zip(map(row_of, names), zip(*columns, strict=True), strict=True)
        self._add_rows(array, self._names.placed(array.name, place), numbers)

    def _add_bins(self, key: TableKey, bins: Mapping[int, list[int]]) -> None:
        place = place_of(key)
        self._list_new(self._names.placed(BINS.name, place), key, BINS.name)
        first = 0
        for array in UNIT_ARRAYS:
            end = first + len(array.measures)
            rows = [(at, numbers[first:end]) for at, numbers in bins.items()]
            if array is BINS or any(any(some) for _, some in rows):
                self._add_rows(array, self._names.placed(array.name, place), rows)
            first = end

    def _add_rows(self, array: Array, name: str, rows: Iterable[tuple[int, Sequence[int]]]) -> None:
        """Add to the array, or the block, of this name the numbers of rows."""
        size = len(array.measures)
        if array.width is Width.SUM:
            sums = _in_words(rows, size)
            verb = "sum" if max(sums[1::3], default=0) < EXACT else "wide"
            self.add(verb, name, struct.pack(f"<{len(sums)}I", *sums))
        else:
            self.add("count", name, _pack({row * size + at: n for row, some in rows for at, n in enumerate(some) if n}))

    def _list_new(self, array: str, key: TableKey, kind: str) -> None:
        """Where `array` does not exist yet, the table is new to the index."""
        name = table_member(kind, key.page, key.segment, key.traffic)
        self.add("unless", array)
        buckets, index = self._names.listing(kind, key.bucket)
        self.add("join", buckets, str(key.bucket))
        self.add("join", index, name)


def _sums_in_blocks(
    array: Array, counts: list[dict[tuple[str, str], int]], rows: Directory, columns: Directory
) -> Iterator[tuple[str, list[tuple[int, list[int]]]]]:
    """The blocks of an array of two axes, each with the numbers of its cells."""
    blocks: dict[int, list[tuple[int, list[int]]]] = {}
    for row, column in dict.fromkeys(chain.from_iterable(counts)):
        block, at = divmod(columns.row(column), BLOCK)
        numbers = [amounts.get((row, column), 0) for amounts in counts]
        blocks.setdefault(block, []).append((rows.row(row) * BLOCK + at, numbers))
    return ((f"{array.name}{block}", cells) for block, cells in sorted(blocks.items()))


def packed_cells(
    cells: Cells | None, counts: list[dict[tuple[str, str], int]], items: Directory, slots: Directory, width: int
) -> list[tuple[int, bytes]]:
    """Counts as (block of `width` columns, payload); items and slots that are new get their rows on the way.

    `counts` has the cells of each measure of the array; those that the fast path counted belong to the first.
    """
    blocks: dict[int, dict[int, int]] = {}
    item_row, slot_row = items.row, slots.row
    for number, amounts in (*enumerate(counts), (0, cells.counted() if cells else {})):
        for (item, slot), amount in amounts.items():
            column = slot_row(slot)
            block = blocks.setdefault(column // width, {})
            place = (item_row(item) * width + column % width) * len(counts) + number
            block[place] = block.get(place, 0) + amount
    return [(block, _pack(numbers)) for block, numbers in sorted(blocks.items())]


def _pack(numbers: Mapping[int, int]) -> bytes:
    """Places and counts, in the order that the script is fastest in."""
    flat = [number for pair in sorted(numbers.items()) for number in pair]
    return struct.pack(f"<{len(flat)}I", *flat)


def _in_words(rows: Iterable[tuple[int, Sequence[int]]], width: int) -> list[int]:
    """Places and sums likewise, each sum in two words; nothing where nothing is added."""
    words: list[int] = []
    for row, values in sorted(rows):
        for place, value in enumerate(values, row * width):
            if value:
                words += (place, value >> 32, value & 0xFFFFFFFF)
    return words
