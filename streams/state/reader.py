"""The counts of a page and segment, for those who compose layouts and explain them.

Everybody who reads opens the state here: the namespace is what its name stands for,
and groups, fold settings and start offsets are those of its manifest, never those of
whoever asks.  Revisions and watermarks of a key are read in one go; a table is fetched
only when its revision changed since it was read last.
"""

from __future__ import annotations

import time
from asyncio import gather
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import is_
from typing import Any, Self

from redis.asyncio import Redis

from streams.fold.buckets import is_span_expired, span_of
from streams.fold.deltas import WHOLE_PAGE, TableKey, Traffic
from streams.fold.measures import Blocks
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings
from streams.state.alias import resolve
from streams.state.arrays.experiment_bins import BucketBins, read_bins
from streams.state.arrays.packing import packed_table
from streams.state.arrays.parts import KeyTables, PageTables, parts_of
from streams.state.arrays.tables import Table
from streams.state.connection.pipelined import PipelinedClient
from streams.state.keys import GroupKeys, group_of, key_member
from streams.state.manifest import Manifest
from streams.state.manifest import read as read_manifest
from streams.state.reading.memory import HeldKey, StateMemory
from streams.state.reading.revisions import KeyRevisions
from streams.state.reading.tables import read_parts
from streams.state.watermark import Watermark

