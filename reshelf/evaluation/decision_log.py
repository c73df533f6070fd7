"""The decision log's sources: the event topics, judged as the learner judges them, and the layouts' history."""

from __future__ import annotations

from collections.abc import Container
from contextlib import suppress

from msgspec import Struct

from reshelf.evaluation.clock import Clock
from schemas.codec import decoder
from schemas.errors import BadRecord
from schemas.messages.layouts import Layout
from schemas.topics import FOLDED_TOPICS, LAYOUTS_HISTORY
from streams.fold.judge import Accepted, Judge
from streams.kafka.reader import read_runs
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings, KafkaSettings

Log = dict[TopicPartition, list[Accepted]]


class Named(Struct, frozen=True):
    """Which layout a record of the history is."""

    page: str
    version: int


def events(kafka: KafkaSettings, fold: FoldSettings, clock: Clock | None = None) -> Log:
    """What the topics hold that the learner accepts, by partition, in the order of the log; `clock` gets its time.

    Quotas of names are left out: a name too many is still a decision.
    """
    log: Log = {}
    for topic in FOLDED_TOPICS:
        judges: dict[int, Judge] = {}
        for partition, records in read_runs(kafka, topic):
            judge = judges.setdefault(partition, Judge(topic, fold, built=False))
            tp = TopicPartition(topic.name, partition)
            log.setdefault(tp, []).extend(judge.judge(records).accepted)
            if clock:
                clock.read(tp, records)
    return log


def history(kafka: KafkaSettings, versions: Container[tuple[str, int]]) -> list[Layout]:
    """The layouts of the history whose page and version are wanted; a record that cannot be read is skipped."""
    name_of, decode, layouts = decoder(Named), decoder(Layout), []
    for _, records in read_runs(kafka, LAYOUTS_HISTORY):
        for record in records:
            with suppress(BadRecord):
                value = record.value or b""
                name = name_of(value)
                if (name.page, name.version) in versions:
                    layouts.append(decode(value))
    return layouts
