"""Purchases as the fitter reads them: which items were bought in one order.

A reader of its own, in no group.  A record counts as attribution judges it, duplicates
and invalid ones do not.  It begins `READ_BACK` records before the end, so that restarts cost little;
what came of it is recorded in the parameters that are published.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Sequence

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from policy.model.complements import Baskets, complements
from schemas.errors import Transient
from schemas.topics import PURCHASES
from streams.fold.judge import Judge
from streams.kafka.bounds import log_bounds
from streams.kafka.clients import confluent_consumer_config, ends_partition
from streams.kafka.records import Logged
from streams.settings import FoldSettings, KafkaSettings

READ_BACK = 200_000
"""Purchases of each partition that are read when the fitter starts."""
MOST_ORDERS = 1_000_000
"""How many orders are counted before all counts are halved: habits change, and memory ends."""
_RECORDS = 5_000
_WAIT_S = 0.5


class PurchaseReader:
    """Counts the orders of events-purchases as they come; calls may raise `Transient`."""

    def __init__(self, kafka: KafkaSettings, fold: FoldSettings) -> None:
        self.revision: object = object()
        """A new object whenever orders were counted."""
        self._kafka = kafka
        self._fold = fold
        self._topic = kafka.prefix + PURCHASES.name
        self._consumer: Consumer | None = None
        self._baskets = Baskets()
        self._judges: list[Judge] = []
        self._unread: set[int] = set()
        self._reading = threading.Lock()
        self._counting = threading.Lock()

    async def start(self) -> None:
        """Read up to where the topic ends now; raises `BadSettings` when it does not exist."""
        await asyncio.to_thread(self._start)
        while self._unread:
            await self.follow()

    async def follow(self) -> None:
        """Take in what is new."""
        await asyncio.to_thread(self._read)

    def complements(self, among: Collection[str]) -> dict[str, list[str]]:
        """What goes together among these items, by the orders counted so far."""
        with self._counting:
            return complements(self._baskets, among)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _start(self) -> None:
        spans = log_bounds(self._kafka, [PURCHASES.name])[PURCHASES.name]
        config = confluent_consumer_config(self._kafka, f"{self._kafka.prefix}fitter-purchases")
        places = [max(first, end - READ_BACK) for first, end in spans]
        self._close()
        with self._reading, self._counting:
            self._consumer = Consumer(dict(config) | {"enable.partition.eof": True})
            self._consumer.assign([TopicPartition(self._topic, number, at) for number, at in enumerate(places)])
            self._baskets, self._unread = Baskets(), set(range(len(spans)))
            self._judges = [Judge(PURCHASES, self._fold) for _ in spans]

    def _read(self) -> None:
        with self._reading:
            messages = self._consumer.consume(_RECORDS, _WAIT_S) if self._consumer else []
        failures = [
            message for message in messages if message.error() is not None and not ends_partition(message, self._unread)
        ]
        with self._counting:
            self._count([message for message in messages if message.error() is None])
        if any(error is not None and error.code() == KafkaError._AUTO_OFFSET_RESET for error in map(_error, failures)):
            self._start()
        elif failures and len(failures) == len(messages):
            raise Transient(f"events-purchases cannot be read: {failures[0].error()}")

    def _count(self, messages: Sequence[Message]) -> None:
        """Each partition's records, in the order of the log, through its judge."""
        runs: dict[int, list[Logged]] = {}
        for message in messages:
            record = Logged(message.offset() or 0, message.timestamp()[1], message.key(), message.value())
            runs.setdefault(message.partition() or 0, []).append(record)
        for number, run in runs.items():
            for accepted in self._judges[number].judge(run).accepted:
                self._baskets.add(line.item for line in accepted.event.lines)
                self.revision = object()
        if self._baskets.orders >= MOST_ORDERS:
            self._baskets.halve()

    def _close(self) -> None:
        with self._reading:
            if self._consumer is not None:
                self._consumer.close()
                self._consumer = None


def _error(message: Message) -> KafkaError | None:
    return message.error()
