"""Dead letters: the last ones, to look into, and how many there are by reason."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from schemas import dead_letters
from schemas.errors import BadRecord
from schemas.topics import DEAD_LETTERS
from streams.kafka.clients import confluent_consumer_config
from streams.kafka.reader import partitions
from streams.settings import KafkaSettings

LAST = 200
"""Letters of each partition to begin with, and letters that are kept in all."""
SHOWN_BYTES = 4_000
TIMEOUT_S = 5.0


class Seen(NamedTuple):
    """A letter and when it was skipped, milliseconds."""

    at: int
    letter: dead_letters.DeadLetter


class RecentDeadLetters:
    """Follows the topic of dead letters from its last records on; `reasons` counts those read by topic and reason."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.last: deque[Seen] = deque(maxlen=LAST)
        self._kafka = kafka
        self._consumer: Consumer | None = None
        self._skipped = 0

    @property
    def total(self) -> int:
        """Letters on the topic, those before the last ones included."""
        return self._skipped + sum(self.reasons.values())

    def read(self) -> None:
        """Take over what came; blocks for a moment.  A broker that is away is tried again the next time."""
        try:
            consumer = self._opened()
            for message in consumer.consume(1_000, timeout=0.05):
                if message.error() is None:
                    self._take(message)
        except KafkaException:
            return

    def close(self) -> None:
        """Leave the broker."""
        if self._consumer is not None:
            self._consumer.close()

    def as_json(self) -> dict[str, Any]:
        """The letters as a page shows them, newest first."""
        return {
            "total": self.total,
            "reasons": [
                {"topic": topic, "reason": reason, "letters": count, "remedy": dead_letters.REASONS.get(reason, "")}
                for (topic, reason), count in self.reasons.most_common()
            ],
            "last": [_row(record) for record in reversed(self.last)],
        }

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
        for place in partitions(consumer, self._kafka.prefix + DEAD_LETTERS.name):
            first, end = consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)
            begin = max(first, end - LAST)
            self._skipped += begin - first
            yield TopicPartition(place.topic, place.partition, begin)

    def _take(self, message: Message) -> None:
        key, value = message.key(), message.value()
        try:
            letter = dead_letters.read(dead_letters.headers_of(message), key, value)
        except BadRecord as error:
            letter = dead_letters.DeadLetter("", 0, 0, "unknown", error.detail, key, value)
        self.reasons[letter.topic, letter.reason] += 1
        self.last.append(Seen(message.timestamp()[1], letter))


def _row(record: Seen) -> dict[str, Any]:
    letter = record.letter
    return {
        "at": record.at,
        "topic": letter.topic,
        "place": f"{letter.partition}:{letter.offset}",
        "reason": letter.reason,
        "detail": letter.detail,
        "key": _text(letter.key),
        "value": _text(letter.value),
        "headers": [[name, _text(content)] for name, content in letter.headers],
    }


def _text(content: bytes | str | None) -> str | None:
    if content is None or isinstance(content, str):
        return content
    more = f" … ({len(content):,} bytes)" if len(content) > SHOWN_BYTES else ""
    return content[:SHOWN_BYTES].decode(errors="backslashreplace") + more
