"""The decision log's sources: the event topics, judged as the learner judges them, and the layouts' history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from reshelf.evaluation.clock import Clock
from schemas.topic import Topic
from schemas.topics import FOLDED_TOPICS, LAYOUTS_HISTORY
from streams.fold.judge import Accepted, Judge
from streams.kafka.reader import read_runs
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings, KafkaSettings

Events = Iterator[tuple[TopicPartition, list[Accepted]]]
"""Some events of a partition at a time, in the order of its log."""


class Source(Protocol):
    """Where a decision log comes from."""

    def events(self, fold: FoldSettings, clock: Clock) -> Events:
        """All events that the learner accepts; `clock` gets the log's time."""

    def history(self) -> Iterable[list[bytes]]:
        """The layouts that were published, some at a time, as JSON."""


@dataclass(frozen=True, slots=True)
class KafkaLog:
    """The log that topics hold."""

    kafka: KafkaSettings

    def events(self, fold: FoldSettings, clock: Clock) -> Events:
        """As `Source` has it."""
        return accepted(self.kafka, fold, FOLDED_TOPICS, clock)

    def history(self) -> Iterator[list[bytes]]:
        """As `Source` has it."""
        for _, records in read_runs(self.kafka, LAYOUTS_HISTORY):
            yield [record.value or b"" for record in records]


def accepted(kafka: KafkaSettings, fold: FoldSettings, topics: Sequence[Topic], clock: Clock | None = None) -> Events:
    """What the topics hold that the learner accepts.

    Quotas of names are left out: a name too many is still a decision.
    """
    for topic in topics:
        judges: dict[int, Judge] = {}
        for partition, records in read_runs(kafka, topic):
            judge = judges.setdefault(partition, Judge(topic, fold, built=False))
            tp = TopicPartition(topic.name, partition)
            if clock:
                clock.read(tp, records)
            yield tp, judge.judge(records).accepted
