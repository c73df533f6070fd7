"""A fixed log leaves the same bytes in Redis as ever, and the same canonical export.

Who changes one of the literals changes what a namespace holds: then `FOLD_VERSION` of the manifest goes up.
"""

from __future__ import annotations

import asyncio
import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from io import StringIO
from typing import Any

import msgspec
import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from streams.fold.fast.path import BUILT
from streams.fold.judge import Rejected
from streams.fold.plain import PlainFold
from streams.kafka.records import Batch, TopicPartition
from streams.settings import FoldSettings
from streams.state import export
from streams.state.manifest import manifest_of
from streams.state.partition import PartitionFold
from streams.state.store import Store
from tests.streams.logs import Log, LoggedRecord, example_log

GROUPS = 3
COLUMNS = ["page", "segment", "bucket", "item", "slot", "impressions", "clicks", "conversions", "revenue"]
TOPICS = ("events-impressions", "events-clicks", "events-purchases", "events-conversions")
"""Those of then: what is counted since then lies in keys of its own."""
RECORDS = 400
APPENDED_MS = 1_700_000_001_000
FOLD = FoldSettings(bucket_ms=100, amount_cap=700, duplicate_window_ms=150, unit_clicks=9, max_items=25)
EXPORT = "1b2b562efc305267"
CSV = "735a3d0f94596fae"
KEYS = "96aa5972aa045bdd"
MANIFEST = "92bdaa63c4b6bfc6"


async def nobody(tp: TopicPartition, rejected: Sequence[Rejected]) -> None:
    """Dead letters are no part of the state."""


def as_logged(record: LoggedRecord) -> LoggedRecord:
    """With an append time, and one learned variant: rows of names follow the order of events within a table."""
    value = record.value and re.sub(rb'"variant":[123]', b'"variant":0', record.value)
    return replace(record, timestamp=APPENDED_MS + record.offset, value=value)


async def folded(redis: Redis, built: bool) -> list[list[Any]]:
    """Fold the log batch by batch, always in the same order; the export."""
    await redis.flushall()
    return await fold_more(redis, built, appended(), 0)


def appended(timed: bool = False) -> Log:
    """The log with append times; `timed`: some slots say how long they were visible."""
    log = example_log(7, RECORDS, timed=timed)
    return {tp: [as_logged(record) for record in records] for tp, records in log.items() if tp.topic in TOPICS}


async def fold_more(redis: Redis, built: bool, log: Log, first: int) -> list[list[Any]]:
    """Fold what a log has from an offset on, where the state has the rest; the export."""
    store = Store(redis, "unchanged", GROUPS)
    for tp, records in log.items():
        part = await PartitionFold.resume(tp, store, 0, FOLD, nobody, built)
        if first:
            part.prepare(Batch(tp, 0, first, 0, records[:first]))
        for at in range(first, len(records), 90):
            cut = records[at : at + 90]
            await part.commit(part.prepare(Batch(tp, at, cut[-1].offset + 1, 0, cut)))
        await part.advance()
    manifest = manifest_of("unchanged", "", {topic: [0, 0] for topic in TOPICS}, GROUPS, FOLD)
    return await export.rows(store, manifest)


async def content(redis: Redis, name: bytes) -> Any:
    """What a key holds; a revision is the time of the write, so that alone says nothing, and its members are sorted."""
    match await redis.type(name):
        case b"set":
            return sorted(await redis.smembers(name))
        case b"zset":
            return sorted(await redis.zrange(name, 0, -1))
        case b"hash":
            return sorted((await redis.hgetall(name)).items())
        case _:
            return b"" if b":revision:" in name else await redis.get(name)


async def keys(redis: Redis) -> list[tuple[bytes, Any]]:
    return [(name, await content(redis, name)) for name in sorted([name async for name in redis.scan_iter()])]


def run(url: str, built: bool) -> tuple[list[list[Any]], list[tuple[bytes, Any]]]:
    async def work() -> tuple[list[list[Any]], list[tuple[bytes, Any]]]:
        async with Redis.from_url(url) as redis:
            return await folded(redis, built), await keys(redis)

    return asyncio.run(work())


def csv_of(rows: list[list[Any]]) -> str:
    """The columns of then."""
    written = StringIO()
    export.write_csv(rows, written)
    lines = list(csv.DictReader(written.getvalue().splitlines()))
    return "".join(",".join(line) + "\n" for line in [COLUMNS, *([line[name] for name in COLUMNS] for line in lines)])


def checksum(value: object) -> str:
    return sha256(msgspec.msgpack.encode(value)).hexdigest()[:16]


def test_every_byte_in_redis_is_as_ever(redis: SyncRedis, redis_url: str) -> None:
    rows, found = run(redis_url, built=False)
    assert {row[0] for row in rows} == {"bin", "cell", "delay", "quota", "sale", "tally"}
    assert (export.digest(rows)[:16], checksum(found)) == (EXPORT, KEYS)
    assert checksum(csv_of(rows)) == CSV


@pytest.mark.skipif(not BUILT, reason="the compiled fold was not built")
def test_the_compiled_fold_leaves_the_same_export_and_keys(redis: SyncRedis, redis_url: str) -> None:
    rows, found = run(redis_url, built=True)
    assert export.digest(rows)[:16] == EXPORT
    assert [name for name, _ in found] == [name for name, _ in run(redis_url, built=False)[1]]


@pytest.mark.parametrize("built", [False, True] if BUILT else [False])
def test_a_namespace_of_before_visible_times_goes_on_with_them(redis: SyncRedis, redis_url: str, built: bool) -> None:
    """Its events have none, so what it lacks is 0, and the state is that of its whole log."""
    before, timed = appended(), appended(timed=True)
    log = {tp: [*records[:200], *timed[tp][200:]] for tp, records in before.items()}

    async def work() -> tuple[list[list[Any]], list[bytes], list[list[Any]]]:
        async with Redis.from_url(redis_url) as client:
            await client.flushall()
            await fold_more(client, built, {tp: records[:200] for tp, records in log.items()}, 0)
            visible = [name async for name in client.scan_iter("*:visible:*")]
            return await fold_more(client, built, log, 200), visible, await folded(client, built)

    rows, visible_before, without = asyncio.run(work())
    plain = PlainFold(FOLD)
    for tp, records in log.items():
        plain.read(tp, records)
    assert visible_before == [], "what no event has takes no room"
    assert rows == plain.rows()
    assert [row for row in rows if row[0] != "visible"] == without, "all other counts are those without visible times"
    assert sum(row[-2] for row in rows if row[0] == "visible") > 50


def test_the_manifest_is_as_ever() -> None:
    starts = {topic: [0, 0] for topic in TOPICS}
    made = manifest_of("unchanged", "p-", starts, GROUPS, FOLD)
    assert checksum([made.digest, made.topics, made.starts, made.fold_version]) == MANIFEST
