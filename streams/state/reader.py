"""The counts of a page and segment, for those who compose layouts and explain them.

Everybody who reads opens the state here: the namespace is what its name stands for,
and groups, fold settings and start offsets are those of its manifest, never those of
whoever asks.  Revisions and watermarks of a key are read in one go; a table is fetched
only when its revision changed since it was read last.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import orjson
from redis.asyncio import Redis

from streams.fold.buckets import is_span_expired, span_of
from streams.fold.deltas import WHOLE_PAGE, TableKey, Traffic
from streams.fold.measures import PARTS, blocks
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings
from streams.state.alias import resolve
from streams.state.arrays.directory import names_in
from streams.state.arrays.experiment_bins import BucketBins, read_bins
from streams.state.arrays.tables import Table, blocks_for, decode_table
from streams.state.connection.errors import translate_errors
from streams.state.connection.pipelined import PipelinedClient
from streams.state.keys import GroupKeys, group_of
from streams.state.manifest import Manifest
from streams.state.manifest import read as read_manifest
from streams.state.watermark import Watermark

SEGMENTS_S = 5.0
"""The segments that a page has counts of are listed at most once in these seconds."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """The tables of one page and segment; `watermarks` maps a topic to the next offset of each partition.

    Each table names the span of buckets that it belongs to by the log's time; a span may have several tables.
    """

    tables: tuple[Table, ...]
    watermarks: dict[str, list[int]]


class StateReader:
    """Reads the namespace of a manifest; `open` finds the manifest by name.

    `pipelined` shares round trips with others that use the same client.
    """

    def __init__(self, redis: Redis, manifest: Manifest, pipelined: PipelinedClient | None = None) -> None:
        self.manifest = manifest
        self._redis = redis
        self._pipelined = pipelined or PipelinedClient(redis)
        self._groups = [GroupKeys(manifest.namespace, group) for group in range(manifest.groups)]
        self._partitions = [
            (TopicPartition(topic, partition), start)
            for topic, offsets in manifest.starts.items()
            for partition, start in enumerate(offsets)
        ]
        self._buckets: dict[int, frozenset[int]] = {}
        self._cache: dict[tuple[str, str], dict[TableKey, tuple[bytes, Table]]] = {}
        self._segments: dict[str, set[str]] = {}
        self._listed_at = -SEGMENTS_S

    @classmethod
    async def open(cls, redis: Redis, name: str) -> Self:
        """A reader of the namespace that a name stands for; raises `NamespaceMissing` where there is none."""
        return cls(redis, await read_manifest(redis, await resolve(redis, name), name))

    @cached_property
    def fold(self) -> FoldSettings:
        """The settings that shaped the counts; raises `StateAttention` where this version does not know them."""
        return self.manifest.fold_settings()

    async def keys(self) -> set[tuple[str, str]]:
        """All (page, segment) that have counts."""
        return {(key.page, key.segment) for keys in self._groups for key in await table_keys(self._redis, keys)}

    async def segments(self) -> dict[str, set[str]]:
        """The segments of each page that have counts; '*' is that of visitors without one."""
        segments: dict[str, set[str]] = {}
        for page, segment in await self.keys():
            segments.setdefault(page, set()).add(segment)
        return segments

    async def read_bins(self, page: str) -> BucketBins:
        """The experiment's bins of a page."""
        return await read_bins(self._redis, self.manifest.namespace, self.manifest.groups, page)

    async def read_segment(self, page: str, segment: str) -> KeyState:
        """The counts that a segment's layout is made from: '*' is all segments of the page."""
        if segment != WHOLE_PAGE:
            return await self.read(page, segment)
        if time.monotonic() - self._listed_at >= SEGMENTS_S:
            self._segments = await self.segments()
            self._listed_at = time.monotonic()
        return await self.read_page(page, self._segments.get(page, set()) | {WHOLE_PAGE})

    async def read(self, page: str, segment: str) -> KeyState:
        """The counts of one key with the log position they reflect."""
        group = group_of(page, segment, len(self._groups))
        while True:
            try:
                return await self._read(group, page, segment)
            except _Merged:
                continue

    async def _read(self, group: int, page: str, segment: str) -> KeyState:
        keys, count = self._groups[group], len(self._partitions)
        tables, (merges, *stored) = await self._revisions(group, page, segment)
        marks = [Watermark.decode(text, start) for (_, start), text in zip(self._partitions, stored, strict=False)]
        append_time = max((mark.append_time for mark in marks), default=0)
        live = {
            key: revision
            for key, revision in zip(tables, stored[count:], strict=True)
            if revision and not is_span_expired(key.bucket, append_time, self.fold)
        }
        entries = await self._refresh(keys, live, self._cache.get((page, segment), {}), merges)
        entries = {
            key: (revision, _in_span(table, span_of(key.bucket, append_time, self.fold)))
            for key, (revision, table) in entries.items()
        }
        self._cache.pop((page, segment), None)
        if entries:
            self._cache[page, segment] = entries
        return KeyState(tuple(table for _, table in entries.values()), self._watermarks(marks))

    async def read_page(self, page: str, segments: Iterable[str]) -> KeyState:
        """The counts of some segments of a page together, with the log position that all of them reflect.

        One after another, so that reads of single keys come in between.
        """
        states = [await self.read(page, segment) for segment in sorted(segments)]
        tables = tuple(table for state in states for table in state.tables)
        return KeyState(tables, _least([state.watermarks for state in states]))

    async def _revisions(self, group: int, page: str, segment: str) -> tuple[list[TableKey], list[bytes | None]]:
        """The tables that there may be; when some were merged last, the watermarks, and the revision of each table.

        One wait as long as the group's buckets are those of the last time.
        """
        keys = self._groups[group]
        while True:
            buckets = self._buckets.get(group, frozenset())
            tables = [TableKey(page, segment, bucket, traffic) for bucket in sorted(buckets) for traffic in Traffic]
            names = [keys.merges, *(keys.watermark(tp) for tp, _ in self._partitions)]
            names += [keys.table("revision", key) for key in tables]
            # Buckets come last: where tables go to another bucket in between, it is seen here.
            stored, listed = await self._pipelined.ask(("MGET", *names), ("SMEMBERS", keys.buckets))
            self._buckets[group] = frozenset(map(int, listed))
            if self._buckets[group] == buckets:
                return tables, stored

    async def _mget(self, names: Sequence[str]) -> list[bytes | None]:
        (stored,) = await self._pipelined.ask(("MGET", *names))
        values: list[bytes | None] = stored
        return values

    def _watermarks(self, marks: Sequence[Watermark]) -> dict[str, list[int]]:
        watermarks: dict[str, list[int]] = {}
        for (tp, _), mark in zip(self._partitions, marks, strict=True):
            watermarks.setdefault(tp.topic, []).append(mark.offset)
        return watermarks

    async def _refresh(
        self,
        keys: GroupKeys,
        live: Mapping[TableKey, bytes],
        entries: Mapping[TableKey, tuple[bytes, Table]],
        merges: bytes | None,
    ) -> dict[TableKey, tuple[bytes, Table]]:
        """The live tables by revision: those of `entries` where that has not changed, else read now.

        Raises `_Merged` where tables were merged meanwhile: some of their counts would be there twice, or not at all.
        """

        async def mget(names: Sequence[str]) -> list[bytes | None]:
            *stored, now = await self._mget([*names, keys.merges])
            if now != merges:
                raise _Merged
            return stored

        changed = [key for key, revision in live.items() if entries.get(key, (b"",))[0] != revision]
        expected = {key: blocks_for(len(table.slots)) for key, (_, table) in entries.items()}
        read = dict(zip(changed, await read_tables(mget, keys, changed, expected), strict=True))
        return {key: (revision, read[key]) if key in read else entries[key] for key, revision in live.items()}


