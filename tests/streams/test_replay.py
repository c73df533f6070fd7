"""Replay: the same bytes as the live state, from the topics and from an archive, whatever interrupts it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import aclosing
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from schemas.errors import BadSettings, StateAttention, Transient
from schemas.topics import SIGNALS
from streams.fold.plain import PlainFold
from streams.kafka.log_source import KafkaSource, Runs, Span
from streams.kafka.records import Logged, Record, TopicPartition
from streams.replay import old_buckets
from streams.replay.archive import FORMS, ArchiveSource, write
from streams.replay.order import in_time
from streams.replay.run import _beside, replay
from streams.settings import KafkaSettings
from streams.state import export, manifest
from streams.state.alias import resolve, switch
from streams.state.store import Store
from tests.streams.logs import FOLD, TOPICS, Log, LoggedRecord, example_log, logs
from tests.streams.test_learner import FOLD as PLAIN
from tests.streams.test_learner import publish, read_all


class Memory:
    """A log in memory, handed out in runs of some size; it breaks off after so many runs."""

    grows = False

    def __init__(self, log: Log, size: int = 3, breaks_after: int = 10**9) -> None:
        self.log = log
        self._size = size
        self._left = breaks_after

    def bounds(self, topics: object) -> dict[TopicPartition, Span]:
        return {tp: (0, records[-1].offset + 1 if records else 0) for tp, records in self.log.items()}

    def at_time(self, topics: object, time_ms: int) -> dict[TopicPartition, int]:
        raise NotImplementedError

    def records(self, spans: Mapping[TopicPartition, Span]) -> Runs:
        for tp, (first, end) in spans.items():
            some = [Logged(r.offset, r.timestamp, r.key, r.value) for r in self.log[tp] if first <= r.offset < end]
            for at in range(0, len(some), self._size):
                if self._left == 0:
                    raise Transient("gone")
                self._left -= 1
                yield tp, some[at : at + self._size]


class WithHeaders(Memory):
    """The same with the headers of records."""

    def __init__(self, source: Memory) -> None:
        super().__init__(source.log)

    def records(self, spans: Mapping[TopicPartition, Span]) -> Runs:
        for tp in spans:
            yield tp, [Logged(*_parts(one)) for one in self.log[tp]]


def _parts(one: LoggedRecord) -> tuple[int, int, bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]:
    return one.offset, one.timestamp, one.key, one.value, tuple(one.headers)


async def rebuilt(redis_url: str, sources: list[Memory], groups: int = 3) -> list[list[object]]:
    """The canonical rows after a replay that each source but the last breaks off."""
    log = sources[0].log
    ends = {tp: end for tp, (_, end) in sources[0].bounds(()).items()}
    topics = sorted({tp.topic for tp in log})
    starts = {topic: [0] * sum(tp.topic == topic for tp in log) for topic in topics}
    starts |= {SIGNALS.name: [0] * len(log)}
    async with Redis.from_url(redis_url) as client:
        await client.flushall()
        made = await manifest.agree(client, manifest.manifest_of("n", "", starts, groups, FOLD))
        for source in sources:
            try:
                await replay(source, Store(client, "n", groups), made, ends, FOLD)
            except Transient:
                continue
        return await export.rows(Store(client, "n", groups), made)


@settings(max_examples=12)
@given(logs(), st.integers(1, 7), st.lists(st.integers(0, 9), max_size=3))
def test_a_replay_that_was_killed_again_and_again_is_the_plain_fold(
    redis_url: str, log: Log, size: int, breaks: list[int]
) -> None:
    sources = [Memory(log, size + at, after) for at, after in enumerate([*breaks, 10**9])]
    plain = PlainFold(FOLD)
    for tp, records in log.items():
        plain.read(tp, records)
    # After each batch old buckets are merged and dropped.
    with patch.object(old_buckets, "PAUSE_S", 0.0), patch.object(old_buckets, "SHARE", 1.0):
        assert asyncio.run(rebuilt(redis_url, sources)) == [list(row) for row in plain.rows()]


@settings(max_examples=20)
@given(logs(), st.integers(1, 7))
def test_records_come_about_as_they_were_appended(log: Log, size: int) -> None:
    source = Memory(log, size)
    runs = list(in_time(source, source.bounds(())))
    read: dict[TopicPartition, list[int]] = {tp: [] for tp in log}
    times = dict.fromkeys((tp for tp, records in log.items() if records), -1)
    for tp, run in runs:
        assert times[tp] == min(times.values())
        read[tp] += [record.offset for record in run]
        times[tp] = run[-1].timestamp if read[tp][-1] < log[tp][-1].offset else 10**18
    assert read == {tp: [record.offset for record in records] for tp, records in log.items()}


def test_what_was_deleted_before_it_was_applied_is_told(redis_url: str) -> None:
    tp = TopicPartition(TOPICS[1], 0)
    log: Log = {tp: [LoggedRecord(offset, 1_000 + offset, b"u", b"{}") for offset in range(9)]}

    class Cut(Memory):
        def bounds(self, topics: object) -> dict[TopicPartition, Span]:
            return {tp: (4, 9)}

    with pytest.raises(StateAttention, match="begins at 4 and the replay stands at 0"):
        asyncio.run(rebuilt(redis_url, [Cut(log)]))


def test_topics_and_their_archive_give_the_same_state(
    any_broker: str, redis: SyncRedis, redis_url: str, prefix: str, make_topics: Callable[..., None], tmp_path: Path
) -> None:
    make_topics(any_broker)
    kafka = KafkaSettings(bootstrap=any_broker, prefix=prefix)
    publish(kafka, example_log(7, 60, partitions=4, timed=True))
    source = KafkaSource(kafka)
    bounds = source.bounds(TOPICS)
    write(source, tmp_path / "kept", bounds)
    write(source, tmp_path / "lines", bounds, "jsonl")
    kept, lines = ArchiveSource(tmp_path / "kept"), ArchiveSource(tmp_path / "lines")
    assert kept.bounds(TOPICS) == lines.bounds(TOPICS) == bounds
    plain = PlainFold(PLAIN)
    for tp, records in read_all(kafka, TOPICS).items():
        plain.read(tp, records)
    ends = {tp: end for tp, (_, end) in bounds.items()}

    async def run() -> None:
        async with Redis.from_url(redis_url) as client:
            for name, one in (("topics", source), ("kept", kept), ("lines", lines)):
                starts = {topic: [0] * 4 for topic in (*TOPICS, SIGNALS.name)}
                made = await manifest.agree(client, manifest.manifest_of(name, prefix, starts, 4, PLAIN))
                told: list[int] = []
                done = await replay(one, Store(client, name, 4), made, ends, PLAIN, told.append)
                assert done.read == sum(told) == sum(end for end in ends.values())
                assert await export.rows(Store(client, name, 4), made) == [list(row) for row in plain.rows()]
                again = await replay(one, Store(client, name, 4), made, ends, PLAIN)
                assert again.read == 0

    asyncio.run(run())
    with pytest.raises(BadSettings, match="holds an archive already"):
        write(source, tmp_path / "kept", bounds)
    with pytest.raises(BadSettings, match="holds no archive"):
        ArchiveSource(tmp_path)


@settings(max_examples=12)
@given(logs(), st.integers(1, 7), st.lists(st.tuples(st.text(max_size=3), st.binary(max_size=3)), max_size=2))
def test_either_archive_holds_every_byte(
    tmp_path_factory: pytest.TempPathFactory, log: Log, size: int, headers: list[tuple[str, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    odd = [
        LoggedRecord(0, 5, b"\xff", None, headers),
        LoggedRecord(3, 6, None, b"\xfe{"),
        LoggedRecord(4, 7, b"", b""),
    ]
    source = Memory(log | {TopicPartition("odd-0", 2): odd}, size)
    everything = source.bounds(())
    for form in FORMS:
        counts = write(WithHeaders(source), folder / form, everything, form)
        kept = ArchiveSource(folder / form)
        assert sum(counts.values()) == sum(map(len, source.log.values()))
        found: dict[TopicPartition, list[Record]] = {tp: [] for tp in source.log}
        for tp, run in kept.records(everything):
            found[tp] += run
        assert found == {tp: [Logged(*_parts(one)) for one in records] for tp, records in source.log.items()}
        for tp, span in kept.bounds(sorted({tp.topic for tp in source.log})).items():
            records = source.log[tp]
            assert span == ((records[0].offset, records[-1].offset + 1) if records else (0, 0))


def test_a_damaged_line_and_two_archives_are_told(tmp_path: Path) -> None:
    file = tmp_path / "events-clicks-0.jsonl"
    file.write_text('{"offset": 1, "timestamp": 2, "key": null, "value": null}\n{"offset": 2, "tim')
    with pytest.raises(BadSettings, match=r"events-clicks-0\.jsonl, line 2: expected a record of the log"):
        ArchiveSource(tmp_path).bounds(["events-clicks"])
    (tmp_path / "events-clicks-0.parquet").touch()
    with pytest.raises(BadSettings, match="holds two archives"):
        ArchiveSource(tmp_path)


def test_a_time_is_found_in_the_log(kafka: str, prefix: str, make_topics: Callable[..., None], tmp_path: Path) -> None:
    make_topics(kafka)
    settings_ = KafkaSettings(bootstrap=kafka, prefix=prefix)
    publish(settings_, example_log(7, 60, partitions=4, timed=True))
    log = read_all(settings_, TOPICS)
    source = KafkaSource(settings_)
    write(source, tmp_path / "kept", source.bounds(TOPICS))
    middle = sorted(record.timestamp for records in log.values() for record in records)[40]
    expected = {
        tp: next((record.offset for record in records if record.timestamp >= middle), len(records))
        for tp, records in log.items()
    }
    assert source.at_time(TOPICS, middle) == expected
    assert ArchiveSource(tmp_path / "kept").at_time(TOPICS, middle) == expected


def test_a_name_leads_to_a_namespace_in_one_step(redis: SyncRedis, redis_url: str) -> None:
    async def run() -> None:
        async with Redis.from_url(redis_url) as client:
            assert await resolve(client, "live") == "live"
            assert await switch(client, "live", "second") == "live"
            assert await resolve(client, "live") == "second"
            assert await switch(client, "live", "third") == "second"
            await switch(client, "fourth", "fifth")
            with pytest.raises(BadSettings, match="'fourth' itself stands for 'fifth'"):
                await switch(client, "live", "fourth")
            assert await switch(client, "live", "live") == "third"
            assert await resolve(client, "live") == "live"

    asyncio.run(run())


def test_who_is_interrupted_while_records_are_read_hears_of_nothing_else() -> None:
    reading, closed = threading.Event(), threading.Event()

    def slow() -> Generator[int, None, None]:
        try:
            while True:
                reading.set()
                time.sleep(0.2)
                yield 1
        finally:
            closed.set()

    async def follow() -> None:
        async with aclosing(_beside(slow())) as items:
            async for _ in items:
                pass

    async def run() -> None:
        following = asyncio.create_task(follow())
        await asyncio.to_thread(reading.wait)
        following.cancel()
        await following

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
    assert closed.is_set()
