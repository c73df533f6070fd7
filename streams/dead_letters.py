"""Dead letters: one for each invalid record, whatever becomes of the state.

A worker that took a partition over cannot know which letters of it there are: the one before
may have died behind a letter, and a state that was lost or rolled back has its log judged again.
So before the first letter of such a partition it reads the topic, from the time on at which the
record was appended: its letter was written after that.  What it writes itself it knows.
"""

from __future__ import annotations

import asyncio
import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from confluent_kafka import Consumer, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaPartition

from schemas.dead_letters import DeadLetter, headers_of, read
from schemas.errors import BadRecord, Transient
from schemas.topics import DEAD_LETTERS, MINUTE_MS
from streams.fold.judge import Rejected
from streams.kafka.bounds import offsets_since
from streams.kafka.producer import LogProducer, OutgoingRecord
from streams.kafka.reader import partitions_if_any, reader, to_the_end
from streams.kafka.records import TopicPartition
from streams.metrics import REGISTRY
from streams.retry import Retry
from streams.settings import KafkaSettings

CLOCK_SKEW_MS = 10 * MINUTE_MS
"""How far clocks may be apart: a letter may seem to be written before its record by as much."""
TIMEOUT_S = 10.0


class WrittenLetters:
    """The letters of one partition's records, 24 bytes for each; `last` is the highest offset, -1 without any."""

    def __init__(self, rows: Sequence[int] = ()) -> None:
        """`rows` has offset and append time of the record (below 0: unknown) and when the letter was written."""
        table = np.array(rows, np.int64).reshape(-1, 3)
        self._rows = table[np.argsort(table[:, 0], kind="stable")]
        self.last = int(self._rows[-1, 0]) if len(table) else -1

    def has(self, offset: int, append_time: int) -> bool:
        """Whether one is of this record: of this offset and append time.

        One without an append time counts, unless it was written before the record was appended.
        """
        if offset > self.last:
            return False
        first, end = np.searchsorted(self._rows[:, 0], (offset, offset + 1))
        of_offset = self._rows[first:end]
        same = of_offset[:, 1] == append_time
        undated = (of_offset[:, 1] < 0) & (of_offset[:, 2] + CLOCK_SKEW_MS >= append_time)
        return bool((same | undated).any())


class LetterCollector:
    """Sorts letters by the partition of their records; those of other partitions are left out."""

    def __init__(self, tps: Iterable[TopicPartition]) -> None:
        self._rows = {tp: array("q") for tp in tps}

    def note(self, letter: DeadLetter, written_at: int) -> None:
        """One more letter, written at a time in milliseconds."""
        rows = self._rows.get(TopicPartition(letter.topic, letter.partition))
        if rows is not None:
            rows.extend((letter.offset, letter.append_time, written_at))

    def letters(self) -> dict[TopicPartition, WrittenLetters]:
        """All of each partition."""
        return {tp: WrittenLetters(rows) for tp, rows in self._rows.items()}


Publish = Callable[[Iterable[OutgoingRecord]], Awaitable[object]]
"""Publishes records and waits for the acknowledgements; see `LogProducer.publish`."""
ReadLetters = Callable[[Collection[TopicPartition], int], Awaitable[Mapping[TopicPartition, WrittenLetters]]]
"""Reads the letters of partitions that were written since a time in milliseconds; may raise `Transient`."""


@dataclass(slots=True)
class _Look:
    """What is on the topic of a partition's records that were appended `since` a time or later."""

    letters: WrittenLetters = field(default_factory=WrittenLetters)
    since: float = math.inf


