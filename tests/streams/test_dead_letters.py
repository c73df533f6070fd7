"""The law of dead letters: whatever happens to workers and state, each invalid record has one, and nothing else has."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

import pytest
from confluent_kafka import KafkaError
from confluent_kafka import TopicPartition as KafkaPartition
from hypothesis import given
from hypothesis import strategies as st

from schemas import dead_letters
from schemas.dead_letters import OPTIONAL, DeadLetter
from schemas.errors import StateAttention, Transient
from schemas.topics import DEAD_LETTERS, MINUTE_MS
from streams.dead_letters import CLOCK_SKEW_MS, DeadLetterWriter, LetterCollector, WrittenLetters, read_letters
from streams.fold.judge import Rejected
from streams.kafka.producer import LogProducer, OutgoingRecord
from streams.kafka.reader import to_the_end
from streams.kafka.records import TopicPartition
from streams.metrics import REGISTRY
from streams.retry import Retry
from streams.settings import KafkaSettings
from tests.streams.logs import LoggedRecord

TPS = (TopicPartition("events-clicks", 0), TopicPartition("events-clicks", 1), TopicPartition("events-purchases", 0))
RECORDS, START_MS, STEP_MS = 30, 10**12, CLOCK_SKEW_MS // 3


class Killed(Exception):
    """The worker is gone, between two commands."""


class Written(NamedTuple):
    """A record of the dead-letters topic."""

    at: int
    letter: DeadLetter


class LettersTopic:
    """The dead letters as brokers have them, over a network that loses requests and answers."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self.records: list[Written] = []
        self.reads: list[tuple[frozenset[TopicPartition], int]] = []
        self.now = START_MS
        self._chance = chance

    async def publish(self, records: Iterable[OutgoingRecord]) -> None:
        letters = [dead_letters.read(record.headers, record.key, record.value) for record in records]
        fault = self._fault()
        arrived = letters[: self._chance.randint(0, len(letters))] if fault and self._chance else letters
        self.records += [Written(self._clock(), letter) for letter in arrived]
        if fault is not None:
            raise fault

    async def read(self, tps: Collection[TopicPartition], since_ms: int) -> dict[TopicPartition, WrittenLetters]:
        if (fault := self._fault()) is not None:
            raise fault
        self.reads.append((frozenset(tps), since_ms))
        begin = next((at for at, written in enumerate(self.records) if written.at >= since_ms), len(self.records))
        collector = LetterCollector(tps)
        for written in self.records[begin:]:
            collector.note(written.letter, written.at)
        return collector.letters()

    def names(self) -> Counter[tuple[TopicPartition, int, int]]:
        letters = [written.letter for written in self.records]
        return Counter((TopicPartition(each.topic, each.partition), each.offset, each.append_time) for each in letters)

    def _clock(self) -> int:
        """That of a broker, which may be off."""
        return self.now + (self._chance.randint(-CLOCK_SKEW_MS // 2, CLOCK_SKEW_MS // 2) if self._chance else 0)

    def _fault(self) -> Exception | None:
        if self._chance is None or self._chance.random() > 0.25:
            return None
        return self._chance.choice([Killed(), Transient("no answer")])


class World:
    """What outlives workers: the logs, of which each other record is invalid, the state's offsets, and the letters."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.topic = LettersTopic(chance)
        self.applied = dict.fromkeys(TPS, 0)
        self.snapshot = dict(self.applied)
        self.logs = {tp: self._log() for tp in TPS}
        self.past: set[tuple[TopicPartition, int, int]] = set()
        self.writer = self._started()

    def _log(self) -> list[LoggedRecord]:
        steps = [self.chance.randint(0, STEP_MS) for _ in range(RECORDS)]
        times = [self.topic.now + sum(steps[:at]) - self.chance.randint(0, CLOCK_SKEW_MS // 2) for at in range(RECORDS)]
        return [LoggedRecord(at, time, b"u", b"{") for at, time in enumerate(times)]

    def _started(self) -> DeadLetterWriter:
        writer = DeadLetterWriter(self.topic.publish, self.topic.read)
        writer.take_over(TPS)
        return writer

    def make_anew(self, tp: TopicPartition) -> None:
        """Delete the topic and make it again: other records at the same offsets, and another state."""
        self.past |= set(self.names(tp))
        self.topic.now += RECORDS * STEP_MS
        self.logs[tp] = self._log()
        self.applied[tp] = self.snapshot[tp] = 0
        self.writer.take_over([tp])

    def names(self, tp: TopicPartition) -> Iterator[tuple[TopicPartition, int, int]]:
        return ((tp, record.offset, record.timestamp) for record in self.logs[tp] if record.offset % 2)

    async def step(self, tp: TopicPartition) -> None:
        """Judge the next batch, write its letters, and move the state past it."""
        start, size = self.applied[tp], self.chance.randint(1, 8)
        batch = self.logs[tp][start : start + size]
        if not batch:
            return
        self.topic.now = max(self.topic.now, batch[-1].timestamp + CLOCK_SKEW_MS // 2)
        invalid = [Rejected(record, "malformed", "no JSON") for record in batch if record.offset % 2]
        try:
            while True:
                try:
                    await self.writer.send(tp, invalid)
                except Transient:
                    continue
                break
            if self.chance.random() < 0.2:
                raise Killed
        except Killed:
            self.writer = self._started()
            return
        self.applied[tp] = start + len(batch)

    async def meddle(self) -> None:
        """Something happens to the state or the group."""
        match self.chance.randrange(6):
            case 0:
                self.applied = dict.fromkeys(TPS, 0)
                self.writer.take_over(TPS)
            case 1:
                self.snapshot = dict(self.applied)
            case 2:
                self.applied = dict(self.snapshot)
                self.writer.take_over(TPS)
            case 3:
                tp = self.chance.choice(TPS)
                await self.writer.let_go([tp])
                self.writer.take_over([tp])
            case 4:
                self.make_anew(self.chance.choice(TPS))
            case _:
                self.writer = self._started()


@given(seed=st.integers(0, 2**32))
def test_each_invalid_record_has_one_letter_whatever_happens(seed: int) -> None:
    async def run() -> World:
        world = World(random.Random(seed))
        for _ in range(60):
            await world.step(world.chance.choice(TPS))
            if world.chance.random() < 0.15:
                await world.meddle()
        while any(world.applied[tp] < RECORDS for tp in TPS):
            for tp in TPS:
                await world.step(tp)
        return world

    world = asyncio.run(run())
    names = world.topic.names()
    expected = {name for tp in TPS for name in world.names(tp)}
    assert set(names.values()) == {1}
    assert expected <= names.keys() <= expected | world.past


def rejected(*offsets: int, at: int = START_MS) -> list[Rejected]:
    return [Rejected(LoggedRecord(offset, at + offset, b"u", b"{"), "malformed", "no JSON") for offset in offsets]


def test_the_topic_is_read_once_for_all_partitions_and_never_for_what_the_worker_wrote() -> None:
    topic = LettersTopic()

    async def run() -> None:
        writer = DeadLetterWriter(topic.publish, topic.read)
        writer.take_over(TPS)
        await writer.send(TPS[0], [])
        assert not topic.reads
        await writer.send(TPS[0], rejected(7))
        await writer.send(TPS[0], rejected(8, 9))
        await writer.send(TPS[1], rejected(8))
        assert topic.reads == [(frozenset(TPS), START_MS + 7 - CLOCK_SKEW_MS)]
        await writer.send(TPS[2], rejected(5))
        assert topic.reads[1:] == [(frozenset(TPS[2:]), START_MS + 5 - CLOCK_SKEW_MS)], "its record is older"
        writer.take_over(TPS[:1])
        await writer.send(TPS[0], rejected(9, 10))
        assert len(topic.reads) == 3

    asyncio.run(run())
    assert sorted(offset for tp, offset, _ in topic.names().elements() if tp == TPS[0]) == [7, 8, 9, 10]


def test_what_has_its_letter_is_counted() -> None:
    topic, before = LettersTopic(), counted()

    async def run() -> None:
        for _ in range(2):
            writer = DeadLetterWriter(topic.publish, topic.read)
            await writer.send(TPS[0], rejected(1, 2, 3))

    asyncio.run(run())
    assert [after - earlier for earlier, after in zip(before, counted(), strict=True)] == [3, 3]


def counted() -> tuple[float, float]:
    """Letters written and left out, of the first partition's topic."""
    values: dict[Any, Any] = {(sample.name, sample.labels): sample.value for sample in REGISTRY.samples()}
    written = values.get(("reshelf_dead_letters_total", (TPS[0].topic, "malformed")), 0)
    return written, values.get(("reshelf_dead_letters_skipped_total", (TPS[0].topic,)), 0)


def test_a_cancelled_send_is_looked_after() -> None:
    """What had arrived by then is not known."""
    topic = LettersTopic()

    async def publish(records: Iterable[OutgoingRecord]) -> None:
        await topic.publish(records)
        raise asyncio.CancelledError

    async def run() -> None:
        writer = DeadLetterWriter(publish, topic.read)
        with pytest.raises(asyncio.CancelledError):
            await writer.send(TPS[0], rejected(1, 2))
        writer._publish = topic.publish
        await writer.send(TPS[0], rejected(1, 2))

    asyncio.run(run())
    assert set(topic.names().values()) == {1}


def test_who_lets_a_partition_go_waits_for_letters_on_their_way_and_begins_none() -> None:
    topic, sending, arrived = LettersTopic(), asyncio.Event(), asyncio.Event()

    async def publish(records: Iterable[OutgoingRecord]) -> None:
        sending.set()
        await arrived.wait()
        await topic.publish(records)

    async def read(tps: Collection[TopicPartition], since_ms: int) -> dict[TopicPartition, WrittenLetters]:
        await writer.let_go(TPS[1:2])
        return await topic.read(tps, since_ms)

    writer = DeadLetterWriter(publish, read)

    async def run() -> None:
        send = asyncio.create_task(writer.send(TPS[0], rejected(1)))
        await sending.wait()
        going = asyncio.create_task(writer.let_go(TPS[:1]))
        await asyncio.sleep(0)
        assert not going.done()
        arrived.set()
        await asyncio.gather(send, going)
        assert len(topic.records) == 1
        with pytest.raises(Transient, match="shared out anew"):
            await writer.send(TPS[1], rejected(2))
        assert len(topic.records) == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("append_time", "written_at", "same"),
    [
        (5_000, 0, True),
        (4_999, 9_000, False),
        (-1, 5_000, True),
        (-1, 5_000 - CLOCK_SKEW_MS, True),
        (-1, 4_999 - CLOCK_SKEW_MS, False),
    ],
)
def test_a_letter_without_an_append_time_counts_unless_it_is_older_than_the_record(
    append_time: int, written_at: int, same: bool
) -> None:
    letters = WrittenLetters([9, 1, 1, 7, append_time, written_at, 3, 5_000, 5_000])
    assert letters.has(7, 5_000) is same
    assert letters.last == 9
    assert not any(letters.has(offset, 5_000) for offset in (8, 10))
    assert not WrittenLetters().has(7, 5_000)


def test_a_record_without_an_append_time_is_named_by_its_offset() -> None:
    letter = Rejected(LoggedRecord(7, -1, b"u", b"{"), "malformed", "no JSON").dead_letter(TPS[0])
    assert OPTIONAL not in dict(letter.to_headers())
    collector = LetterCollector(TPS)
    collector.note(dead_letters.read(letter.to_headers()), 5_000)
    assert collector.letters()[TPS[0]].has(7, -1)


async def write_letters(kafka: KafkaSettings) -> None:
    """Of the first partition's offsets 1 and 2, behind what is no letter."""
    producer = LogProducer(kafka)
    try:
        await producer.publish([OutgoingRecord(DEAD_LETTERS.name, b"u", b"no letter at all")])
        await DeadLetterWriter.of(kafka, producer).send(TPS[0], rejected(1, 2))
    finally:
        await producer.close()


def letters_since(kafka: KafkaSettings, since_ms: int) -> list[tuple[TopicPartition, int]]:
    written = asyncio.run(Retry().until_success(lambda: read_letters(kafka, TPS, since_ms)))
    assert written is not None
    assert written.keys() == set(TPS)
    return [(tp, offset) for tp in TPS for offset in range(4) if written[tp].has(offset, START_MS + offset)]


def test_letters_are_read_from_a_time_on(any_broker: str, prefix: str, make_topics: Callable[..., None]) -> None:
    kafka = KafkaSettings(bootstrap=any_broker, prefix=prefix)
    assert letters_since(kafka, 0) == [], "there is no topic"
    make_topics(any_broker, partitions=3, names=(DEAD_LETTERS.name,))
    assert letters_since(kafka, 0) == [], "it is empty"
    asyncio.run(write_letters(kafka))
    hour_ago = round(time.time() * 1000) - 60 * MINUTE_MS
    assert letters_since(kafka, 0) == letters_since(kafka, hour_ago) == [(TPS[0], 1), (TPS[0], 2)]


def test_what_was_written_before_that_time_is_not_read(
    kafka: str, prefix: str, make_topics: Callable[..., None]
) -> None:
    """The embedded broker answers with its last records instead."""
    settings = KafkaSettings(bootstrap=kafka, prefix=prefix)
    make_topics(kafka, partitions=3, names=(DEAD_LETTERS.name,))
    asyncio.run(write_letters(settings))
    assert letters_since(settings, round(time.time() * 1000) + 60 * MINUTE_MS) == []


class Refused:
    """A consumer of a topic that this user may not read."""

    def assign(self, places: object) -> None:
        """Kafka says nothing against that."""

    def consume(self, count: int, timeout: float) -> list[Refused]:
        return [self]

    def error(self) -> KafkaError:
        return KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)


def test_a_topic_that_may_not_be_read_is_named_with_what_to_do() -> None:
    consumer: Any = Refused()
    with pytest.raises(StateAttention, match=r"may not read dead-letters: .* READ"):
        list(to_the_end(consumer, [KafkaPartition("dead-letters", 0)]))
