"""A group's deltas as operations of the apply script.

Arrays: a table's impressions and clicks lie in blocks of four slots, `cells<k>`,
as uint32 at ((row * 4 + slot % 4) * 2) and the place after it.  `sales` holds
three int64 per sold item: conversions, revenue, sum of squared amounts.
`delays` holds 32 uint32; `bins` holds 256 rows of five int64: page views,
units, clicks, orders, revenue.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from streams.fold.deltas import GroupDelta, TableDelta, TableKey
from streams.fold.fast.path import BUILT
from streams.state.arrays.directory import Directory
from streams.state.keys import GroupKeys

if TYPE_CHECKING or BUILT:
    from streams.fold.fast import compiled

if TYPE_CHECKING:
    from streams.fold.fast.compiled import Cells

BLOCK = 4
SALE_FIELDS = 3
BIN_FIELDS = 5
_SUM = struct.Struct("<III").pack


class Directories:
    """The directories that a worker has met, of every group; the oldest are let go beyond `limit`."""

    def __init__(self, limit: int = 50_000) -> None:
        self._limit = limit
        self._known: dict[str, Directory] = {}

    def get(self, key: str) -> Directory:
        directory = self._known.get(key)
        if directory is None:
            if len(self._known) >= self._limit:
                del self._known[next(iter(self._known))]
            directory = self._known[key] = Directory()
        return directory

    def learn(self, key: str, content: bytes) -> None:
        """Take over what the script answered."""
        self._known[key] = Directory(content)

    def forget(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._known.pop(key, None)


class Operations:
    """The keys and the packed operations of one call of the apply script."""

    def __init__(self, keys: GroupKeys) -> None:
        self.keys: list[str] = []
        self._steps: list[Any] = []
        self._payloads: list[bytes] = []
        self.directories: dict[str, Directory] = {}
        self._names = keys
        self._places: dict[str, int] = {}

    def add(self, verb: str, key: str, payload: bytes | str = b"") -> None:
        """One operation; KEYS[1] is the watermark, so places begin at 2."""
        place = self._places.get(key)
        if place is None:
            self.keys.append(key)
            place = self._places[key] = len(self.keys) + 1
        content = payload.encode() if isinstance(payload, str) else payload
        self._steps += (verb, place, len(content))
        self._payloads.append(content)

    def packed(self) -> tuple[bytes, bytes]:
        """All operations and their payloads as two arguments: each argument costs a client as much as a step."""
        return msgspec.msgpack.encode(self._steps), b"".join(self._payloads)

    def key_at(self, place: int) -> str:
        """The key that the script calls KEYS[place]."""
        return self.keys[place - 2]

    def add_group(self, delta: GroupDelta, known: Directories) -> None:
        """All operations of a group's deltas."""
        for key, table in delta.tables.items():
            self._add_table(key, table, known)
        for key, bins in delta.bins.items():
            self._add_bins(key, bins)
        for name, directory in self.directories.items():
            self.add("name", name, directory.payload())

    def _directory(self, name: str, known: Directories) -> Directory:
        directory = self.directories[name] = known.get(name)
        return directory

    def _add_table(self, key: TableKey, table: TableDelta, known: Directories) -> None:
        names = self._names
        self._list_new(names.table("revision", key), key, "table")
        self.add("tick", names.table("revision", key))
        if table.impressions or table.clicks or table.fast_events:
            items = self._directory(names.table("items", key), known)
            slots = self._directory(names.table("slots", key), known)
            pack = compiled.packed_cells if BUILT else packed_cells
            for block, payload in pack(table.fast_events, table.impressions, table.clicks, items, slots, BLOCK):
                self.add("count", names.table(f"cells{block}", key), payload)
        if table.sales:
            sold = self._directory(names.table("sold", key), known)
            sums = _rows(((sold.row(item), sale) for item, sale in table.sales.items()), SALE_FIELDS)
            self.add("sum", names.table("sales", key), sums)
            self.add("count", names.table("delays", key), _pack(table.delays))

    def _add_bins(self, key: TableKey, bins: Mapping[int, list[int]]) -> None:
        array = self._names.table("bins", key)
        self._list_new(array, key, "bins")
        self.add("sum", array, _rows(bins.items(), BIN_FIELDS))

    def _list_new(self, array: str, key: TableKey, kind: str) -> None:
        """Where `array` does not exist yet, the table is new to the index."""
        name = orjson.dumps([kind, key.page, key.segment, int(key.traffic)])
        self.add("unless", array)
        self.add("join", self._names.buckets, str(key.bucket))
        self.add("join", self._names.index(key.bucket), name)


def packed_cells(
    cells: Cells | None,
    impressions: dict[tuple[str, str], int],
    clicks: dict[tuple[str, str], int],
    items: Directory,
    slots: Directory,
    width: int,
) -> list[tuple[int, bytes]]:
    """Counts as (block of `width` slots, payload); items and slots that are new get their rows on the way."""
    blocks: dict[int, dict[int, int]] = {}
    item_row, slot_row = items.row, slots.row
    for which, counts in ((0, impressions), (1, clicks), (0, cells.counted() if cells else {})):
        for (item, slot), count in counts.items():
            column = slot_row(slot)
            block = blocks.setdefault(column // width, {})
            place = (item_row(item) * width + column % width) * 2 + which
            block[place] = block.get(place, 0) + count
    return [(block, _pack(counts)) for block, counts in sorted(blocks.items())]


def _pack(counts: Mapping[int, int]) -> bytes:
    """Places and amounts, in the order that the script is fastest in."""
    flat = [number for pair in sorted(counts.items()) for number in pair]
    return struct.pack(f"<{len(flat)}I", *flat)


def _rows(rows: Iterable[tuple[int, list[int]]], width: int) -> bytes:
    return b"".join(
        _SUM(row * width + at, value >> 32, value & 0xFFFFFFFF)
        for row, values in sorted(rows)
        for at, value in enumerate(values)
        if value
    )