class DeadLetterWriter:
    """Writes the dead letters of a worker's partitions, of each record one.

    Calls for one partition must not overlap.  That no other worker writes letters of its partitions is
    taken for granted: `take_over` says that one may have done so until now.
    """

    def __init__(self, publish: Publish, read_letters: ReadLetters) -> None:
        self._publish = publish
        self._read_letters = read_letters
        self._looks: dict[TopicPartition, _Look] = {}
        self._publishing: defaultdict[TopicPartition, asyncio.Lock] = defaultdict(asyncio.Lock)

    @staticmethod
    def of(kafka: KafkaSettings, log_producer: LogProducer) -> DeadLetterWriter:
        """That of a worker."""
        return DeadLetterWriter(log_producer.publish, partial(read_letters, kafka))

    def take_over(self, tps: Iterable[TopicPartition]) -> None:
        """Partitions that are judged from here on; what others have written of them is not known."""
        self._looks.update({tp: _Look() for tp in tps})

    async def let_go(self, tps: Collection[TopicPartition]) -> None:
        """Partitions that go to another worker: waits for letters on their way, which that one is to see."""
        for tp in tps:
            self._looks.pop(tp, None)
        for tp in tps:
            async with self._publishing[tp]:
                pass

    async def send(self, tp: TopicPartition, rejected: Sequence[Rejected]) -> None:
        """Write the letters of rejected records that have none, and wait for the acknowledgements.

        Raises as `LogProducer.publish`: some may be written then, and to call again writes the others.
        """
        if not rejected:
            return
        look = await self._look(tp, min(rejection.record.timestamp for rejection in rejected))
        missing = [
            rejection.dead_letter(tp)
            for rejection in rejected
            if not look.letters.has(rejection.record.offset, rejection.record.timestamp)
        ]
        async with self._publishing[tp]:
            if self._looks.get(tp) is not look:
                raise Transient(f"{tp} was shared out anew while its dead letters were read")
            try:
                await self._publish([_record(letter) for letter in missing])
            except BaseException:
                self.take_over(self._looks.keys() & {tp})
                raise
        if rejected[-1].record.offset >= look.letters.last:
            look.letters = WrittenLetters()
        REGISTRY.add("reshelf_dead_letters_skipped_total", tp.topic, by=len(rejected) - len(missing))
        for reason, count in Counter(letter.reason for letter in missing).items():
            REGISTRY.add("reshelf_dead_letters_total", tp.topic, reason, by=count)

    async def _look(self, tp: TopicPartition, append_time: int) -> _Look:
        """What others have written of a partition since a time; read with that of all partitions that lack it."""
        look, since = self._looks.setdefault(tp, _Look()), append_time - CLOCK_SKEW_MS
        if since < look.since:
            looks = {other: each for other, each in self._looks.items() if since < each.since}
            letters = await self._read_letters(looks.keys(), since)
            for other, each in looks.items():
                each.letters, each.since = letters[other], since
        look.since = -math.inf
        return look


def _record(letter: DeadLetter) -> OutgoingRecord:
    return OutgoingRecord(DEAD_LETTERS.name, letter.key, letter.value, letter.to_headers())


async def read_letters(
    kafka: KafkaSettings, tps: Collection[TopicPartition], since_ms: int
) -> dict[TopicPartition, WrittenLetters]:
    """The letters of partitions' records that were written since a time, in milliseconds; none without the topic.

    Raises `Transient` where brokers do not answer, `StateAttention` where the topic may not be read.
    """
    with Retry.count_waiting():
        return await asyncio.to_thread(_read_letters, kafka, tps, since_ms)


def _read_letters(
    kafka: KafkaSettings, tps: Collection[TopicPartition], since_ms: int
) -> dict[TopicPartition, WrittenLetters]:
    collector = LetterCollector(tps)
    with reader(kafka) as consumer:
        places = _since(consumer, partitions_if_any(consumer, kafka.prefix + DEAD_LETTERS.name), since_ms)
        for message in to_the_end(consumer, places):
            if message.error() is None:
                _note(collector, message)
    return collector.letters()


def _note(collector: LetterCollector, message: Message) -> None:
    """What others have put on the topic is no letter."""
    try:
        collector.note(read(headers_of(message)), message.timestamp()[1])
    except BadRecord:
        return


def _since(consumer: Consumer, places: Sequence[KafkaPartition], since_ms: int) -> list[KafkaPartition]:
    """The places where what was written since a time begins: at the end where nothing was."""
    if not places:
        return []
    queries = [KafkaPartition(place.topic, place.partition, max(0, since_ms)) for place in places]
    try:
        return offsets_since(consumer, queries, TIMEOUT_S)
    except KafkaException as error:
        raise Transient(f"Kafka does not say where dead letters begin: {error.args[0].str()}") from None
