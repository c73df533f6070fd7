"""What keeps state and log together: the manifest, the fingerprint, expiry, the reader."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from redis import Redis as SyncRedis
from redis import exceptions as redis_errors
from redis.asyncio import Redis

from reshelf.processes.servers import redis_server
from schemas.errors import BadSettings, StateAttention, Transient
from streams.fold.deltas import TableKey, Traffic
from streams.fold.judge import Rejected
from streams.fold.measures import BLOCK
from streams.kafka.records import Batch, TopicPartition
from streams.retry import Retry
from streams.settings import FoldSettings
from streams.state import export
from streams.state.arrays.packed_value import decode_table
from streams.state.connection.errors import translate_errors
from streams.state.expiry import expire
from streams.state.manifest import agree, manifest_of, read
from streams.state.partition import PartitionFold, Rewind
from streams.state.reader import StateReader
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark
from tests.streams.logs import LoggedRecord
from tests.streams.test_fold import NOW, click, record
from tests.streams.test_state_law import FlakyStore

T = TypeVar("T")
TP = TopicPartition("events-clicks", 0)
FOLD = FoldSettings(bucket_ms=1_000, bucket_ttl_ms=5_000, allowed_lateness_ms=0, unit_clicks=0)


async def dead_letter(tp: TopicPartition, rejected: Sequence[Rejected]) -> None:
    """Nothing to see: these tests look at the state."""


def with_redis(url: str, work: Callable[[Redis], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Redis.from_url(url) as client:
            return await work(client)

    return asyncio.run(run())


async def apply(store: Store, records: list[LoggedRecord]) -> PartitionFold:
    part = await PartitionFold.resume(TP, store, 0, FOLD, dead_letter)
    await part.commit(part.prepare(Batch(TP, records[0].offset, records[-1].offset + 1, 0, records)))
    return part


def test_manifest_refuses_other_settings(redis: SyncRedis, redis_url: str) -> None:
    made = manifest_of("n", "p-", {"events-clicks": [5, 7]}, 4, FOLD)

    async def work(client: Redis) -> None:
        assert await agree(client, made) == made
        later = manifest_of("n", "p-", {"events-clicks": [9, 9]}, 4, FOLD)
        assert await agree(client, later) == made, "where the log begins now does not matter"
        other = manifest_of("n", "p-", {"events-clicks": [5, 7]}, 8, FOLD.changed(currency="USD"))
        with pytest.raises(StateAttention, match=r"groups is 4 there and 8 here; fold\.currency is 'EUR' there"):
            await agree(client, other)
        with pytest.raises(StateAttention, match="no namespace 'absent'"):
            await read(client, "absent")

    with_redis(redis_url, work)


def test_another_log_is_noticed(redis: SyncRedis, redis_url: str) -> None:
    log = [record(click(f"c{at}"), at) for at in range(5)]

    async def work(client: Redis) -> None:
        store = Store(client, "n", 2)
        part = await apply(store, log)
        await part.advance()
        part = await PartitionFold.resume(TP, store, 0, FOLD, dead_letter)
        part.prepare(Batch(TP, 0, 5, 0, log))
        part = await PartitionFold.resume(TP, store, 0, FOLD, dead_letter)
        others = [*log[:4], record(click("another"), 4)]
        with pytest.raises(StateAttention, match="the record at offset 4 differs from the one applied"):
            part.prepare(Batch(TP, 0, 5, 0, others))

    with_redis(redis_url, work)


def test_an_idle_worker_notices_a_rollback(redis: SyncRedis, redis_url: str) -> None:
    async def work(client: Redis) -> None:
        part = await apply(Store(client, "n", 2), [record(click(f"c{at}"), at) for at in range(5)])
        await part.advance()
        await client.flushall()
        with pytest.raises(Rewind) as noticed:
            await part.advance()
        assert noticed.value.stored == 0

    with_redis(redis_url, work)


def test_what_was_just_read_verifies_idle_groups_without_a_script(redis: SyncRedis, redis_url: str) -> None:
    async def work(client: Redis) -> None:
        store = Store(client, "n", 4)
        part = await apply(store, [record(click(f"c{at}"), at) for at in range(5)])
        other = TopicPartition(TP.topic, 1)
        marks = await store.stored_marks([TP, other])
        assert {mark and Watermark.decode(mark, 0).offset for mark in marks[TP]} > {None}
        assert marks[other] == [None] * 4
        await part.advance(marks[TP])
        assert part.applied_offsets == [5] * 4
        marks = await store.stored_marks([TP])
        await client.config_resetstat()
        await part.advance(marks[TP])
        assert "cmdstat_evalsha" not in await client.info("commandstats")
        await client.delete(store.keys[3].watermark(TP))
        with pytest.raises(Rewind):
            await part.advance((await store.stored_marks([TP]))[TP])
        assert await store.stored_marks([]) == {}

    with_redis(redis_url, work)


def test_lost_records_are_skipped_only_on_purpose(redis: SyncRedis, redis_url: str) -> None:
    async def work(client: Redis) -> None:
        store = Store(client, "n", 2)
        part = await PartitionFold.resume(TP, store, 0, FOLD, dead_letter)
        await part.skip_to(3)
        assert part.applied_offsets == [3, 3]
        await part.commit(part.prepare(Batch(TP, 3, 4, 0, [record(click("c"), 3)])))
        assert [mark.offset for mark in await store.watermarks(TP, 0)].count(4) >= 1

    with_redis(redis_url, work)


def test_expired_buckets_leave_nothing(redis: SyncRedis, redis_url: str) -> None:
    many = 130  # of slots: more blocks of cells than any table here usually has
    old = [record(click(f"old{at}", slot=f"slot{at}"), at) for at in range(many)]
    new = record(click("new", occurred_at=NOW + 60_000), many, NOW + 60_000)

    async def work(client: Redis) -> None:
        store = Store(client, "n", 1)
        part = await apply(store, old)
        before = {key async for key in client.scan_iter()}
        await part.commit(part.prepare(Batch(TP, many, many + 1, 0, [new])))
        assert await expire(store, FOLD, [TP]) == 2, "one of tables, one of experiment bins"
        after = {key async for key in client.scan_iter()}
        bucket = str(NOW - NOW % 1_000).encode()
        assert any(bucket in key for key in before)
        assert not any(bucket in key for key in after)
        manifest = manifest_of("n", "", {TP.topic: [0]}, 1, FOLD)
        kinds = [row[0] for row in await export.rows(store, manifest)]
        assert kinds == ["bin", "cell", "quota", "tally"]

    with_redis(redis_url, work)


def test_reader_gives_arrays_and_positions(redis: SyncRedis, redis_url: str) -> None:
    async def work(client: Redis) -> None:
        store = Store(client, "n", 4)
        slots = [f"slot{at}" for at in range(9)]
        log = [record(click(f"c{at}", slot=slots[at], item=f"i{at % 3}"), at) for at in range(9)]
        part = await apply(store, log)
        reader = StateReader(client, manifest_of("n", "", {TP.topic: [0]}, 4, FOLD))
        assert await reader.keys() == {("home", "s")}
        state = await reader.read("home", "s")
        (table,) = state.tables
        assert (table.traffic, table.slots, table.items) == (Traffic.LEARNED, tuple(slots), ("i0", "i1", "i2"))
        assert np.array_equal(table.clicks, np.tile(np.eye(3, dtype=np.int64), 3))
        assert state.watermarks == {TP.topic: [9]}
        await part.commit(
            part.prepare(Batch(TP, 9, 10, 0, [record(click("more", slot="slot0", item="i0", page_view_id="w"), 9)]))
        )
        (table,) = (await reader.read("home", "s")).tables
        assert table.clicks[0, 0] == 2

    with_redis(redis_url, work)


def test_a_torn_read_credits_no_wrong_item() -> None:
    key = TableKey("home", "s", 0, Traffic.LEARNED)
    cells = np.arange(2 * BLOCK * 2, dtype=">u4").tobytes()
    names = {"items": b'00000001"a",', "slots": b'00000001"x",', "sold": b'00000001"sold",'}
    table = decode_table(key, names | {"cells0": cells})
    assert table.items == ("a", "sold")
    assert table.impressions.tolist() == [[0], [0]] and table.clicks.tolist() == [[1], [0]]


def test_no_script_lowers_a_watermark(redis: SyncRedis, redis_url: str) -> None:
    async def work(client: Redis) -> None:
        store = Store(client, "n", 1)
        assert await store.apply(TP, 0, [GroupUpdate(0, 0, Watermark(5))]) == [5]
        with pytest.raises(redis_errors.ResponseError, match="WATERMARK would go back"):
            await store.apply(TP, 0, [GroupUpdate(0, 5, Watermark(4))])
        assert [mark.offset for mark in await store.watermarks(TP, 0)] == [5]

    with_redis(redis_url, work)


def test_a_batch_that_leaves_a_gap_is_refused(redis: SyncRedis, redis_url: str) -> None:
    async def work(client: Redis) -> None:
        part = await apply(Store(client, "n", 1), [record(click("a"), 0)])
        with pytest.raises(RuntimeError, match="begins at 1, got 2"):
            part.prepare(Batch(TP, 2, 3, 0, [record(click("b"), 2)]))

    with_redis(redis_url, work)


def test_a_record_is_buried_once_however_often_redis_is_away(redis: SyncRedis, redis_url: str) -> None:
    async def work(client: Redis) -> list[int]:
        dead_lettered: list[int] = []

        async def note(tp: TopicPartition, rejected: Sequence[Rejected]) -> None:
            dead_lettered.extend(one.record.offset for one in rejected)

        store = FlakyStore(client, "n", 1)
        part = await PartitionFold.resume(TP, store, 0, FOLD, note)
        prepared = part.prepare(Batch(TP, 0, 1, 0, [LoggedRecord(0, NOW, b"u", b"{")]))
        for _ in range(3):
            store.lost_reply = True
            with pytest.raises(Transient):
                await part.commit(prepared)
        await part.commit(prepared)
        assert part.applied == 1
        return dead_lettered

    assert with_redis(redis_url, work) == [0]


def test_topics_with_other_partitions_are_named(redis: SyncRedis, redis_url: str) -> None:
    async def work(client: Redis) -> None:
        await agree(client, manifest_of("n", "", {"events-clicks": [0]}, 4, FOLD))
        with pytest.raises(StateAttention, match="other settings: partitions of events-clicks is 1 there and 2 here"):
            await agree(client, manifest_of("n", "", {"events-clicks": [0, 0]}, 4, FOLD))

    with_redis(redis_url, work)


def test_redis_away_is_transient(free_port_url: str) -> None:
    async def work(client: Redis) -> None:
        with pytest.raises(Transient, match=r"(?s)Redis does not answer.*rediss:// where the server speaks TLS"):
            await Store(client, "n", 1).watermarks(TP, 0)

    with_redis(free_port_url, work)


def test_redis_that_asks_for_a_password_says_so(tmp_path: Path) -> None:
    async def work(client: Redis) -> None:
        with pytest.raises(BadSettings, match=r"Redis asks for a password\. Set redis\.password"):
            await Store(client, "n", 1).watermarks(TP, 0)

    with redis_server(tmp_path, appendonly=False) as served:
        with SyncRedis.from_url(f"redis://{served.address}/0") as client:
            client.config_set("requirepass", "secret")
        with_redis(f"redis://{served.address}/0", work)
        with pytest.raises(BadSettings, match=r"user is disabled\. Check redis\.username"):
            with_redis(f"redis://:wrong@{served.address}/0", lambda client: Store(client, "n", 1).watermarks(TP, 0))


@pytest.mark.parametrize(("repeat_s", "told"), [(60.0, 1), (0.0, 3)])
def test_waiting_is_told_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, repeat_s: float, told: int
) -> None:
    monkeypatch.setattr("streams.retry.REPEAT_S", repeat_s)
    answers = iter([False, False, False, True])

    async def call() -> bool:
        if not next(answers):
            raise Transient("Redis does not answer.")
        return True

    assert asyncio.run(Retry().until_success(call))
    waiting = [one for one in caplog.messages if one == "Redis does not answer. Waiting; work goes on where it was."]
    assert len(waiting) == told


@pytest.fixture
def free_port_url() -> str:
    """An address where nothing listens."""
    from reshelf.processes.children import free_port

    return f"redis://127.0.0.1:{free_port()}/0"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (redis_errors.AuthenticationError("invalid username-password pair"), BadSettings),
        (redis_errors.NoPermissionError("this user may not run it"), BadSettings),
        (redis_errors.ResponseError("NOREPLICAS Not enough good replicas to write."), Transient),
        (redis_errors.ResponseError("MISCONF Errors writing to the AOF file"), Transient),
        (redis_errors.ConnectionError("refused"), Transient),
        (AttributeError("'NoneType' object has no attribute 'writelines'", name="writelines", obj=None), Transient),
        (AttributeError("'Store' object has no attribute 'nothing'", name="nothing", obj=Store), AttributeError),
        (redis_errors.ResponseError("ERR unknown command"), redis_errors.ResponseError),
    ],
)
def test_an_error_of_redis_says_what_to_do(error: Exception, expected: type[Exception]) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(expected):
        asyncio.run(translate_errors(fail))
