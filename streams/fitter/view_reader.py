"""Page views as the fitter reads them: impressions and clicks of the units in a sample.

A reader of its own, in no group.  A record counts as the learner judges it.  It begins `READ_BACK` records before the
end of each partition, impressions before clicks, so that restarts cost little and no page view lacks its clicks;
what came of it is recorded in the parameters that are published.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from schemas.errors import Transient
from schemas.messages.events import Click
from schemas.topic import Topic
from schemas.topics import CLICKS, IMPRESSIONS
from streams.fitter.view_sample import SampledView, ViewSample, unit_hash
from streams.fold.judge import Judge
from streams.kafka.bounds import log_bounds
from streams.kafka.clients import confluent_consumer_config, ends_partition
from streams.kafka.records import Logged
from streams.settings import FoldSettings, KafkaSettings

READ_BACK = 50_000
"""Records of each partition of both topics that are read when the fitter starts."""
_RECORDS = 5_000
_WAIT_S = 0.5


class ViewReader:
    """Samples page views as they come; calls may raise `Transient`."""

    def __init__(self, kafka: KafkaSettings, fold: FoldSettings, limit: int) -> None:
        self._kafka = kafka
        self._fold = fold
        self.limit = limit
        self._topics = {kafka.prefix + topic.name: topic for topic in (IMPRESSIONS, CLICKS)}
        self._consumer: Consumer | None = None
        self._judges: dict[tuple[str, int], Judge] = {}
        self._unread: set[int] = set()
        self._reading = threading.Lock()
        self._counting = threading.Lock()
        self._sample = ViewSample(limit)

    async def start(self) -> None:
        """Read up to where the topics end now; raises `BadSettings` when one does not exist."""
        if self.limit:
            await asyncio.to_thread(self._start)

    async def follow(self) -> None:
        """Take in what is new."""
        if self.limit:
            await asyncio.to_thread(self._read)
        else:
            await asyncio.sleep(60.0)

    def views(self, page: str) -> tuple[int, list[SampledView]]:
        """The sampled page views of a page, and how many of it ever were: a revision."""
        with self._counting:
            return self._sample.revision.get(page, 0), self._sample.views(page)

    def keep_pages(self, pages: Sequence[str]) -> None:
        """Forget all pages but these."""
        with self._counting:
            self._sample.keep_pages(pages)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _start(self) -> None:
        names = [topic.name for topic in self._topics.values()]
        bounds = log_bounds(self._kafka, names)
        config = confluent_consumer_config(self._kafka, f"{self._kafka.prefix}fitter-views")
        self._close()
        with self._reading, self._counting:
            self._consumer = Consumer(dict(config) | {"enable.partition.eof": True})
            self._sample, self._judges = ViewSample(self.limit), {}
        for topic in self._topics.values():
            spans = bounds[topic.name]
            self._unread = set(range(len(spans)))
            places = [
                TopicPartition(self._kafka.prefix + topic.name, number, max(first, end - READ_BACK))
                for number, (first, end) in enumerate(spans)
            ]
            with self._reading:
                if self._consumer is None:
                    return
                self._consumer.incremental_assign(places)
            while self._unread:
                self._read()

    def _read(self) -> None:
        with self._reading:
            messages = self._consumer.consume(_RECORDS, _WAIT_S) if self._consumer else []
            if self._consumer is None:
                self._unread = set()
        failures = [
            message for message in messages if message.error() is not None and not ends_partition(message, self._unread)
        ]
        with self._counting:
            self._count([message for message in messages if message.error() is None])
        if any(error is not None and error.code() == KafkaError._AUTO_OFFSET_RESET for error in map(_error, failures)):
            self._start()
        elif failures and len(failures) == len(messages):
            raise Transient(f"events cannot be read for the sample of page views: {failures[0].error()}")

    def _count(self, messages: Sequence[Message]) -> None:
        """The sampled units' records of each partition, in the order of the log, through its judge."""
        runs, forgotten = dict[tuple[str, int], list[Logged]](), list[int]()
        for message in messages:
            key = message.key()
            unit = unit_hash(key or b"")
            if key is None or not self._sample.units.has(unit):
                continue
            if message.value() is None:
                forgotten.append(unit)
            else:
                record = Logged(message.offset() or 0, message.timestamp()[1], key, message.value())
                runs.setdefault((message.topic() or "", message.partition() or 0), []).append(record)
        for place, run in runs.items():
            for accepted in self._judge(*place).judge(run).accepted:
                event = accepted.event
                (self._sample.click if isinstance(event, Click) else self._sample.see)(event)
        for unit in forgotten:
            self._sample.forget(unit)

    def _judge(self, topic: str, partition: int) -> Judge:
        place = topic, partition
        if place not in self._judges:
            declared: Topic = self._topics[topic]
            self._judges[place] = Judge(declared, self._fold, built=False)
        return self._judges[place]

    def _close(self) -> None:
        with self._reading:
            if self._consumer is not None:
                self._consumer.close()
                self._consumer = None


def _error(message: Message) -> KafkaError | None:
    return message.error()
