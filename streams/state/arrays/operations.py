"""A group's deltas as operations of the apply script.

Arrays are those of `streams.fold.measures`: uint32 for counts, int64 for sums.  A
number is at row * measures of the array + its place among them; in an array by item
and slot, which has blocks of four slots, at
(row * 4 + slot % 4) * measures + its place, in block slot // 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import msgspec

from streams.fold.deltas import GroupDelta, TableDelta, TableKey
from streams.fold.fast.path import BUILT
from streams.fold.measures import BINS, BLOCK, CELLS, TABLE_ARRAYS, Array, Keying, Width
from streams.state.arrays.directory import Directories, Directory
from streams.state.keys import GroupKeys, key_member, table_member

if TYPE_CHECKING or BUILT:
    from streams.fold.fast import compiled

if TYPE_CHECKING:
    from streams.fold.fast.compiled import Cells

_MEASURES = [(array, array.names) for array in TABLE_ARRAYS]
SHORT = 64
"""Names in a directory that the script reads and writes whole."""
EXACT = 1 << 52
"""Beyond this a number of Lua's may not be exact."""
_SUM = struct.Struct("<III").pack


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

    def _directory(self, kind: str, key: TableKey, copies: Directories) -> Directory:
        name = self._names.table(kind, key)
        directory = self.directories.get(name)
        if directory is None:
            directory = self.directories[name] = self._held.get(name) or copies.get(name, key.page, kind)
        return directory

    def _add_table(self, key: TableKey, table: TableDelta, copies: Directories) -> None:
        revision = self._names.table("revision", key)
        amounts, arrays = table.amounts, []
        for array, measures in _MEASURES:
            fast_events = table.fast_events if array is CELLS else None
            if fast_events or any(name in amounts for name in measures):
                directories = [self._directory(kind, key, copies) for kind in array.directories]
                arrays.append((array, [amounts.get(name, {}) for name in measures], fast_events, directories))
        # A directory that has names is of a table that is listed, and the script compares it.
        if not any(directory.stored for *_, directories in arrays for directory in directories):
            self._list_new(revision, key, "table")
        self.add("tick", revision)
        for array, counts, fast_events, directories in arrays:
            self._add_array(array, key, counts, fast_events, directories)

    def _add_array(
        self,
        array: Array,
        key: TableKey,
        counts: list[dict[Any, int]],
        fast_events: Cells | None,
        directories: Sequence[Directory],
    ) -> None:
        names = self._names
        if array.keying is Keying.ITEM_SLOT:
            pack = compiled.packed_cells if BUILT else packed_cells
            items, slots = directories
            for block, payload in pack(fast_events, counts, items, slots, BLOCK):
                self.add("count", names.table(f"{array.name}{block}", key), payload)
            return
        row_of = directories[0].row if directories else int
        cells = dict.fromkeys(chain.from_iterable(counts))
        columns = [map(some.get, cells, repeat(0)) for some in counts]
        self._add_rows(array, key, zip(map(row_of, cells), zip(*columns, strict=True), strict=True))

    def _add_bins(self, key: TableKey, bins: Mapping[int, list[int]]) -> None:
        self._list_new(self._names.table(BINS.name, key), key, BINS.name)
        self._add_rows(BINS, key, bins.items())

    def _add_rows(self, array: Array, key: TableKey, rows: Iterable[tuple[int, Sequence[int]]]) -> None:
        name, size = self._names.table(array.name, key), len(array.measures)
        if array.width is Width.SUM:
            sums = [(row, values) for row, values in sorted(rows)]
            most = max((max(values) for _, values in sums), default=0)
            self.add("sum" if most < EXACT else "wide", name, _packed_sums(sums, size))
        else:
            self.add("count", name, _pack({row * size + at: n for row, some in rows for at, n in enumerate(some) if n}))

    def _list_new(self, array: str, key: TableKey, kind: str) -> None:
        """Where `array` does not exist yet, the table is new to the index."""
        name = table_member(kind, key.page, key.segment, key.traffic)
        self.add("unless", array)
        buckets, index = self._names.listing(kind, key.bucket)
        self.add("join", buckets, str(key.bucket))
        self.add("join", index, name)


def packed_cells(
    cells: Cells | None, counts: list[dict[tuple[str, str], int]], items: Directory, slots: Directory, width: int
) -> list[tuple[int, bytes]]:
    """Counts as (block of `width` slots, payload); items and slots that are new get their rows on the way.

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


def _packed_sums(rows: Iterable[tuple[int, Sequence[int]]], width: int) -> bytes:
    """Places and sums likewise, each in two words; nothing where nothing is added."""
    return b"".join(
        _SUM(row * width + at, value >> 32, value & 0xFFFFFFFF)
        for row, values in rows
        for at, value in enumerate(values)
        if value
    )