SEGMENTS_S = 5.0
"""The segments that a page has counts of are listed at most once in these seconds."""
AT_ONCE = 8
"""Segments of a whole page that are read at the same time: reads of single keys come in between."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """The tables of one page and segment; `watermarks` maps a topic to the next offset of each partition.

    Each table names its span of buckets by the log's time; a span may have several.  `signals` are kinds by place.
    """

    tables: Sequence[Table]
    watermarks: dict[str, list[int]]
    signals: Sequence[str] = ()


class StateReader:
    """Reads the namespace of a manifest; `open` finds the manifest by name.

    `pipelined` shares round trips with others that use the same client, and `memory` bounds what is held.
    """

    def __init__(
        self,
        redis: Redis,
        manifest: Manifest,
        pipelined: PipelinedClient | None = None,
        memory: StateMemory | None = None,
    ) -> None:
        self.manifest = manifest
        self.memory = memory or StateMemory()
        self._redis = redis
        self._pipelined = pipelined or PipelinedClient(redis)
        self._groups = [GroupKeys(manifest.namespace, group) for group in range(manifest.groups)]
        starts = [(topic, *each) for topic, offsets in manifest.starts.items() for each in enumerate(offsets)]
        self._partitions = [(TopicPartition(topic, partition), start) for topic, partition, start in starts]
        self._buckets: dict[int, frozenset[int]] = {}
        self._signals, self._blocks = tuple(manifest.signals), Blocks()
        self.revisions = KeyRevisions(self._pipelined, self._groups)
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
        """All (page, segment) that have counts; it costs what was written since the last time."""
        await self.revisions.refresh()
        return set(self.revisions)

    async def new_keys(self) -> list[tuple[str, str]]:
        """Those that came since the last time that anybody asked for keys here."""
        return await self.revisions.refresh()

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
            await self.revisions.refresh()
            self._listed_at = time.monotonic()
        return await self.read_page(page, {name for of, name in self.revisions if of == page} | {WHOLE_PAGE})

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
        tables, revision, (merges, *stored) = await self._table_revisions(group, page, segment)
        marks = [Watermark.decode(text, start) for (_, start), text in zip(self._partitions, stored, strict=False)]
        append_time = max((mark.append_time for mark in marks), default=0)
        live = {
            key: table_revision
            for key, table_revision in zip(tables, stored[count:], strict=True)
            if table_revision and not is_span_expired(key.bucket, append_time, self.fold)
        }
        held = self.memory.get(page, segment)
        entries = await self._refresh(keys, live, held.entries if held else {}, merges)
        entries = {
            key: (table_revision, _in_span(table, span_of(key.bucket, append_time, self.fold)))
            for key, (table_revision, table) in entries.items()
        }
        now = KeyTables(table for _, table in entries.values())
        if held and _same(held.tables, now):
            now = held.tables
        self.memory.put(page, segment, HeldKey(revision, append_time, entries, now))
        return KeyState(now, self._watermarks(marks), self._signals)

    async def read_page(self, page: str, segments: Iterable[str]) -> KeyState:
        """The counts of some segments of a page together, with the log position that all of them reflect.

        Only segments that were written since they were read last are read again; the tables of the
        others are the same objects.
        """
        names = sorted(segments)
        groups = {name: group_of(page, name, len(self._groups)) for name in names}
        marks, revisions = await self._page_revisions(page, groups)
        parts, changed = dict[str, KeyTables](), list[str]()
        for name in names:
            append_time = max((mark.append_time for mark in marks[groups[name]]), default=0)
            tables = self._unchanged(page, name, revisions[name], append_time)
            if tables is None:
                changed.append(name)
            else:
                parts[name] = tables
        for at in range(0, len(changed), AT_ONCE):
            states = await gather(*(self.read(page, name) for name in changed[at : at + AT_ONCE]))
            parts |= zip(changed[at : at + AT_ONCE], (parts_of(state.tables)[0] for state in states), strict=True)
        watermarks = _least([self._watermarks(those) for those in marks.values()])
        return KeyState(PageTables(parts[name] for name in names), watermarks, self._signals)

    def _unchanged(self, page: str, segment: str, revision: int | None, append_time: int) -> KeyTables | None:
        """A segment's tables where they are held and neither a write nor the time has changed them."""
        if revision is None:
            return KeyTables()
        held = self.memory.get(page, segment)
        if held is None or held.revision != revision:
            return None
        width, before = self.fold.bucket_ms, held.append_time
        if width and (append_time < before or append_time // width != before // width):
            return None
        if any(is_span_expired(key.bucket, append_time, self.fold) for key in held.entries):
            return None
        return held.tables

    async def _page_revisions(
        self, page: str, groups: Mapping[str, int]
    ) -> tuple[dict[int, list[Watermark]], dict[str, int | None]]:
        """How far each group has come, and then when the segments of a page were last written."""
        by_group: dict[int, list[str]] = {}
        for name, group in groups.items():
            by_group.setdefault(group, []).append(name)
        commands: list[tuple[Any, ...]] = [
            ("MGET", *(self._groups[group].watermark(tp) for tp, _ in self._partitions)) for group in by_group
        ]
        commands += [
            ("ZMSCORE", self._groups[group].revisions, *(key_member(page, name) for name in names))
            for group, names in by_group.items()
        ]
        replies = await self._pipelined.ask(*commands)
        marks = {
            group: [Watermark.decode(text, start) for (_, start), text in zip(self._partitions, stored, strict=True)]
            for group, stored in zip(by_group, replies, strict=False)
        }
        revisions = {
            name: _revision(score)
            for names, scores in zip(by_group.values(), replies[len(by_group) :], strict=True)
            for name, score in zip(names, scores, strict=True)
        }
        return marks, revisions

    async def _table_revisions(
        self, group: int, page: str, segment: str
    ) -> tuple[list[TableKey], int | None, list[bytes | None]]:
        """The tables that there may be; when the key was written last; when some tables were merged last,
        the watermarks, and the revision of each table.

        One wait as long as the group's buckets are those of the last time.
        """
        keys = self._groups[group]
        while True:
            buckets = self._buckets.get(group, frozenset())
            tables = [TableKey(page, segment, bucket, traffic) for bucket in sorted(buckets) for traffic in Traffic]
            names = [keys.merges, *(keys.watermark(tp) for tp, _ in self._partitions)]
            names += [keys.table("revision", key) for key in tables]
            # Buckets come last: where tables go to another bucket in between, it is seen here.
            (score,), stored, listed = await self._pipelined.ask(
                ("ZMSCORE", keys.revisions, key_member(page, segment)), ("MGET", *names), ("SMEMBERS", keys.buckets)
            )
            self._buckets[group] = frozenset(map(int, listed))
            if self._buckets[group] == buckets:
                return tables, _revision(score), stored

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
        expected = {key: table.blocks for key, (_, table) in entries.items()}
        most = reduce(Blocks.with_those_of, expected.values()) if expected else self._blocks
        guess = {key: expected.get(key, most) for key in changed}
        parts = await read_parts(mget, keys, changed, guess)
        names = self.memory.names
        tables = {key: packed_table(key, part, names(key.page)) for key, part in zip(changed, parts, strict=True)}
        if tables:
            self._blocks = reduce(Blocks.with_those_of, (table.blocks for table in tables.values()))
        return {key: (revision, tables[key]) if key in tables else entries[key] for key, revision in live.items()}


class _Merged(Exception):
    """Tables of the group were merged between two reads of a key."""


def _same(before: KeyTables, now: KeyTables) -> bool:
    """Whether these are the very objects of the last time."""
    return len(before) == len(now) and all(map(is_, before, now))


def _revision(score: Any) -> int | None:
    return None if score is None else int(float(score))


def _in_span(table: Table, span: range) -> Table:
    return table if table.buckets == span else replace(table, buckets=span)


def _least(watermarks: Sequence[dict[str, list[int]]]) -> dict[str, list[int]]:
    return {
        topic: [min(offsets) for offsets in zip(*(state[topic] for state in watermarks), strict=True)]
        for topic in watermarks[0]
    }
