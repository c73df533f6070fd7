"""The canonical export: what the state says, in an order that depends on nothing else.

Two states over the same stretch of log give the same bytes, whatever happened
while they were built.  Rows of zeros, row numbers, watermarks and expired
buckets are left out.  Each line is a JSON array that begins with its kind:

    ["cell",  page, segment, bucket, buckets, traffic, item, slot, impressions, clicks]
    ["sale",  page, segment, bucket, buckets, traffic, item, conversions, revenue, squares]
    ["delay", page, segment, bucket, buckets, traffic, bin, conversions]
    ["bin",   page, bucket, traffic, bin, views, units, clicks, orders, revenue]
    ["quota", topic, partition, bucket, names, checksum]
    ["tally", topic, partition, verdict, records]

Counts are those of whole spans of buckets (`streams.fold.buckets`): `bucket` is where one
begins, `buckets` how many it has, by the time of the log and whatever was merged in Redis.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, TextIO
from zlib import crc32

import numpy as np
import orjson

from schemas.topics import BY_NAME
from streams.fold.buckets import is_expired, is_span_expired, span_of
from streams.fold.deltas import TableKey
from streams.fold.judge import bucket_of
from streams.fold.measures import BINS, TABLE_ARRAYS, Array, Keying, open_ms
from streams.fold.name_codes import distinct
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings
from streams.state.arrays.sums import add_tables
from streams.state.arrays.tables import Table, decode_bins
from streams.state.connection.errors import translate_errors
from streams.state.expiry import reached
from streams.state.keys import GroupKeys, home_group
from streams.state.manifest import Manifest
from streams.state.reading.tables import read_tables, table_keys
from streams.state.store import Store

Row = list[Any]
CSV_COLUMNS = (
    *("page", "segment", "bucket", "buckets", "item", "slot"),
    *(measure.name for array in TABLE_ARRAYS for measure in array.measures if measure.in_csv),
)


async def log_time(store: Store, manifest: Manifest) -> int:
    """The largest append time that any group has passed, milliseconds."""
    partitions = _partitions(manifest)
    return max([await reached(store, group, partitions) for group in range(store.groups)], default=0)


async def rows(store: Store, manifest: Manifest, append_time: int | None = None) -> list[Row]:
    """All rows of the canonical export, sorted; as of a later time of the log than its own where one is named."""
    fold = FoldSettings.model_validate(manifest.fold)
    while True:
        at = max(append_time or 0, await log_time(store, manifest))
        export = await _rows(store, manifest, at, fold)
        if bucket_of(max(at, await log_time(store, manifest)), fold.bucket_ms) == bucket_of(at, fold.bucket_ms):
            return export


async def _rows(store: Store, manifest: Manifest, append_time: int, fold: FoldSettings) -> list[Row]:
    export: list[Row] = []
    for keys in store.keys:
        export.extend(await _count_rows(store, keys, append_time, fold))
        bins = [
            k for k in await table_keys(store.redis, keys, BINS.name) if not is_expired(k.bucket, append_time, fold)
        ]
        export.extend(await _bin_rows(store, keys, bins))
    for tp in _partitions(manifest):
        export.extend(await _partition_rows(store, tp, append_time, fold))
    return sorted(export)


def _partitions(manifest: Manifest) -> list[TopicPartition]:
    return [TopicPartition(topic, p) for topic, starts in manifest.starts.items() for p in range(len(starts))]


async def _count_rows(store: Store, keys: GroupKeys, append_time: int, fold: FoldSettings) -> Iterator[Row]:
    """The rows of all tables of a group, read at a moment at which none was merged."""
    while True:
        merges = await translate_errors(lambda: store.redis.get(keys.merges))
        listed = await table_keys(store.redis, keys)
        tables = [key for key in listed if not is_span_expired(key.bucket, append_time, fold)]
        contents = await read_tables(store.redis.mget, keys, tables)
        if merges == await translate_errors(lambda: store.redis.get(keys.merges)):
            break
    spans: dict[TableKey, list[Table]] = defaultdict(list)
    for key, table in zip(tables, contents, strict=True):
        span = span_of(key.bucket, append_time, fold)
        spans[key._replace(bucket=span.start)].append(replace(table, buckets=span))
    return (row for key, those in spans.items() for row in table_rows(key, add_tables(those)))


def lines(canonical: Iterable[Row]) -> bytes:
    """The export as JSON lines."""
    return b"".join(orjson.dumps(row) + b"\n" for row in canonical)


def digest(canonical: Iterable[Row]) -> str:
    """SHA-256 of the export."""
    return sha256(lines(canonical)).hexdigest()


def write_csv(canonical: Iterable[Row], target: TextIO) -> None:
    """The counts as CSV, all traffic together; what is known by item alone has an empty slot."""
    counts: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    arrays = {array.row: array for array in TABLE_ARRAYS if any(measure.in_csv for measure in array.measures)}
    for kind, *place, row in ((*some[:5], some[5:]) for some in canonical):
        if array := arrays.get(kind):
            _, *cell = row[: -len(array.measures)]
            item, slot = cell if array.keying is Keying.ITEM_SLOT else (*cell, "")
            counts[*place, item, slot].update(dict(zip(array.names, row[-len(array.measures) :], strict=True)))
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    columns = CSV_COLUMNS[6:]
    writer.writerows([*key, *(numbers[name] for name in columns)] for key, numbers in sorted(counts.items()))


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
        if not fold.bucket_ms or bucket + open_ms(BY_NAME[tp.topic], fold) >= append_time:
            names = distinct(codes)
            partition_rows.append(["quota", tp.topic, tp.partition, bucket, len(names), crc32(names.tobytes())])
    return partition_rows
