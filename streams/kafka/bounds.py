"""Where partitions begin and end, uncommitted records included.

A log counts as read to its end only when nothing that was appended is still to
come: records of an open transaction have their append time already.  The end is
taken from the answer to a fetch, because the embedded broker's answer to the
question for the latest offset is the place behind the first record of its last
batch.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.errors import BadSettings, Transient
from streams.kafka import records
from streams.kafka.clients import confluent_consumer_config
from streams.settings import KafkaSettings

_TIMEOUT_S = 4.0
_PAUSE_S = 0.05
_LEADERLESS = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)
T = TypeVar("T")
Bounds = Mapping[str, tuple[int, int]]
"""First offset and end of the partition, by topic."""


def watermarks(consumer: Consumer, place: TopicPartition, timeout_s: float = _TIMEOUT_S) -> tuple[int, int]:
    """First offset and end of a partition, as brokers say; raises `KafkaException`, `Transient` where they do not."""
    answer = with_leaders(lambda: consumer.get_watermark_offsets(place, timeout=timeout_s), timeout_s)
    if answer is None:
        raise Transient(f"Kafka did not say where {place.topic}/{place.partition} begins and ends")
    return answer


def offsets_since(
    consumer: Consumer, places: Sequence[TopicPartition], timeout_s: float = _TIMEOUT_S
) -> list[TopicPartition]:
    """Per partition the first offset that was appended at the place's time or later, -1 where nothing was.

    Raises `KafkaException` where brokers refuse or do not answer.
    """

    def ask() -> list[TopicPartition]:
        answers: list[TopicPartition] = consumer.offsets_for_times(list(places), timeout=timeout_s)
        if failed := [answer.error for answer in answers if answer.error is not None]:
            raise KafkaException(failed[0])
        return answers

    return with_leaders(ask, timeout_s)


def with_leaders(ask: Callable[[], T], limit_s: float) -> T:
    """The answer of brokers that may just be choosing the leader of a partition.

    A broker that has not yet heard that it leads a new topic, or that led until a moment ago, refuses to answer for
    it, and clients do not always ask again by themselves.
    """
    until = time.monotonic() + limit_s
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in _LEADERLESS or time.monotonic() > until:
                raise
        time.sleep(_PAUSE_S)


class LogEnds:
    """Asks the brokers; calls may raise `Transient`."""

    def __init__(self, kafka: KafkaSettings, topics: Sequence[str]) -> None:
        self._prefix = kafka.prefix
        self._topics = topics
        config = confluent_consumer_config(kafka, f"{kafka.prefix}attribution-ends")
        ours = {"isolation.level": "read_uncommitted", "enable.partition.eof": True, "fetch.wait.max.ms": 10}
        self._consumer = Consumer(dict(config | ours))
        self._lock = threading.Lock()

    async def of(self, partition: int) -> Bounds:
        """First offset and end of a partition of each of the topics."""
        return await asyncio.to_thread(self._of, partition)

    async def at_time(self, tp: records.TopicPartition, time_ms: int) -> int:
        """The first offset that was appended at `time_ms` or later; the end where nothing was."""
        return await asyncio.to_thread(self._at_time, tp, time_ms)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _at_time(self, tp: records.TopicPartition, time_ms: int) -> int:
        with self._lock:
            return _offset_at(self._consumer, self._prefix, tp, time_ms)

    def _of(self, partition: int) -> Bounds:
        with self._lock:
            try:
                return {topic: self._ask(topic, partition) for topic in self._topics}
            except KafkaException as error:
                raise Transient(f"Kafka does not answer: {error.args[0].str()}") from None

    def _ask(self, topic: str, partition: int) -> tuple[int, int]:
        where = TopicPartition(self._prefix + topic, partition)
        bounds = watermarks(self._consumer, where)
        self._consumer.assign([TopicPartition(where.topic, partition, bounds[1])])
        try:
            return bounds[0], self._end(where)
        finally:
            self._consumer.unassign()

    def _end(self, where: TopicPartition) -> int:
        message = self._consumer.poll(_TIMEOUT_S)
        error = message.error() if message is not None else None
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        bounds = self._consumer.get_watermark_offsets(where, cached=True)
        if message is None or bounds is None or bounds[1] < 0:
            raise Transient(f"Kafka did not say where {where.topic}/{where.partition} ends")
        return bounds[1]

    def _close(self) -> None:
        with self._lock:
            self._consumer.close()


def first_since(kafka: KafkaSettings, tp: records.TopicPartition, time_ms: int) -> int:
    """The first offset that was appended at `time_ms` or later, the end where nothing was; may raise `Transient`."""
    consumer = Consumer(dict(confluent_consumer_config(kafka, f"{kafka.prefix}bounds")))
    try:
        return _offset_at(consumer, kafka.prefix, tp, time_ms)
    finally:
        consumer.close()


def log_bounds(
    kafka: KafkaSettings, topics: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, list[tuple[int, int]]]:
    """First offset and end of each partition of topics (names without prefix).

    The end is where a reader of committed records meets it: what brokers answer
    when asked for the latest offset is not always that (the embedded one names
    the first record of its last batch).

    Raises `BadSettings` when a topic is missing that is not `optional`, and `Transient` when no broker answers.
    """
    config = {**confluent_consumer_config(kafka, f"{kafka.prefix}bounds"), "enable.partition.eof": True}
    consumer = Consumer(config)
    try:
        metadata = consumer.list_topics(timeout=_TIMEOUT_S).topics
        topics = [name for name in topics if name not in optional or kafka.prefix + name in metadata]
        answers = {tp: watermarks(consumer, tp) for tp in _partitions(kafka, topics, metadata)}
        ends = _ends(consumer, answers)
    except KafkaException as error:
        raise unanswered(kafka, error.args[0].str()) from None
    finally:
        consumer.close()
    bounds: dict[str, list[tuple[int, int]]] = {topic: [] for topic in topics}
    for tp, (first, _) in answers.items():
        bounds[tp.topic.removeprefix(kafka.prefix)].append((first, ends[tp.topic, tp.partition]))
    return bounds


def _offset_at(consumer: Consumer, prefix: str, tp: records.TopicPartition, time_ms: int) -> int:
    where = TopicPartition(prefix + tp.topic, tp.partition, max(0, time_ms))
    try:
        since = offsets_since(consumer, [where])[0].offset
        return watermarks(consumer, where)[1] if since < 0 else since
    except KafkaException as error:
        raise Transient(f"Kafka did not say what of {tp} was appended since {time_ms}: {error.args[0].str()}") from None


def unanswered(kafka: KafkaSettings, why: object) -> Transient:
    """The error of brokers that do not answer."""
    return Transient(
        f"Kafka at {kafka.bootstrap} does not answer: {why}. "
        "Check kafka.bootstrap and that the brokers run; `reshelf doctor` says more."
    )


def _partitions(kafka: KafkaSettings, topics: Sequence[str], metadata: Mapping[str, Any]) -> Iterator[TopicPartition]:
    for topic in topics:
        listed = metadata.get(kafka.prefix + topic)
        if listed is None or not listed.partitions:
            raise BadSettings(
                f"topic {kafka.prefix + topic!r} does not exist at {kafka.bootstrap}. "
                "Check kafka.prefix, or create the topics with `reshelf topics apply`."
            )
        yield from (TopicPartition(kafka.prefix + topic, partition) for partition in sorted(listed.partitions))


def _ends(consumer: Consumer, said: Mapping[TopicPartition, tuple[int, int]]) -> dict[tuple[str, int], int]:
    """Where a reader meets the end of each partition; of topics that this user may not read, what brokers say."""
    answered = {(tp.topic, tp.partition): end for tp, (_, end) in said.items()}
    consumer.assign([TopicPartition(tp.topic, tp.partition, end) for tp, (_, end) in said.items()])
    ends: dict[tuple[str, int], int] = {}
    until = time.monotonic() + _TIMEOUT_S
    while len(ends) < len(said):
        message = consumer.poll(0.1)
        if message is not None and (error := message.error()) is not None:
            place = message.topic() or "", message.partition() or 0
            if error.code() == KafkaError._PARTITION_EOF:
                ends[place] = message.offset() or 0
            elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED and place in answered:
                ends[place] = answered[place]
            else:
                raise KafkaException(error)
        if time.monotonic() > until:
            raise Transient("Kafka did not show the end of every partition in time")
    return ends