class _Merged(Exception):
    """Tables of the group were merged between two reads of a key."""


def _in_span(table: Table, span: range) -> Table:
    return table if table.buckets == span else replace(table, buckets=span)


def _least(watermarks: Sequence[dict[str, list[int]]]) -> dict[str, list[int]]:
    return {
        topic: [min(offsets) for offsets in zip(*(state[topic] for state in watermarks), strict=True)]
        for topic in watermarks[0]
    }


async def read_tables(
    mget: Callable[[list[str]], Awaitable[Any]],
    keys: GroupKeys,
    tables: Sequence[TableKey],
    expected: Mapping[TableKey, int] | None = None,
) -> list[Table]:
    """The tables of one group.

    One read where `expected` says how many blocks of cells a table has; where there
    are more, which the slots show, a second one for these.  Rows that appear between
    both are left out until the next read.
    """
    if not tables:
        return []
    have = [(expected or {}).get(key, 0) for key in tables]
    names = [
        keys.table(name, key) for key, count in zip(tables, have, strict=True) for name in (*PARTS, *blocks(0, count))
    ]
    values = iter(await translate_errors(lambda: mget(names)))
    parts = [{part: next(values) for part in (*PARTS, *blocks(0, count))} for count in have]
    lacking = [
        list(blocks(count, blocks_for(len(names_in(part["slots"]))))) for count, part in zip(have, parts, strict=True)
    ]
    names = [keys.table(name, key) for key, more in zip(tables, lacking, strict=True) for name in more]
    values = iter(await translate_errors(lambda: mget(names)) if names else ())
    return [
        decode_table(key, part | {name: next(values) for name in more})
        for key, part, more in zip(tables, parts, lacking, strict=True)
    ]


async def table_keys(redis: Redis, keys: GroupKeys, kind: str = "table") -> list[TableKey]:
    """The tables of a group, from its index; `kind` is table or bins."""
    return [key async for tables in table_keys_by_bucket(redis, keys, kind) for key in tables]


async def table_keys_by_bucket(redis: Redis, keys: GroupKeys, kind: str) -> AsyncIterator[list[TableKey]]:
    """The same, those of one bucket after the other."""
    buckets, _ = keys.listing(kind, 0)
    for bucket in sorted(map(int, await translate_errors(lambda: redis.smembers(buckets)))):
        _, index = keys.listing(kind, bucket)
        names = map(orjson.loads, await translate_errors(lambda i=index: redis.smembers(i)))  # type: ignore[misc]
        yield [TableKey(page, segment, bucket, Traffic(traffic)) for _, page, segment, traffic in names]
