"""Buckets beyond their life are dropped, by the log's time and never by the wall clock.

Tables go by whole spans (`streams.fold.buckets`), experiment bins and quotas bucket by bucket.

An expired bucket may appear again when an old partition is read late; it is
left out of every export and dropped again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files

import orjson

from schemas.topics import BY_NAME
from streams.fold.buckets import is_expired, is_span_expired
from streams.fold.deltas import TableKey, Traffic
from streams.fold.measures import BINS, PARTS, Blocks, open_ms
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings
from streams.state.arrays.tables import bin_names
from streams.state.connection.errors import translate_errors
from streams.state.keys import GroupKeys, home_group, key_member, table_member
from streams.state.reading.tables import blocks_of
from streams.state.store import Store
from streams.state.watermark import Watermark

_SCRIPT = files("streams.state").joinpath("expire.lua").read_text()
_QUOTA_SCRIPT = files("streams.state").joinpath("expire_quota.lua").read_text()
_SPARE_BLOCKS = 16
"""Blocks that are dropped beyond those of slots and shelves that were listed: some may have come since."""


async def reached(store: Store, group: int, partitions: Iterable[TopicPartition]) -> int:
    """The largest append time that the group's watermarks have passed."""
    names = [store.keys[group].watermark(tp) for tp in partitions]
    stored = await translate_errors(lambda: store.redis.mget(names))
    return max((Watermark.decode(text, 0).append_time for text in stored), default=0)


async def expire(store: Store, fold: FoldSettings, partitions: list[TopicPartition]) -> int:
    """Drop the expired buckets of all groups; how many were dropped."""
    dropped = 0
    for group, keys in enumerate(store.keys):
        append_time = await reached(store, group, partitions)
        for kind, beyond in (("table", is_span_expired), (BINS.name, is_expired)):
            buckets, _ = keys.listing(kind, 0)
            for bucket in sorted(map(int, await translate_errors(lambda b=buckets: store.redis.smembers(b)))):  # type: ignore[misc]
                if beyond(bucket, append_time, fold):
                    dropped += await _drop(store, keys, kind, bucket)
    for tp in partitions:
        await _drop_quota(store, fold, tp)
    return dropped


async def _drop_quota(store: Store, fold: FoldSettings, tp: TopicPartition) -> None:
    """A quota goes when its own partition has passed the bucket's life: no record can need it any more."""
    if not fold.bucket_ms:
        return
    keys = store.keys[home_group(tp, store.groups)]
    buckets = sorted(map(int, await translate_errors(lambda: store.redis.smembers(keys.quotas(tp)))))
    names = [keys.watermark(tp), keys.quotas(tp), *(keys.quota(tp, bucket) for bucket in buckets)]
    life = open_ms(BY_NAME[tp.topic], fold)
    await translate_errors(lambda: store.redis.eval(_QUOTA_SCRIPT, len(names), *names, life, *buckets))


async def _drop(store: Store, keys: GroupKeys, kind: str, bucket: int) -> int:
    buckets, index = keys.listing(kind, bucket)
    stored = await translate_errors(lambda: store.redis.smembers(buckets))
    others = sorted((int(other) for other in stored if int(other) != bucket), reverse=True)
    members = sorted(await translate_errors(lambda: store.redis.smembers(index)))
    tables = [_table(bucket, member) for member in members]
    if kind == BINS.name:
        arrays = [name for key in tables for name in bin_names(keys, key)]
    else:
        arrays = await _arrays_of(store, keys, tables)
    store.directories.forget(arrays)
    names = [index, buckets, keys.revisions, *(keys.listing(kind, other)[1] for other in others), *arrays]
    arguments = [bucket, len(others), len(members), len(Traffic), *others, *members]
    if kind == "table":
        arguments += _keys_of(tables)
    return int(await translate_errors(lambda: store.redis.eval(_SCRIPT, len(names), *names, *arguments)))


def _keys_of(tables: Sequence[TableKey]) -> Iterator[bytes]:
    """Each page and segment as the revisions have it, then as its tables are in an index."""
    for page, segment in dict.fromkeys((key.page, key.segment) for key in tables):
        yield key_member(page, segment)
        for traffic in Traffic:
            yield table_member("table", page, segment, traffic)


async def _arrays_of(store: Store, keys: GroupKeys, tables: Sequence[TableKey]) -> list[str]:
    listed = [keys.table(kind, key) for kind in ("slots", "shelves") for key in tables]
    stored = await translate_errors(lambda: store.redis.mget(listed)) if listed else []
    parts = zip(stored[: len(tables)], stored[len(tables) :], strict=True)
    return [
        name
        for key, (slots, shelves) in zip(tables, parts, strict=True)
        for name in _names(keys, key, blocks_of({"slots": slots, "shelves": shelves}))
    ]


def _table(bucket: int, member: bytes) -> TableKey:
    _, page, segment, traffic = orjson.loads(member)
    return TableKey(page, segment, bucket, Traffic(traffic))


def _names(keys: GroupKeys, key: TableKey, blocks: Blocks) -> list[str]:
    """All keys that a table may have."""
    beyond = Blocks(blocks.slots + _SPARE_BLOCKS, blocks.shelves + _SPARE_BLOCKS)
    names = (*PARTS, "revision", *beyond.names())
    return [keys.table(name, key) for name in names]
