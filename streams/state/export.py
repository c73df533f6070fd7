"""The canonical export: what the state says, in an order that depends on nothing else.

Two states over the same stretch of log give the same bytes, whatever happened
while they were built.  Rows of zeros, row numbers, watermarks and expired
buckets are left out.  Each line is a JSON array that begins with its kind:

    ["cell",  page, segment, bucket, buckets, traffic, item, slot, impressions, clicks]
    ["sale",  page, segment, bucket, buckets, traffic, item, conversions, revenue, squares]
    ["delay", page, segment, bucket, buckets, traffic, bin, conversions]
    ["visible", page, segment, bucket, buckets, traffic, slot, timed, visible_ms]
    ["bin",   page, bucket, traffic, bin, views, units, clicks, orders, revenue]
    ["quota", topic, partition, bucket, names, checksum]
    ["tally", topic, partition, verdict, records]

Counts are those of whole spans of buckets (`streams.fold.buckets`): `bucket` is where one
begins, `buckets` how many it has, by the time of the log and whatever was merged in Redis.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from heapq import merge
from itertools import groupby, islice
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, TextIO
from zlib import crc32

import numpy as np
import orjson

from policy.assignment import BINS as UNIT_BINS
from schemas.topics import BY_NAME
from streams.fold.buckets import is_expired, is_span_expired, span_of
from streams.fold.deltas import TableKey
from streams.fold.judge import bucket_of
from streams.fold.measure import Array, Axis, Keying
from streams.fold.measures import BINS, TABLE_ARRAYS, UNIT_ARRAYS, open_ms
from streams.fold.names.name_codes import distinct
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings
from streams.sorted_rows import SortedRows
from streams.state.arrays.sums import MOST
from streams.state.arrays.tables import Table, bin_names, decode_array
from streams.state.connection.errors import translate_errors
from streams.state.expiry import reached
from streams.state.keys import GroupKeys, home_group
from streams.state.manifest import Manifest
from streams.state.reading.tables import read_tables, table_keys_by_bucket
from streams.state.store import Store

Row = list[Any]
TABLES_AT_ONCE = 100
ARRAYS = {array.row: array for array in TABLE_ARRAYS}
CSV_COLUMNS = (
    *("page", "segment", "bucket", "buckets", "item", "slot"),
    *(measure.name for array in TABLE_ARRAYS for measure in array.measures if measure.in_csv),
)


async def log_time(store: Store, manifest: Manifest) -> int:
    """The largest append time that any group has passed, milliseconds."""
    partitions = _partitions(manifest)
    return max([await reached(store, group, partitions) for group in range(store.groups)], default=0)


async def rows(store: Store, manifest: Manifest, append_time: int | None = None) -> list[Row]:
    """As `sorted_rows`, in memory."""
    with TemporaryDirectory(prefix="reshelf-state-") as folder:
        return list(await sorted_rows(store, manifest, Path(folder), append_time))


async def sorted_rows(store: Store, manifest: Manifest, folder: Path, append_time: int | None = None) -> Iterable[Row]:
    """All rows of the canonical export, sorted; as of a later time of the log than its own where one is named.

    They lie in files in `folder`: memory holds the names of one group's tables in one bucket, and counts of a
    hundred tables.  Raises `StateAttention` where a newer version of Reshelf made the namespace.
    """
    fold = manifest.export_settings()
    while True:
        at = max(append_time or 0, await log_time(store, manifest))
        inner = Path(mkdtemp(dir=folder))
        export = await _sorted_rows(store, manifest, inner, at, fold)
        if bucket_of(max(at, await log_time(store, manifest)), fold.bucket_ms) == bucket_of(at, fold.bucket_ms):
            return export
        rmtree(inner)


async def _sorted_rows(
    store: Store, manifest: Manifest, folder: Path, append_time: int, fold: FoldSettings
) -> Iterable[Row]:
    rest, groups = SortedRows(Path(mkdtemp(dir=folder))), list[SortedRows]()
    for keys in store.keys:
        groups.append(await _count_rows(store, keys, append_time, fold, folder))
        async for listed in table_keys_by_bucket(store.redis, keys, BINS.name):
            for bins in _some(key for key in listed if not is_expired(key.bucket, append_time, fold)):
                rest.add(await _bin_rows(store, keys, bins))
    for tp in _partitions(manifest):
        rest.add(await _partition_rows(store, tp, append_time, fold))
    rest.compact()
    return _Export(rest, groups)


def _partitions(manifest: Manifest) -> list[TopicPartition]:
    return [TopicPartition(topic, p) for topic, starts in manifest.starts.items() for p in range(len(starts))]


async def _count_rows(store: Store, keys: GroupKeys, append_time: int, fold: FoldSettings, folder: Path) -> SortedRows:
    """The rows of all tables of a group by span, read while none was merged; those of one cell are yet to be added."""
    while True:
        counts = SortedRows(Path(mkdtemp(dir=folder)))
        merges = await translate_errors(lambda: store.redis.get(keys.merges))
        async for listed in table_keys_by_bucket(store.redis, keys, "table"):
            for tables in _some(key for key in listed if not is_span_expired(key.bucket, append_time, fold)):
                contents = await read_tables(store.redis.mget, keys, tables)
                for key, table in zip(tables, contents, strict=True):
                    span = span_of(key.bucket, append_time, fold)
                    counts.add(table_rows(key._replace(bucket=span.start), replace(table, buckets=span)))
        if merges == await translate_errors(lambda: store.redis.get(keys.merges)):
            counts.compact()
            return counts


class _Export:
    """The rows of all groups in order, as often as they are asked for."""

    def __init__(self, others: SortedRows, groups: Sequence[SortedRows]) -> None:
        self._others = others
        self._groups = groups

    def __iter__(self) -> Iterator[Row]:
        return merge(self._others, *map(_added, self._groups))


def _added(counts: Iterable[Row]) -> Iterator[Row]:
    """Sorted rows of tables with those of one cell added up: counts stay at their largest value."""
    for (kind, *_), group in groupby(counts, key=lambda row: row[: -len(ARRAYS[row[0]].measures)]):
        array = ARRAYS[kind]
        several = list(group)
        place, most = len(array.measures), MOST[array.width]
        numbers = zip(*(row[-place:] for row in several), strict=True)
        yield [*several[0][:-place], *(min(sum(column), most) for column in numbers)]


def _some(keys: Iterable[TableKey]) -> Iterator[list[TableKey]]:
    listed = iter(keys)
    while tables := list(islice(listed, TABLES_AT_ONCE)):
        yield tables


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
    columns = CSV_COLUMNS[6:]
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    with TemporaryDirectory(prefix="reshelf-export-") as folder:
        cells = SortedRows(Path(folder))
        cells.add(_csv_cells(canonical))
        for key, group in groupby(cells, key=lambda cell: cell[:6]):
            counts = Counter[str]()
            for cell in group:
                counts.update(cell[-1])
            writer.writerow([*key, *(counts[name] for name in columns)])


def _csv_cells(canonical: Iterable[Row]) -> Iterator[Row]:
    """Page, segment, bucket, buckets, item and slot, what tells rows of them apart, and their counts by name."""
    for kind, *place, row in ((*some[:5], some[5:]) for some in canonical):
        array = ARRAYS.get(kind)
        if array and any(measure.in_csv for measure in array.measures):
            traffic, *cell = row[: -len(array.measures)]
            item, slot = cell if array.keying is Keying.ITEM_SLOT else (*cell, "")
            counts = dict(zip(array.names, row[-len(array.measures) :], strict=True))
            yield [*place, item, slot, kind, traffic, counts]


def table_rows(key: TableKey, table: Table) -> Iterator[Row]:
    """The rows of one table."""
    place = [key.page, key.segment, key.bucket, len(table.buckets), int(key.traffic)]
    for array in TABLE_ARRAYS:
        numbers = np.stack([table.counts[name] for name in array.names], axis=-1)
        for cell in np.argwhere(numbers.any(axis=-1)).tolist():
            yield [array.row, *place, *_cell_name(array, table, cell), *numbers[tuple(cell)].tolist()]


def _cell_name(array: Array, table: Table, cell: Sequence[int]) -> list[Any]:
    """The names that a cell's indices stand for."""
    if array.keying is Keying.DELAY:
        return list(cell)
    names = {Axis.ITEM: table.items, Axis.SLOT: table.slots, Axis.SHELF: table.shelves}
    return [names[axis][at] for axis, at in zip(array.keying.axes, cell, strict=True)]


