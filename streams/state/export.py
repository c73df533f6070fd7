"""The canonical export: what the state says, in an order that depends on nothing else.

Two states over the same stretch of log give the same bytes, whatever happened
while they were built.  Rows of zeros, row numbers, watermarks and expired
buckets are left out.  Each line is a JSON array that begins with its kind:

    ["cell",  page, segment, bucket, traffic, item, slot, impressions, clicks]
    ["sale",  page, segment, bucket, traffic, item, conversions, revenue, squares]
    ["delay", page, segment, bucket, traffic, bin, conversions]
    ["bin",   page, bucket, traffic, bin, views, units, clicks, orders, revenue]
    ["quota", topic, partition, bucket, names, checksum]
    ["tally", topic, partition, verdict, records]
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO
from zlib import crc32

import numpy as np
import orjson

from streams.fold.deltas import TableKey
from streams.fold.measures import BINS, TABLE_ARRAYS, Array, Keying
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings
from streams.state.arrays.tables import Table, decode_bins
from streams.state.connection.errors import translate_errors
from streams.state.expiry import is_expired, reached
from streams.state.keys import GroupKeys, home_group
from streams.state.manifest import Manifest
from streams.state.reader import read_tables, scan_table_keys
from streams.state.sorted_rows import SortedRows
from streams.state.store import Store

Row = list[Any]
TABLES_AT_ONCE = 100
CSV_COLUMNS = (
    *("page", "segment", "bucket", "item", "slot"),
    *(measure.name for array in TABLE_ARRAYS for measure in array.measures if measure.in_csv),
)


async def rows(store: Store, manifest: Manifest) -> list[Row]:
    """All rows of the canonical export, sorted, in memory."""
    return sorted([row async for some in unsorted_rows(store, manifest) for row in some])


async def unsorted_rows(store: Store, manifest: Manifest) -> AsyncIterator[list[Row]]:
    """All rows of the canonical export in no order, some at a time.

    Memory does not grow with the number of tables.  A row may come twice while Redis makes room in its sets.
    """
    fold = FoldSettings.model_validate(manifest.fold)
    partitions = [TopicPartition(topic, p) for topic, starts in manifest.starts.items() for p in range(len(starts))]
    append_time = max([await reached(store, group, partitions) for group in range(store.groups)], default=0)
    for keys in store.keys:
        async for kind, listed in scan_table_keys(store.redis, keys, TABLES_AT_ONCE):
            unexpired = [key for key in listed if not is_expired(key.bucket, append_time, fold)]
            if kind == BINS.name:
                yield await _bin_rows(store, keys, unexpired)
            else:
                tables = await read_tables(store.redis.mget, keys, unexpired)
                yield [row for pair in zip(unexpired, tables, strict=True) for row in table_rows(*pair)]
    for tp in partitions:
        yield await _partition_rows(store, tp, append_time, fold)


def lines(canonical: Iterable[Row]) -> Iterator[bytes]:
    """The export as JSON lines."""
    return (orjson.dumps(row) + b"\n" for row in canonical)


def digest(canonical: Iterable[Row]) -> str:
    """SHA-256 of the export, which is sorted."""
    return counted_digest(canonical)[0]


def counted_digest(canonical: Iterable[Row]) -> tuple[str, int]:
    """SHA-256 of the export, and how many rows it has."""
    checksum, rows = sha256(), 0
    for rows, line in enumerate(lines(canonical), start=1):  # noqa: B007
        checksum.update(line)
    return checksum.hexdigest(), rows


def write_csv(canonical: Iterable[Row], target: TextIO) -> None:
    """The counts as CSV, all traffic together; what is known by item alone has an empty slot."""
    columns = CSV_COLUMNS[5:]
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    with TemporaryDirectory(prefix="reshelf-export-") as folder:
        cells = SortedRows(Path(folder))
        cells.add(_csv_cells(canonical))
        for key, group in groupby(cells, key=lambda cell: cell[:5]):
            counts = Counter[str]()
            for cell in group:
                counts.update(cell[-1])
            writer.writerow([*key, *(counts[name] for name in columns)])


def _csv_cells(canonical: Iterable[Row]) -> Iterator[Row]:
    """Page, segment, bucket, item and slot, what tells rows of them apart, and their counts by name."""
    arrays = {array.row: array for array in TABLE_ARRAYS if any(measure.in_csv for measure in array.measures)}
    for kind, page, segment, bucket, *row in canonical:
        if array := arrays.get(kind):
            traffic, *cell = row[: -len(array.measures)]
            item, slot = cell if array.keying is Keying.ITEM_SLOT else (*cell, "")
            counts = dict(zip(array.names, row[-len(array.measures) :], strict=True))
            yield [page, segment, bucket, item, slot, kind, traffic, counts]


def table_rows(key: TableKey, table: Table) -> Iterator[Row]:
    """The rows of one table."""
    place = [key.page, key.segment, key.bucket, int(key.traffic)]
    for array in TABLE_ARRAYS:
        numbers = np.stack([table.counts[name] for name in array.names], axis=-1)
        for cell in np.argwhere(numbers.any(axis=-1)).tolist():
            yield [array.row, *place, *_cell_name(array, table, cell), *numbers[tuple(cell)].tolist()]


def _cell_name(array: Array, table: Table, cell: Sequence[int]) -> list[Any]:
    """The names that a cell's indices stand for."""
    if array.keying is Keying.DELAY:
        return list(cell)
    return [names[at] for names, at in zip((table.items, table.slots), cell, strict=False)]


async def _bin_rows(store: Store, keys: GroupKeys, bins: list[TableKey]) -> list[Row]:
    if not bins:
        return []
    stored = await translate_errors(lambda: store.redis.mget([keys.table(BINS.name, key) for key in bins]))
    bin_rows: list[Row] = []
    for key, content in zip(bins, stored, strict=True):
        counts = decode_bins(content)
        for (at,) in np.argwhere(counts.any(axis=1)).tolist():
            bin_rows.append([BINS.row, key.page, key.bucket, int(key.traffic), at, *counts[at].tolist()])
    return bin_rows


async def _partition_rows(store: Store, tp: TopicPartition, append_time: int, fold: FoldSettings) -> list[Row]:
    keys = store.keys[home_group(tp, store.groups)]
    tally = await translate_errors(lambda: store.redis.hgetall(keys.tally(tp)))
    partition_rows = [["tally", tp.topic, tp.partition, verdict.decode(), int(n)] for verdict, n in tally.items()]
    for bucket, codes in (await store.quota(tp)).items():
        if not is_expired(bucket, append_time, fold):
            names = np.unique(np.frombuffer(codes, dtype="<u4"))
            partition_rows.append(["quota", tp.topic, tp.partition, bucket, len(names), crc32(names.tobytes())])
    return partition_rows
