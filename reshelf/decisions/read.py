"""The decision log's sources: the event topics, judged as the learner judges them, and the layouts' history."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from confluent_kafka import Message
from msgspec import Struct

from reshelf.decisions.clock import Clock
from reshelf.reading import partitions, reader, to_the_end
from schemas.codec import decoder
from schemas.errors import BadRecord
from schemas.messages import Layout, PolicyParameters
from schemas.topics import CLICKS, CONVERSIONS, IMPRESSIONS, LAYOUTS_HISTORY, POLICY_PARAMETERS, Topic
from streams.fold.judge import Accepted, Judge
from streams.layouts.catalog import READ_TOPICS, Catalog
from streams.records import TopicPartition
from streams.settings import FoldSettings, KafkaSettings

RUN = 10_000
FOLDED = (IMPRESSIONS, CLICKS, CONVERSIONS)
Log = dict[TopicPartition, list[Accepted]]


class Read(NamedTuple):
    """A record as the judge takes it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Named(Struct, frozen=True):
    """Which layout a record of the history is."""

    page: str
    version: int


def events(kafka: KafkaSettings, fold: FoldSettings, clock: Clock | None = None) -> Log:
    """What the topics hold that the learner accepts, by partition, in the order of the log; `clock` is told its time.

    Quotas of names are left out: a name too many is still a decision.
    """
    found: Log = {}
    for topic in FOLDED:
        judges: dict[int, Judge] = {}
        for partition, records in _runs(kafka, topic):
            judge = judges.setdefault(partition, Judge(topic, fold, built=False))
            tp = TopicPartition(topic.name, partition)
            found.setdefault(tp, []).extend(judge.judge(records).accepted)
            if clock:
                clock.read(tp, records)
    return found


def history(kafka: KafkaSettings, wanted: Container[tuple[str, int]]) -> list[Layout]:
    """The layouts of the history whose page and version are wanted; a record that cannot be read is skipped."""
    name_of, decode, found = decoder(Named), decoder(Layout), []
    for _, records in _runs(kafka, LAYOUTS_HISTORY):
        for record in records:
            with suppress(BadRecord):
                value = record.value or b""
                name = name_of(value)
                if (name.page, name.version) in wanted:
                    found.append(decode(value))
    return found


def catalog(kafka: KafkaSettings, topics: Sequence[Topic] = READ_TOPICS) -> Catalog:
    """Items, pages and parameters as the compacted topics have them now, or just what some of them say."""
    found = Catalog()
    for topic in topics:
        for partition, records in _runs(kafka, topic):
            found.expect(topic, partition + 1)
            found.take(topic, partition, records)
    return found


def parameters(kafka: KafkaSettings) -> dict[str, list[PolicyParameters]]:
    """All parameters of each page that compaction has left."""
    decode, found = decoder(PolicyParameters), dict[str, list[PolicyParameters]]()
    for _, records in _runs(kafka, POLICY_PARAMETERS):
        for record in records:
            with suppress(BadRecord):
                fit = decode(record.value or b"")
                found.setdefault(fit.page, []).append(fit)
    return found


def _runs(kafka: KafkaSettings, topic: Topic) -> Iterator[tuple[int, list[Read]]]:
    """The records of a topic as it is now, some of one partition at a time, each partition in order."""
    with reader(kafka) as consumer:
        runs: dict[int, list[Read]] = {}
        for message in to_the_end(consumer, partitions(consumer, kafka.prefix + topic.name)):
            partition = message.partition() or 0
            run = runs.setdefault(partition, [])
            if message.error() is None:
                run.append(read_of(message))
            if run and (len(run) == RUN or message.error() is not None):
                yield partition, run
                runs[partition] = []


def read_of(message: Message) -> Read:
    """A message as the judge takes it."""
    key, value = message.key(), message.value()
    return Read(
        message.offset() or 0,
        message.timestamp()[1],
        key.encode() if isinstance(key, str) else key,
        value.encode() if isinstance(value, str) else value,
    )
