"""Reads catalog items and vectors to the ends of their topics, and writes vectors, tombstones and dead letters.

Clients come configured from outside; this room knows no settings.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from schemas.dead_letters import DeadLetter
from schemas.errors import Transient
from schemas.topic import Topic
from schemas.topics import DEAD_LETTERS

BATCH = 5_000
WAIT_S = 30.0


class VectorReader:
    """Reads catalog-items and catalog-embeddings, always from their beginnings; `prefix` is put before topic names."""

    def __init__(self, config: Mapping[str, Any], prefix: str) -> None:
        self._prefix = prefix
        self._consumer = Consumer({**config, "enable.partition.eof": True, "fetch.wait.max.ms": 50})

    def partitions(self, topic: Topic) -> list[TopicPartition]:
        """All partitions at their beginnings; raises `Transient` where there is no such topic."""
        name = self._prefix + topic.name
        metadata = self._consumer.list_topics(name, timeout=WAIT_S).topics[name]
        if metadata.error is not None or not metadata.partitions:
            raise Transient(f"Topic {name} is not there: {metadata.error}. Create it with `reshelf topics apply`.")
        return [TopicPartition(name, number, OFFSET_BEGINNING) for number in sorted(metadata.partitions)]

    def to_the_end(self, topic: Topic) -> Iterator[Message]:
        """Every record up to the present end; then `more` goes on from there."""
        places = self.partitions(topic)
        self._consumer.assign(places)
        unread, last = {place.partition for place in places}, time.monotonic()
        while unread:
            if time.monotonic() - last > WAIT_S:
                raise Transient(f"{places[0].topic} could not be read to its end: silent for {WAIT_S:.0f} s.")
            for message in self._consumer.consume(BATCH, timeout=0.05):
                last = time.monotonic()
                if message.topic() != places[0].topic:
                    continue  # a mark of the topic before, on its way when this one was assigned
                if _ended(message):
                    unread.discard(message.partition() or 0)
                else:
                    yield message

    def more(self, timeout: float) -> list[Message]:
        """Records that have arrived; waits up to `timeout` seconds for a first record."""
        first = self._consumer.consume(1, timeout=timeout)
        rest = self._consumer.consume(BATCH, timeout=0.0) if first else []
        return [message for message in (*first, *rest) if not _ended(message)]

    def committed(self, topic: Topic) -> dict[int, int]:
        """By partition, the offset up to which a worker before this one had done everything."""
        offsets = self._consumer.committed(self.partitions(topic), timeout=WAIT_S)
        return {place.partition: max(0, place.offset) for place in offsets}

    def commit(self) -> None:
        """Commit everything that was read as done."""
        places = [place for place in self._consumer.position(self._consumer.assignment()) if place.offset >= 0]
        if places:
            self._consumer.commit(offsets=places, asynchronous=False)

    def close(self) -> None:
        self._consumer.close()


class VectorProducer:
    """Writes vectors, tombstones and dead letters."""

    def __init__(self, config: Mapping[str, Any], prefix: str) -> None:
        self._prefix = prefix
        self._producer = Producer(dict(config))
        self._error: KafkaError | None = None

    def send(self, topic: Topic, key: bytes, value: bytes | None) -> None:
        """Hand over one record; it is on its way, not yet acknowledged."""
        self._produce(self._prefix + topic.name, key=key, value=value)

    def dead_letter(self, letter: DeadLetter) -> None:
        headers: Any = letter.to_headers()
        self._produce(self._prefix + DEAD_LETTERS.name, key=letter.key, value=letter.value, headers=headers)

    def flush(self) -> None:
        """Wait until all is acknowledged; raises `Transient` when something was refused."""
        left = self._producer.flush(WAIT_S)
        if left or self._error is not None:
            reason = self._error or f"{left} were not acknowledged"
            raise Transient(f"Kafka did not accept all vectors: {reason}. Start again.")

    def _produce(self, topic: str, **record: Any) -> None:
        while True:
            try:
                self._producer.produce(topic, on_delivery=self._note_error, **record)
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def _note_error(self, error: KafkaError | None, _: Message) -> None:
        self._error = error or self._error


def _ended(message: Message) -> bool:
    """Whether it is the mark of a partition's end; raises other errors."""
    error = message.error()
    if error is None:
        return False
    if error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    return True
