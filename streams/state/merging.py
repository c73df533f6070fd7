"""Old buckets are merged in Redis: a key's tables of one span are added up into the table that begins it.

The sum is one packed value (`streams.state.arrays.packed_value`), and no plain arrays are left of any of the
tables.  Events that come late are counted in new ones beside it, which the next merge of the span adds to it.

What the state says does not change: readers weigh and exports add up tables by the spans of
`streams.fold.buckets`, merged or not.  A merge is one script that compares the revision of every table with
the one that was read, so whoever writes in between wins and the merge is tried again later; a crash
leaves all or nothing, and a rollback of Redis brings back tables and watermarks together.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import orjson

from streams.fold.buckets import formed_at, is_span_expired, span_of
from streams.fold.deltas import TableKey, Traffic
from streams.fold.measures import PACKED, PARTS
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings
from streams.state.arrays.packed_value import encode_packed
from streams.state.arrays.sums import add_tables
from streams.state.arrays.tables import Table
from streams.state.connection.errors import translate_errors
from streams.state.keys import GroupKeys, key_member, table_member
from streams.state.reading.tables import read_tables
from streams.state.store import Store
from streams.state.watermark import Watermark

REST_S = 600.0
"""A table that was written in these seconds is left alone: late events would have it merged again and again."""
AT_ONCE = 32
"""Tables that are read and written in one go."""
_SCRIPT = files("streams.state").joinpath("merge.lua").read_text()


@dataclass(frozen=True, slots=True)
class Merge:
    """Tables of one group to be merged, by rising bucket: the first begins the span and may not exist.

    `clock` is the key of a watermark that has reached the time at which the span is formed.
    """

    group: int
    span: range
    tables: tuple[TableKey, ...]
    clock: str


@dataclass(frozen=True, slots=True)
class LoadedMerge:
    """A merge with what its tables held, and the revisions that they had before."""

    merge: Merge
    revisions: tuple[bytes, ...]
    tables: tuple[Table, ...]


class Merger:
    """Merges the tables of a namespace, group by group; several may do so at once.

    Every call may raise `Transient`, and to call again is right.
    """

    def __init__(
        self, store: Store, fold: FoldSettings, partitions: Sequence[TopicPartition], rest_s: float = REST_S
    ) -> None:
        self._store = store
        self._fold = fold
        self._partitions = partitions
        self._rest_s = rest_s
        self._looks: dict[tuple[int, int], float] = {}

    async def due(self, group: int) -> list[Merge]:
        """The merges that the group's log time calls for; it costs what has to move, not what there is."""
        keys = self._store.keys[group]
        clock, append_time = await self._clock(keys)
        stored = await translate_errors(lambda: self._store.redis.smembers(keys.buckets))
        spans = {bucket: span_of(bucket, append_time, self._fold) for bucket in sorted(map(int, stored))}
        moving = {
            bucket: span
            for bucket, span in spans.items()
            if span.start != bucket
            and not is_span_expired(bucket, append_time, self._fold)
            and self._looks.get((group, bucket), 0.0) <= time.monotonic()
        }
        sources: dict[tuple[int, TableKey], list[TableKey]] = {}
        for bucket, span in moving.items():
            for key in await self._rested(group, bucket):
                sources.setdefault((span.start, key._replace(bucket=span.start)), []).append(key)
        return [
            Merge(group, spans[tables[0].bucket], (target, *tables), clock) for (_, target), tables in sources.items()
        ]

    async def carry_out(self, merges: Sequence[Merge]) -> int:
        """Merge; how many tables went into others."""
        return await self.write(await self.read(merges))

    async def read(self, merges: Sequence[Merge]) -> list[LoadedMerge]:
        """What the tables of some merges hold, all of one group; those that are gone are left out."""
        if not merges:
            return []
        keys = self._store.keys[merges[0].group]
        tables = [key for merge in merges for key in merge.tables]
        names = [keys.table("revision", key) for key in tables]
        revisions = dict(zip(tables, await translate_errors(lambda: self._store.redis.mget(names)), strict=True))
        contents = dict(zip(tables, await read_tables(self._store.redis.mget, keys, tables), strict=True))
        merging = []
        for merge in merges:
            target, *others = merge.tables
            there = (target, *(key for key in others if revisions[key]))
            if len(there) > 1:
                merging.append(
                    LoadedMerge(
                        Merge(merge.group, merge.span, there, merge.clock),
                        tuple(revisions[key] or b"" for key in there),
                        tuple(contents[key] for key in there),
                    )
                )
        return merging

    async def write(self, merges: Sequence[LoadedMerge]) -> int:
        """Carry out what was read, each merge by itself; how many tables went into others."""
        if not merges:
            return 0
        pipeline = self._store.redis.pipeline(transaction=False)
        calls = [_call(self._store.keys[loaded.merge.group], loaded) for loaded in merges]
        for names, arguments in calls:
            pipeline.eval(_SCRIPT, len(names), *names, *arguments)
        replies = await translate_errors(pipeline.execute)
        for (names, _), reply in zip(calls, replies, strict=True):
            # Nothing is left of their plain arrays, so nobody needs to remember which names these had.
            self._store.directories.forget(names if reply else ())
        return sum(len(loaded.tables) - 1 for loaded, reply in zip(merges, replies, strict=True) if reply)

    async def _clock(self, keys: GroupKeys) -> tuple[str, int]:
        """The key of the watermark that has come furthest in time, and how far."""
        names = [keys.watermark(tp) for tp in self._partitions]
        stored = await translate_errors(lambda: self._store.redis.mget(names))
        times = [Watermark.decode(text, 0).append_time for text in stored]
        furthest = max(range(len(times)), key=times.__getitem__)
        return names[furthest], times[furthest]

    async def _rested(self, group: int, bucket: int) -> list[TableKey]:
        """The tables of a bucket that nobody has written lately; where there are others, it is looked at later."""
        keys, redis = self._store.keys[group], self._store.redis
        tables = sorted(
            _key(bucket, name) for name in await translate_errors(lambda: redis.smembers(keys.index(bucket)))
        )
        if not tables:
            return []
        names = [keys.table("revision", key) for key in tables]
        stored = await translate_errors(lambda: redis.mget(names))
        before = time.time() - self._rest_s
        rested = [
            key for key, revision in zip(tables, stored, strict=True) if revision and _written(revision) <= before
        ]
        self._looks.pop((group, bucket), None)
        if len(rested) < len(tables):
            self._looks[group, bucket] = time.monotonic() + self._rest_s
        return rested


