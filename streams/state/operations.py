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
from typing import Any

import orjson

from streams.fold.deltas import GroupDelta, TableDelta, TableKey
from streams.state.directory import Directory
from streams.state.keys import GroupKeys

BLOCK = 4
SALE_FIELDS = 3
BIN_FIELDS = 5
_PAIR = struct.Struct("<Iq").pack


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
    """The keys and arguments of one call of the apply script."""

    def __init__(self, keys: GroupKeys) -> None:
        self.keys: list[str] = []
        self.args: list[Any] = []
        self.directories: dict[str, Directory] = {}
        self._names = keys
        self._places: dict[str, int] = {}

    def add(self, verb: str, key: str, payload: bytes | str = b"") -> None:
        """One operation; KEYS[1] is the watermark, so places begin at 2."""
        place = self._places.get(key)
        if place is None:
            self.keys.append(key)
            place = self._places[key] = len(self.keys) + 1
        self.args += (verb, place, payload)

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
        if table.impressions or table.clicks:
            items = self._directory(names.table("items", key), known)
            slots = self._directory(names.table("slots", key), known)
            blocks: dict[int, list[int]] = {}
            _add_cells(blocks, table.impressions, items, slots, 0)
            _add_cells(blocks, table.clicks, items, slots, 1)
            for block, pairs in blocks.items():
                self.add("count", names.table(f"cells{block}", key), _pack(pairs))
        if table.sales:
            sold = self._directory(names.table("sold", key), known)
            sums = _rows(((sold.row(item), sale) for item, sale in table.sales.items()), SALE_FIELDS)
            self.add("sum", names.table("sales", key), sums)
            delays = [part for pair in table.delays.items() for part in pair]
            self.add("count", names.table("delays", key), _pack(delays))
        self._index(key, "table")

    def _add_bins(self, key: TableKey, bins: Mapping[int, list[int]]) -> None:
        self.add("sum", self._names.table("bins", key), _rows(bins.items(), BIN_FIELDS))
        self._index(key, "bins")

    def _index(self, key: TableKey, kind: str) -> None:
        name = orjson.dumps([kind, key.page, key.segment, int(key.traffic)])
        self.add("tick", self._names.table("revision", key))
        self.add("join", self._names.buckets, str(key.bucket))
        self.add("join", self._names.index(key.bucket), name)


def _add_cells(
    blocks: dict[int, list[int]], counts: Mapping[tuple[str, str], int], items: Directory, slots: Directory, which: int
) -> None:
    item_row, slot_row = items.row, slots.row
    for (item, slot), count in counts.items():
        column = slot_row(slot)
        pairs = blocks.setdefault(column // BLOCK, [])
        pairs += ((item_row(item) * BLOCK + column % BLOCK) * 2 + which, count)


def _pack(values: list[int]) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def _rows(rows: Iterable[tuple[int, list[int]]], width: int) -> bytes:
    return b"".join(_PAIR(row * width + at, value) for row, values in rows for at, value in enumerate(values) if value)
