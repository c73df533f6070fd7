"""Whether the records of compacted topics lie where their keys are written to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from reshelf.doctor.finding import Finding
from reshelf.numbers import number
from reshelf.settings import Settings
from schemas.topic import Topic
from schemas.topics import TOPICS
from streams.kafka.clients import partition_of
from streams.kafka.reader import partitions, reader, to_the_end
from streams.settings import KafkaSettings

RECORDS = 20_000
"""Records of a topic that are looked at, the oldest: those of before partitions were added are among them."""
COMPACTED = tuple(topic for topic in TOPICS if topic.cleanup == "compact")
REMEDY = (
    "Of a key in two partitions the older value may count. Make the topic again: stop the workers, note down what only "
    "it holds (`reshelf rules show PAGE`), delete it, run `reshelf topics apply`, publish catalog and rules again, and "
    "start the workers, which publish vectors, parameters and layouts. Producers choose partitions by murmur2."
)


def look_at_keys(settings: Settings) -> Iterator[Finding]:
    """Compacted topics that were given more partitions, or that somebody writes to by another hash."""
    said = []
    for topic in COMPACTED:
        strays, looked_at = _strays(settings.kafka, topic)
        if strays:
            of_all = f"{number(strays)} of {number(looked_at)} records"
            said.append(f"{topic.name}: {of_all} lie in another partition than their key's now")
    if said:
        yield Finding("keys", "bad", "; ".join(said), REMEDY)
    else:
        yield Finding("keys", "ok", "each key of compacted topics lies in its partition")


def _strays(kafka: KafkaSettings, topic: Topic) -> tuple[int, int]:
    """How many records lie elsewhere, and how many were looked at."""
    strays = looked_at = 0
    with reader(kafka) as consumer:
        places = partitions(consumer, kafka.prefix + topic.name)
        for message in islice(to_the_end(consumer, places), RECORDS if len(places) > 1 else 0):
            key = message.key()
            if message.error() is None and key is not None:
                looked_at += 1
                name = key.encode() if isinstance(key, str) else key
                strays += partition_of(name, len(places)) != message.partition()
    return strays, looked_at
