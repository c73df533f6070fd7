"""Where a replay reads from: the topics, by librdkafka."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from schemas.errors import Transient
from streams.clients import confluent_consumer_config
from streams.namespace import log_bounds
from streams.records import TopicPartition
from streams.settings import KafkaSettings

POLL_RECORDS = 20_000
SILENT_S = 30.0


class Logged(msgspec.Struct, frozen=True, gc=False):
    """A record of the log."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


Span = tuple[int, int]
"""First offset and the one after the last."""


class Source(Protocol):
    """Records of event topics, however they are kept."""

    def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Span]:
        """What there is of each partition; raises `BadSettings` where a topic is missing."""

    def at_time(self, topics: Sequence[str], time_ms: int) -> dict[TopicPartition, int]:
        """The first offset of each partition that was appended at `time_ms` or later."""

    def records(self, spans: Mapping[TopicPartition, Span]) -> Iterator[tuple[TopicPartition, list[Logged]]]:
        """All records of these spans: runs of one partition, in the order of their offsets."""


class KafkaSource:
    """The topics of the settings; with `headers` records have theirs, which no verdict depends on."""

    def __init__(self, kafka: KafkaSettings, *, headers: bool = False) -> None:
        self._kafka = kafka
        self._headers = headers

    def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Span]:
        found = log_bounds(self._kafka, list(topics))
        return {TopicPartition(name, at): span for name, spans in found.items() for at, span in enumerate(spans)}

    def at_time(self, topics: Sequence[str], time_ms: int) -> dict[TopicPartition, int]:
        """Asks the broker's index; where nothing was appended since, the partition's end."""
        bounds = self.bounds(topics)
        consumer = self._consumer()
        try:
            asked = [KafkaPartition(self._kafka.prefix + tp.topic, tp.partition, time_ms) for tp in bounds]
            told = consumer.offsets_for_times(asked, timeout=SILENT_S)
        except KafkaException as error:
            raise Transient(f"Kafka does not say where {time_ms} is: {error.args[0].str()}") from None
        finally:
            consumer.close()
        return {tp: one.offset if one.offset >= 0 else bounds[tp][1] for tp, one in zip(bounds, told, strict=True)}

    def records(self, spans: Mapping[TopicPartition, Span]) -> Iterator[tuple[TopicPartition, list[Logged]]]:
        """One partition after another: a record whose partition is known need not be asked for it."""
        consumer = self._consumer()
        try:
            for tp, (first, end) in spans.items():
                consumer.assign([KafkaPartition(self._kafka.prefix + tp.topic, tp.partition, first)])
                for run in self._runs(consumer, first, end):
                    yield tp, run
        finally:
            consumer.close()

    def _runs(self, consumer: Consumer, at: int, end: int) -> Iterator[list[Logged]]:
        """Never asks for more than there is: a full answer comes at once, a short one after its time."""
        last = time.monotonic()
        while at < end:
            messages = consumer.consume(min(POLL_RECORDS, end - at), 0.5)
            ended = any(_is_end(message) for message in messages[-1:])
            run = _logged([message for message in messages if message.error() is None], self._headers)
            if run:
                at, run = run[-1].offset + 1, [one for one in run if one.offset < end]
            if run:
                yield run
            if ended:
                return
            if messages:
                last = time.monotonic()
            elif time.monotonic() - last > SILENT_S:
                raise Transient(f"Kafka sent nothing for {SILENT_S:.0f} s; run the same command again to go on")

    def _consumer(self) -> Consumer:
        config = confluent_consumer_config(self._kafka, f"{self._kafka.prefix}replay")
        return Consumer(
            config | {"enable.partition.eof": True, "queued.max.messages.kbytes": 131_072, "fetch.wait.max.ms": 50}
        )


def _is_end(message: Any) -> bool:
    """Whether a message says that the partition ends here; raises `Transient` for other errors."""
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise Transient(f"Kafka: {error.str()}")
    return error is not None


def _logged(messages: Sequence[Any], headers: bool) -> list[Logged]:
    offsets = [message.offset() for message in messages]
    times = [message.timestamp()[1] for message in messages]
    keys, values = [message.key() for message in messages], [message.value() for message in messages]
    if not headers:
        return list(map(Logged, offsets, times, keys, values))
    return list(map(Logged, offsets, times, keys, values, (tuple(message.headers() or ()) for message in messages)))
