"""Old buckets are merged in Redis, and nobody who reads notices."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from streams.fold.buckets import is_span_expired, span_of
from streams.fold.deltas import GroupDelta, TableDelta, TableKey, Traffic
from streams.fold.plain import PlainFold
from streams.kafka.records import Batch, TopicPartition
from streams.settings import FoldSettings
from streams.state import export
from streams.state.arrays.packed_value import decode_table
from streams.state.arrays.sums import add_tables
from streams.state.arrays.tables import Table, table_of
from streams.state.expiry import expire
from streams.state.manifest import Manifest, manifest_of
from streams.state.merging import AT_ONCE, Merger, in_parts
from streams.state.partition import PartitionFold
from streams.state.reader import StateReader
from streams.state.reading.tables import table_keys, table_keys_by_bucket
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark
from tests.streams.logs import example_log
from tests.streams.plain_tables import encode_table
from tests.streams.test_state_unchanged import as_logged, nobody

TP = TopicPartition("events-clicks", 0)
FOLD = FoldSettings(bucket_ms=1_000, bucket_ttl_ms=24_000)
DAYS = range(64, 96)
NOW = DAYS[-1] * 1_000 + 500
"""The time of the log, in the newest bucket."""


class State:
    """A state of one key, with counts in each of some buckets."""

    def __init__(self, redis: Redis) -> None:
        self.store = Store(redis, "m", 1)
        self.manifest: Manifest = manifest_of("m", "", {TP.topic: [0]}, 1, FOLD)
        self.merger = Merger(self.store, FOLD, [TP], rest_s=0)
        self.offset = 0
        self.counted: list[tuple[int, dict[str, dict[Any, int]]]] = []

    async def count(self, day: int, now: int = NOW, item: str = "", clicks: int = 1) -> None:
        """Some clicks in a bucket; each bucket has an item, and a slot, of its own beside those that all have."""
        cells = {(item or "all", "top"): clicks, (f"i{day}", f"s{day % 7}"): clicks}
        amounts: dict[str, dict[Any, int]] = {"clicks": cells, "conversions": {f"i{day}": 2}, "delays": {day % 32: 1}}
        delta = GroupDelta({TableKey("p", "s", day * 1_000, Traffic.LEARNED): TableDelta(amounts)})
        update = GroupUpdate(0, self.offset, Watermark(self.offset + 1, now), delta)
        assert await self.store.apply(TP, 0, [update]) == [self.offset + 1]
        self.offset += 1
        self.counted.append((day, amounts))

    async def fill(self) -> None:
        for day in DAYS:
            await self.count(day)

    async def tables(self) -> list[int]:
        return [key.bucket // 1_000 for key in await table_keys(self.store.redis, self.store.keys[0])]

    async def merge(self) -> int:
        return sum([await self.merger.carry_out(part) for part in in_parts(await self.merger.due(0))])

    async def contents(self, day: int) -> set[str]:
        """What is stored of the table that begins with a day, by the names of its parts."""
        ending = f":{day}000:p:s:{int(Traffic.LEARNED)}"
        names = [name.decode() async for name in self.store.redis.scan_iter(f"*{ending}")]
        return {name.removesuffix(ending).removeprefix(self.store.keys[0].base) for name in names}

    async def rows(self) -> list[export.Row]:
        return await export.rows(self.store, self.manifest)

    def plain_rows(self, now: int) -> list[export.Row]:
        """The export of what was counted, had nothing been merged."""
        keys = [TableKey("p", "s", day * 1_000, Traffic.LEARNED) for day, _ in self.counted]
        return rows_of(
            replace(table_of(key, amounts), buckets=span_of(key.bucket, now, FOLD))
            for key, (_, amounts) in zip(keys, self.counted, strict=True)
            if not is_span_expired(key.bucket, now, FOLD)
        )

    async def digest(self) -> str:
        return export.digest(await self.rows())

    def reader(self) -> StateReader:
        return StateReader(self.store.redis, self.manifest)


def with_state(url: str, work: Callable[[State], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Redis.from_url(url) as client:
            await work(State(client))

    asyncio.run(run())


def rows_of(tables: Iterable[Table]) -> list[export.Row]:
    """The export's rows of some tables, those of a span added up."""
    spans: dict[range, list[Table]] = {}
    for table in tables:
        spans.setdefault(table.buckets, []).append(table)
    totals = [replace(add_tables(those), buckets=span) for span, those in spans.items()]
    keys = [TableKey("p", "s", table.bucket, table.traffic) for table in totals]
    return sorted(row for key, table in zip(keys, totals, strict=True) for row in export.table_rows(key, table))


