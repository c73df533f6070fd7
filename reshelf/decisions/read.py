"""The decision log's sources: the event topics, judged as the learner judges them, and the layouts' history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from confluent_kafka import Message

from reshelf.reading import partitions, reader, to_the_end
from schemas.codec import decoder
from schemas.errors import BadRecord
from schemas.messages import Layout
from schemas.topics import CLICKS, CONVERSIONS, IMPRESSIONS, LAYOUTS_HISTORY, Topic
from streams.fold.judge import Accepted, Judge
from streams.layouts.catalog import READ_TOPICS, Catalog
from streams.records import TopicPartition
from streams.settings import FoldSettings, KafkaSettings

FOLDED = (IMPRESSIONS, CLICKS, CONVERSIONS)
Log = dict[TopicPartition, list[Accepted]]


class Read(NamedTuple):
    """A record as the judge takes it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def events(kafka: KafkaSettings, fold: FoldSettings) -> Log:
    """What the topics hold that the learner accepts, by partition, in the order of the log.

    Quotas of names are left out: a name too many is still a decision.
    """
    found: Log = {}
    for topic in FOLDED:
        for partition, records in _by_partition(kafka, topic):
            accepted = Judge(topic, fold, built=False).judge(records).accepted
            found[TopicPartition(topic.name, partition)] = accepted
    return found


def history(kafka: KafkaSettings) -> list[Layout]:
    """Every layout of the history that can be read."""
    decode, found = decoder(Layout), []
    for _, records in _by_partition(kafka, LAYOUTS_HISTORY):
        for record in records:
            try:
                found.append(decode(record.value or b""))
            except BadRecord:
                continue
    return found


def catalog(kafka: KafkaSettings) -> Catalog:
    """Items, pages and parameters as the compacted topics have them now."""
    found = Catalog()
    for topic in READ_TOPICS:
        for partition, records in _by_partition(kafka, topic):
            found.expect(topic, partition + 1)
            found.take(topic, partition, records)
    return found


def _by_partition(kafka: KafkaSettings, topic: Topic) -> Iterator[tuple[int, list[Read]]]:
    with reader(kafka) as consumer:
        places = partitions(consumer, kafka.prefix + topic.name)
        messages = [message for message in to_the_end(consumer, places) if message.error() is None]
    messages.sort(key=lambda message: (message.partition() or 0, message.offset() or 0))
    for partition, some in groupby(messages, key=lambda message: message.partition() or 0):
        yield partition, [read_of(message) for message in some]


def read_of(message: Message) -> Read:
    """A message as the judge takes it."""
    key, value = message.key(), message.value()
    return Read(
        message.offset() or 0,
        message.timestamp()[1],
        key.encode() if isinstance(key, str) else key,
        value.encode() if isinstance(value, str) else value,
    )
