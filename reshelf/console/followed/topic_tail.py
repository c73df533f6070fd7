"""The records of a topic from its beginning, then as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.topic import Topic
from streams.kafka.bounds import watermarks
from streams.kafka.clients import confluent_consumer_config
from streams.kafka.reader import partitions
from streams.settings import KafkaSettings

AT_A_TIME = 1_000
TIMEOUT_S = 5.0
WAIT_S = 0.05
Take = Callable[[bytes, bytes | None], None]


class TopicTail:
    """Hands on key and value of each record that has a key, None for a tombstone; a partition in its order."""

    def __init__(self, kafka: KafkaSettings, topic: Topic, take: Take) -> None:
        self._kafka = kafka
        self._topic = topic
        self._take = take
        self._consumer: Consumer | None = None
        self._lock = threading.Lock()

    def read(self) -> None:
        """Hand on what came; blocks for a moment.  A broker that is away is tried again the next time."""
        with self._lock:
            try:
                consumer = self._opened()
                while messages := consumer.consume(AT_A_TIME, timeout=WAIT_S):
                    for message in messages:
                        if message.error() is None and isinstance(key := message.key(), bytes):
                            self._take(key, message.value() or None)
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
                places = partitions(consumer, self._kafka.prefix + self._topic.name)
                starts = [(place, watermarks(consumer, place, TIMEOUT_S)[0]) for place in places]
                consumer.assign([TopicPartition(place.topic, place.partition, first) for place, first in starts])
            except BaseException:
                consumer.close()
                raise
            self._consumer = consumer
        return self._consumer