def clicks_of(tables: Sequence[Table]) -> Counter[tuple[range, str]]:
    """Clicks by span and item."""
    clicks: Counter[tuple[range, str]] = Counter()
    for table in tables:
        for item, number in zip(table.items, table.clicks.sum(axis=1).tolist(), strict=True):
            clicks[table.buckets, item] += number
    return clicks


def test_names_of_tables_that_were_merged_are_remembered_no_more(redis: SyncRedis, redis_url: str) -> None:
    """Else a worker would hold those of all days that it has seen; events that are late bring theirs back."""

    async def work(state: State) -> None:
        def remembered() -> list[int]:
            keys = {day: TableKey("p", "s", day * 1_000, Traffic.LEARNED) for day in DAYS}
            return [day for day in DAYS if state.store.keys[0].table("items", keys[day]) in state.store.directories]

        await state.fill()
        assert remembered() == list(DAYS)
        await state.merge()
        alone = [day for day in DAYS if len(span_of(day * 1_000, NOW, FOLD)) == 1]
        assert 0 < len(remembered()) <= len(alone) < len(DAYS)
        await state.count(DAYS[0])
        assert await state.rows() == state.plain_rows(NOW)

    with_state(redis_url, work)


def test_merging_changes_how_many_tables_there_are_and_nothing_else(redis: SyncRedis, redis_url: str) -> None:
    async def work(state: State) -> None:
        await state.fill()
        reader = state.reader()
        before, digest = await reader.read("p", "s"), await state.digest()
        assert len(before.tables) == len(DAYS)
        starts = sorted({span_of(day * 1_000, NOW, FOLD).start // 1_000 for day in DAYS})
        assert await state.merge() == len(DAYS) - len(starts) > 20
        assert await state.tables() == starts
        assert await state.digest() == digest
        for after in (await reader.read("p", "s"), await state.reader().read("p", "s")):
            assert clicks_of(after.tables) == clicks_of(before.tables)
            assert after.watermarks == before.watermarks
            assert len(after.tables) == len(starts)
        assert await state.merge() == 0

    with_state(redis_url, work)


def test_late_events_are_merged_later(redis: SyncRedis, redis_url: str) -> None:
    async def work(state: State) -> None:
        await state.fill()
        await state.merge()
        tables = await state.tables()
        late = next(day for day in DAYS if day not in tables)
        await state.count(late, item="late")
        assert late in await state.tables()
        digest = await state.digest()
        (span_of_late,) = {
            span
            for (span, item), number in clicks_of((await state.reader().read("p", "s")).tables).items()
            if item == "late" and number == 1
        }
        assert late * 1_000 in span_of_late
        assert (await state.merge(), await state.tables(), await state.digest()) == (1, tables, digest)

    with_state(redis_url, work)


def test_a_merged_table_is_one_value(redis: SyncRedis, redis_url: str) -> None:
    async def work(state: State) -> None:
        await state.fill()
        await state.merge()
        for day in DAYS:
            span = span_of(day * 1_000, NOW, FOLD)
            first = span.start == day * 1_000
            parts = await state.contents(day)
            if len(span) == 1:
                assert {"revision", "items", "slots", "sold", "sales", "delays", "cells0"} == parts
            else:
                assert parts == ({"packed", "revision"} if first else set())

    with_state(redis_url, work)


def test_late_events_of_a_merged_table_are_counted_beside_it(redis: SyncRedis, redis_url: str) -> None:
    """By a worker that remembers the names of before; the next merge of the span adds them to the value."""

    async def work(state: State) -> None:
        await state.fill()
        await state.merge()
        first = next(span.start for day in DAYS if len(span := span_of(day * 1_000, NOW, FOLD)) == 4) // 1_000
        reader = state.reader()

        async def check(late: int, parts: set[str]) -> None:
            assert await state.contents(first) == {"packed", "revision"} | parts
            for read in (await reader.read("p", "s"), await state.reader().read("p", "s")):
                clicks, span = clicks_of(read.tables), span_of(first * 1_000, NOW, FOLD)
                assert (clicks[span, "all"], clicks[span, f"i{first}"], clicks[span, "late"]) == (4, 2, late)

        await reader.read("p", "s")
        await state.count(first, item="late")
        await check(1, {"items", "slots", "sold", "sales", "delays", "cells0"})
        await state.count(first + 1, item="late")
        digest = await state.digest()
        assert await state.merge() == 1
        await check(2, set())
        assert await state.digest() == digest

    with_state(redis_url, work)


@pytest.mark.parametrize("which", [0, -1])
def test_whoever_writes_in_between_wins(redis: SyncRedis, redis_url: str, which: int) -> None:
    """Into the table that the others go to, and into one of these."""

    async def work(state: State) -> None:
        await state.fill()
        due = [merge for merge in await state.merger.due(0) if len(merge.tables) > 2]
        loaded = await state.merger.read(due[:1])
        await state.count(due[0].tables[which].bucket // 1_000, item="between")
        digest = await state.digest()
        assert await state.merger.write(loaded) == 0
        assert await state.digest() == digest
        assert await state.merge() > 0
        assert await state.digest() == digest

    with_state(redis_url, work)


def test_two_who_merge_the_same_do_it_once(redis: SyncRedis, redis_url: str) -> None:
    async def work(state: State) -> None:
        await state.fill()
        digest, due = await state.digest(), await state.merger.due(0)
        one, other = await state.merger.read(due), await state.merger.read(due)
        assert (await state.merger.write(one) > 0, await state.merger.write(other)) == (True, 0)
        assert await state.merger.read(due) == []
        assert await state.digest() == digest

    with_state(redis_url, work)


def test_a_span_that_a_rollback_dissolves_is_not_formed(redis: SyncRedis, redis_url: str) -> None:
    async def work(state: State) -> None:
        await state.count(DAYS[0], now=DAYS[1] * 1_000)
        await state.count(DAYS[1], now=DAYS[1] * 1_000)
        mark = await state.store.redis.get(state.store.keys[0].watermark(TP))
        await state.store.apply(TP, 0, [GroupUpdate(0, 2, Watermark(3, NOW))])
        loaded = await state.merger.read(await state.merger.due(0))
        assert len(loaded) == 1 and mark is not None
        await state.store.redis.set(state.store.keys[0].watermark(TP), mark)
        assert await state.merger.write(loaded) == 0

    with_state(redis_url, work)


def test_a_table_that_was_written_lately_rests(redis: SyncRedis, redis_url: str) -> None:
    async def work(state: State) -> None:
        await state.fill()
        resting = Merger(state.store, FOLD, [TP], rest_s=3_600)
        assert await resting.due(0) == []
        assert await state.merger.due(0) != []

    with_state(redis_url, work)


class Interrupted(StateReader):
    """A reader that others come in between of, once, before it fetches tables."""

    between: Callable[[], Awaitable[object]] | None = None

    async def _mget(self, names: Sequence[str]) -> list[bytes | None]:
        between, self.between = self.between, None
        if between:
            await between()
        return await super()._mget(names)


@pytest.mark.parametrize("newer", [DAYS[-1], DAYS[5], DAYS[0]])
def test_a_read_during_a_merge_counts_all_once(redis: SyncRedis, redis_url: str, newer: int) -> None:
    """What the reader has read before, and what it fetches now, would else be of different moments."""

    async def work(state: State) -> None:
        await state.fill()
        reader = Interrupted(state.store.redis, state.manifest)
        await reader.read("p", "s")
        await state.count(newer, item="newer")
        reader.between = state.merge
        torn = clicks_of((await reader.read("p", "s")).tables)
        assert reader.between is None
        assert torn == clicks_of((await state.reader().read("p", "s")).tables)

    with_state(redis_url, work)


def test_an_export_during_a_merge_counts_all_once(
    redis: SyncRedis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(state: State) -> None:
        for day in DAYS[1:8]:
            await state.count(day)
        digest = await state.digest()

        async def listed_before(*arguments: Any) -> AsyncIterator[list[TableKey]]:
            tables = [tables async for tables in table_keys_by_bucket(*arguments)]
            monkeypatch.setattr(export, "table_keys_by_bucket", table_keys_by_bucket)
            assert await state.merge() > 0
            for listed in tables:
                yield listed

        monkeypatch.setattr(export, "table_keys_by_bucket", listed_before)
        assert await state.digest() == digest

    with_state(redis_url, work)


def test_expired_spans_are_dropped_whole(redis: SyncRedis, redis_url: str) -> None:
    async def work(state: State) -> None:
        await state.fill()
        await state.merge()
        for day in await state.tables():
            await state.count(day, item="late")
        later = NOW + 200_000
        await state.store.apply(TP, 0, [GroupUpdate(0, state.offset, Watermark(state.offset + 1, later))])
        assert (await state.reader().read("p", "s")).tables == ()
        assert await state.merger.due(0) == []
        assert await expire(state.store, FOLD, [TP]) > 0
        left = {name async for name in state.store.redis.scan_iter()}
        keys = state.store.keys[0]
        assert left == {keys.watermark(TP).encode(), keys.merges.encode()}

    with_state(redis_url, work)


def test_a_span_holds_no_more_than_an_array_can(redis: SyncRedis, redis_url: str) -> None:
    async def work(state: State) -> None:
        await state.fill()
        for day in DAYS[:2]:
            await state.count(day, clicks=2**32 - 5)
        digest = await state.digest()
        await state.merge()
        assert await state.digest() == digest
        assert max(table.clicks.max() for table in (await state.reader().read("p", "s")).tables) == 2**32 - 1

    with_state(redis_url, work)


def test_a_table_is_stored_and_read_again() -> None:
    key = TableKey("p", "s", 0, Traffic.HOLDOUT)
    tables = [
        table_of(key, {"clicks": {(f"i{at}", f"s{at * at}"): at + 1 for at in range(9)}, "revenue": {"ü": 2**40}}),
        table_of(key, {"impressions": {("i3", "s9"): 7, ("new", "s0"): 1}, "delays": {31: 4}}),
        table_of(key, {}),
    ]
    total = add_tables(tables)
    again = decode_table(key, encode_table(total))
    assert sorted(export.table_rows(key, again)) == sorted(export.table_rows(key, total))
    assert total.counts["clicks"].sum() == sum(range(1, 10)) and total.delays[31] == 4
    assert encode_table(table_of(key, {})) == {}


def test_merges_go_a_few_tables_at_a_time(redis: SyncRedis, redis_url: str) -> None:
    async def work(state: State) -> None:
        await state.fill()
        due = await state.merger.due(0) * 20
        parts = list(in_parts(due))
        assert [merge for part in parts for merge in part] == due
        assert all(len(part) == 1 or sum(len(merge.tables) for merge in part) <= AT_ONCE for part in parts)

    with_state(redis_url, work)


@pytest.mark.parametrize("seed", range(3))
def test_a_merge_that_wakes_up_late_neither_loses_nor_doubles(redis: SyncRedis, redis_url: str, seed: int) -> None:
    """Between reading and writing, others fold records into the same tables, or merge them."""
    fold, chance = FoldSettings(bucket_ms=20, duplicate_window_ms=150), random.Random(seed)
    log = {tp: [as_logged(record) for record in records] for tp, records in example_log(seed, 200, timed=True).items()}
    plain = PlainFold(fold)
    for tp, records in log.items():
        plain.read(tp, records)

    async def run() -> list[list[object]]:
        async with Redis.from_url(redis_url) as client:
            store = Store(client, "late", 2)
            merger, asleep = Merger(store, fold, list(log), rest_s=0), []
            parts = {tp: await PartitionFold.resume(tp, store, 0, fold, nobody) for tp in log}
            batches = [(tp, at) for tp in log for at in range(0, 200, 50)]
            for tp, at in sorted(batches, key=lambda batch: (batch[1], chance.random())):
                batch = Batch(tp, at, at + 50, 0, log[tp][at : at + 50])
                await parts[tp].commit(parts[tp].prepare(batch))
                for group in range(2):
                    asleep += await merger.read(await merger.due(group))
                chance.shuffle(asleep)
                await merger.write(asleep[::2])
                asleep = asleep[1::2]
            await merger.write(asleep)
            starts = {topic: [0, 0] for topic in dict.fromkeys(tp.topic for tp in log)}
            return await export.rows(store, manifest_of("late", "", starts, 2, fold))

    assert asyncio.run(run()) == plain.rows()
