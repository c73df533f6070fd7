"""Whether a topic is the one that a reader began with: one that was deleted and made again has other records."""

from __future__ import annotations

from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from streams.kafka.admin import outcomes

TIMEOUT_S = 5.0
_GONE = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}


class Identity(NamedTuple):
    """How many partitions a topic has, and its id; empty where brokers give none."""

    partitions: int
    topic_id: str


GONE = Identity(0, "")


def identity_of(admin: AdminClient, name: str) -> Identity:
    """The identity of a topic now, `GONE` where there is none; raises KafkaException where no broker says."""
    topic = outcomes(admin.describe_topics, TopicCollection([name]), TIMEOUT_S)[name]
    if isinstance(topic, KafkaException):
        if topic.args[0].code() in _GONE:
            return GONE
        raise topic
    return Identity(len(topic.partitions), str(topic.topic_id or ""))
