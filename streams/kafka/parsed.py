"""Records as aiokafka's parser yields them.

aiokafka builds a dataclass for each record, a quarter to a third of all its time.
The records that its parser yields already have what `streams.kafka.records.Record` asks
for, so they are handed on as they are: each parser of *one* consumer gets
an attribute in place of its conversion method; nothing is patched for others.

Such a consumer also asks brokers to wait for as long as suits what came lately, see `FetchWait`.

Where the parser cannot go on, `streams.kafka.unreadable` reads what follows.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult

from streams.kafka.records import Logged, Record
from streams.kafka.unreadable import read_on
from streams.settings import KafkaSettings

POLL_RECORDS = 20_000
PARTITION_FETCH_BYTES = 8 * 1024 * 1024
BRIEF_WAIT_MS = 5
"""How long a broker waits for data in the fetch that follows data.  aiokafka has one under way for a broker, and this
one is sent before the data is read, so without the partitions that it came of: they wait for its end."""
BRIEF_S = 0.02
"""By then that fetch has been sent, also where the data is not read at once."""
QUIET_S = 5.0
QUIET_WAIT_MS = 500
"""How long a broker waits where nothing came for QUIET_S: asking more often costs both and brings nothing sooner."""


class FetchWait:
    """How long brokers wait for data before they answer a fetch of one consumer; with data they answer at once.

    As the consumer was made, but briefly just after data came, and for longer where none came for a while.
    """

    def __init__(self, fetcher: Any) -> None:
        self._fetcher = fetcher
        self._usual_ms: int = fetcher._fetch_max_wait_ms
        self._next: asyncio.TimerHandle | None = None
        self._be_usual()

    def came(self) -> None:
        """Data came that is not read yet."""
        self._be(BRIEF_WAIT_MS, BRIEF_S, self._be_usual)

    def read(self) -> None:
        """Data was read: when nothing else is left, the next fetch asks for all partitions again."""
        if not self._fetcher._records:
            self._be_usual()

    def _be_usual(self) -> None:
        self._be(self._usual_ms, QUIET_S, self._be_quiet)

    def _be_quiet(self) -> None:
        self._fetcher._fetch_max_wait_ms = max(QUIET_WAIT_MS, self._usual_ms)

    def _be(self, wait_ms: int, for_s: float, then: Callable[[], None]) -> None:
        if self._next is not None:
            self._next.cancel()
        self._fetcher._fetch_max_wait_ms = wait_ms
        self._next = asyncio.get_running_loop().call_later(for_s, then)


class ParsedRecords(OrderedDict[TopicPartition, Any]):
    """Where the fetcher keeps fetched data: a result put here yields its records unconverted, and `wait` hears of it.

    `stuck` are the partitions at whose position is what the parser cannot read.
    """

    def __init__(self, wait: FetchWait | None = None) -> None:
        super().__init__()
        self.stuck: set[TopicPartition] = set()
        self.wait = wait

    def __setitem__(self, tp: TopicPartition, result: Any) -> None:
        if type(result) is FetchResult:
            parser = result._partition_records
            parser._consumer_record = _as_parsed
            parser._records_iterator = self._as_far_as_readable(tp, parser._records_iterator)
            if self.wait is not None:
                self.wait.came()
        super().__setitem__(tp, result)

    def _as_far_as_readable(self, tp: TopicPartition, records: Iterator[Record]) -> Iterator[Record]:
        """An error would lose what the same fetch has brought of other partitions."""
        try:
            yield from records
        except UnicodeDecodeError:
            self.stuck.add(tp)


def hand_on_parsed(consumer: AIOKafkaConsumer) -> None:
    """Let a consumer that was just started hand on what its parser yields; call it in the consumer's event loop."""
    fetcher = consumer._fetcher
    fetcher._records = ParsedRecords(FetchWait(fetcher))


async def fetched(
    kafka: KafkaSettings,
    consumer: AIOKafkaConsumer,
    partitions: Iterable[tuple[str, int]],
    timeout_s: float,
    most: int = POLL_RECORDS,
) -> dict[tuple[str, int], list[Record]]:
    """Records of `partitions` (not empty) in log order, about `most` in all."""
    fetcher, names = consumer._fetcher, frozenset(partitions)
    with fetcher._subscriptions.fetch_context():
        records: dict[tuple[str, int], list[Record]]
        records = await fetcher.fetched_records(names, timeout=timeout_s, max_records=most)
        if records:
            fetcher._records.wait.read()
        for name in fetcher._records.stuck & names:
            records[name] = [*records.get(name, []), *await _unreadable(kafka, consumer, name, most)]
        fetcher._records.stuck.clear()
        return records


async def _unreadable(
    kafka: KafkaSettings, consumer: AIOKafkaConsumer, name: tuple[str, int], most: int
) -> list[Logged]:
    """What the parser could not read of a partition; the next fetch starts behind it."""
    position = position_of(consumer, name)
    if position is None:
        return []
    records = await asyncio.to_thread(read_on, kafka, name, position, most)
    if not records or position_of(consumer, name) != position:
        return []
    consumer.seek(TopicPartition(*name), records[-1].offset + 1)
    return records


def state_of(consumer: AIOKafkaConsumer, name: tuple[str, int]) -> Any:
    """What aiokafka knows of a partition; None when it is not assigned."""
    subscription = consumer._subscription.subscription
    if subscription is None or subscription.assignment is None:
        return None
    return subscription.assignment.state_value(TopicPartition(*name))


def position_of(consumer: AIOKafkaConsumer, name: tuple[str, int]) -> int | None:
    """Where the next fetch starts, None when the partition is not assigned or not placed."""
    state = state_of(consumer, name)
    return state.position if state is not None and state.has_valid_position else None


def _as_parsed(_: TopicPartition, record: Record) -> Record:
    return record
