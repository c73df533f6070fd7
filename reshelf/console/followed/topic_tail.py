"""The records of a topic from its beginning, or the last ones, then as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from schemas.topic import Topic
from streams.kafka.bounds import watermarks
from streams.kafka.clients import confluent_consumer_config
from streams.kafka.reader import partitions
from streams.settings import KafkaSettings

AT_A_TIME = 1_000
MOST_AT_A_TIME = 100 * AT_A_TIME
"""The rest is for the next time: where records never end, whoever reads does."""
TIMEOUT_S = 5.0
WAIT_S = 0.05
Take = Callable[[bytes, bytes | None], None]


def keyed(take: Take) -> Callable[[Message], None]:
    """Of records that have a key, key and value, None for a tombstone."""

    def take_keyed(message: Message) -> None:
        if isinstance(key := message.key(), bytes):
            take(key, message.value() or None)

    return take_keyed


class TopicTail:
    """Hands on each record, a partition in its order; `skipped` counts those before the `last` of each partition."""

    def __init__(
        self, kafka: KafkaSettings, topic: Topic, take: Callable[[Message], None], last: int | None = None
    ) -> None:
        self.skipped = 0
        self._kafka = kafka
        self._topic = topic
        self._take = take
        self._last = last
        self._consumer: Consumer | None = None
        self._lock = threading.Lock()

    def read(self) -> None:
        """Hand on what came; blocks for a moment.  A broker that is away is tried again the next time."""
        with self._lock:
            try:
                consumer = self._opened()
                for _ in range(0, MOST_AT_A_TIME, AT_A_TIME):
                    messages = consumer.consume(AT_A_TIME, timeout=WAIT_S)
                    for message in messages:
                        if message.error() is None:
                            self._take(message)
                    if not messages:
                        return
            except KafkaException:
                return

    def close(self) -> None:
        """Leave the broker."""
        if self._consumer is not None:
            self._consumer.close()

    def _opened(self) -> Consumer:
        if self._consumer is None:
            consumer = Consumer(confluent_consumer_config(self._kafka, f"{self._kafka.prefix}console"))
            try:
                consumer.assign(list(self._starts(consumer)))
            except BaseException:
                consumer.close()
                raise
            self._consumer = consumer
        return self._consumer

    def _starts(self, consumer: Consumer) -> Iterator[TopicPartition]:
        for place in partitions(consumer, self._kafka.prefix + self._topic.name):
            first, end = watermarks(consumer, place, TIMEOUT_S)
            begin = first if self._last is None else max(first, end - self._last)
            self.skipped += begin - first
            yield TopicPartition(place.topic, place.partition, begin)