def in_parts(merges: Sequence[Merge]) -> Iterator[list[Merge]]:
    """Merges of a few tables at a time."""
    part: list[Merge] = []
    for merge in merges:
        if part and sum(len(each.tables) for each in (*part, merge)) > AT_ONCE:
            yield part
            part = []
        part.append(merge)
    if part:
        yield part


def _key(bucket: int, name: bytes) -> TableKey:
    _, page, segment, traffic = orjson.loads(name)
    return TableKey(page, segment, bucket, Traffic(traffic))


def _written(revision: bytes) -> float:
    """The time of a revision in seconds."""
    seconds, _, micros = revision.partition(b":")
    return int(seconds) + int(micros) / 1e6


def _call(keys: GroupKeys, loaded: LoadedMerge) -> tuple[list[str], list[Any]]:
    """Keys and arguments of the script."""
    target, *others = loaded.merge.tables
    written = keys.table(PACKED, target)
    stored = [
        name
        for key, table in zip(loaded.merge.tables, loaded.tables, strict=True)
        for name in _contents(keys, key, table)
    ]
    names = [loaded.merge.clock, keys.buckets, keys.merges, keys.revisions, keys.index(target.bucket)]
    names += [keys.table("revision", key) for key in loaded.merge.tables]
    names += [keys.index(key.bucket) for key in others]
    names += [written, *(name for name in stored if name != written)]
    listed = table_member("table", target.page, target.segment, target.traffic)
    buckets = [key.bucket for key in loaded.merge.tables]
    arguments = [formed_at(loaded.merge.span), listed, key_member(target.page, target.segment), len(buckets)]
    return names, [*arguments, *buckets, *loaded.revisions, encode_packed(add_tables(loaded.tables))]


def _contents(keys: GroupKeys, key: TableKey, table: Table) -> list[str]:
    """All keys that hold a table's counts and names."""
    return [keys.table(name, key) for name in (*PARTS, *table.blocks.names())]
