"""Reading the ends of event topics beside the workers that count them: a reader of its own, in no group.

A record counts as the workers judge it.  Reading begins some records before the end of each partition, so that
restarts cost little; what comes of it is recorded in the parameters that are published.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from schemas.errors import Transient
from schemas.topic import Topic
from schemas.topics import IMPRESSIONS
from streams.fold.fast.path import BUILT
from streams.fold.judge import Judge
from streams.kafka.bounds import log_bounds
from streams.kafka.clients import confluent_consumer_config, ends_partition
from streams.kafka.records import Logged
from streams.settings import FoldSettings, KafkaSettings

_RECORDS = 5_000
_WAIT_S = 0.5


class LogReader(ABC):
    """Reads topics as they come, from `read_back` records before their ends on; calls may raise `Transient`.

    When it begins it reads one topic after the other up to where it ends then, and has `caught_up` once it did.
    `counting` guards what is counted.
    """

    def __init__(
        self, name: str, kafka: KafkaSettings, fold: FoldSettings, topics: Sequence[Topic], read_back: int
    ) -> None:
        self.counting = threading.Lock()
        self.caught_up = False
        self._name = name
        self._kafka = kafka
        self._fold = fold
        self._topics = {kafka.prefix + topic.name: topic for topic in topics}
        self._read_back = read_back
        self._consumer: Consumer | None = None
        self._judges: dict[tuple[str, int], Judge] = {}
        self._unread: set[int] = set()
        self._reading = threading.Lock()

    @abstractmethod
    def begin(self) -> None:
        """Forget what was counted."""

    @abstractmethod
    def count(self, messages: Sequence[Message]) -> None:
        """Count records, each partition's in the order of the log."""

    async def start(self) -> None:
        """Read up to where the topics end now; raises `BadSettings` when one does not exist."""
        await asyncio.to_thread(self._start)

    async def follow(self) -> None:
        """Take in what is new."""
        await asyncio.to_thread(self._read)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def accepted(self, messages: Iterable[Message]) -> Iterator[Any]:
        """The events of records that count, each partition's in the order of the log."""
        runs: dict[tuple[str, int], list[Logged]] = {}
        for message in messages:
            record = Logged(message.offset() or 0, message.timestamp()[1], message.key(), message.value())
            runs.setdefault((message.topic() or "", message.partition() or 0), []).append(record)
        for place, run in runs.items():
            for accepted in self._judge(place).judge(run).accepted:
                yield accepted.event

    def _judge(self, place: tuple[str, int]) -> Judge:
        if place not in self._judges:
            topic = self._topics[place[0]]
            # Compiled code makes no objects of impressions.
            self._judges[place] = Judge(topic, self._fold, built=BUILT and topic is not IMPRESSIONS)
        return self._judges[place]

    def _start(self) -> None:
        bounds = log_bounds(self._kafka, [topic.name for topic in self._topics.values()])
        config = confluent_consumer_config(self._kafka, f"{self._kafka.prefix}{self._name}")
        self._close()
        with self._reading, self.counting:
            self._consumer, self.caught_up = Consumer(dict(config) | {"enable.partition.eof": True}), False
            self._judges = {}
            self.begin()
        for name, topic in self._topics.items():
            spans = bounds[topic.name]
            self._unread = set(range(len(spans)))
            places = [
                TopicPartition(name, number, max(first, end - self._read_back))
                for number, (first, end) in enumerate(spans)
            ]
            with self._reading:
                if self._consumer is None:
                    return
                self._consumer.incremental_assign(places)
            while self._unread:
                self._read()
        self.caught_up = True

    def _read(self) -> None:
        with self._reading:
            messages = self._consumer.consume(_RECORDS, _WAIT_S) if self._consumer else []
            if self._consumer is None:
                self._unread = set()
        failures = [
            message for message in messages if message.error() is not None and not ends_partition(message, self._unread)
        ]
        with self.counting:
            self.count([message for message in messages if message.error() is None])
        if any(error is not None and error.code() == KafkaError._AUTO_OFFSET_RESET for error in map(_error, failures)):
            self._start()
        elif failures and len(failures) == len(messages):
            names = " and ".join(topic.name for topic in self._topics.values())
            raise Transient(f"{names} cannot be read: {failures[0].error()}")

    def _close(self) -> None:
        with self._reading:
            if self._consumer is not None:
                self._consumer.close()
                self._consumer = None


def _error(message: Message) -> KafkaError | None:
    return message.error()