async def _bin_rows(store: Store, keys: GroupKeys, bins: list[TableKey]) -> list[Row]:
    if not bins:
        return []
    names = [name for key in bins for name in bin_names(keys, key)]
    stored = iter(await translate_errors(lambda: store.redis.mget(names)))
    bin_rows: list[Row] = []
    for key in bins:
        for array in UNIT_ARRAYS:
            counts = decode_array(array, next(stored), UNIT_BINS)
            for (at,) in np.argwhere(counts.any(axis=1)).tolist():
                bin_rows.append([array.row, key.page, key.bucket, int(key.traffic), at, *counts[at].tolist()])
    return bin_rows


async def _partition_rows(store: Store, tp: TopicPartition, append_time: int, fold: FoldSettings) -> list[Row]:
    keys = store.keys[home_group(tp, store.groups)]
    tally = await translate_errors(lambda: store.redis.hgetall(keys.tally(tp)))
    partition_rows = [["tally", tp.topic, tp.partition, verdict.decode(), int(n)] for verdict, n in tally.items()]
    for bucket, codes in (await store.quota(tp)).items():
        if not fold.bucket_ms or bucket + open_ms(BY_NAME[tp.topic], fold) >= append_time:
            names = distinct(codes)
            partition_rows.append(["quota", tp.topic, tp.partition, bucket, len(names), crc32(names.tobytes())])
    return partition_rows
