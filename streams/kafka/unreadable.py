"""Records that aiokafka's parser refuses, read by librdkafka.

To Kafka the name of a header is any bytes.  aiokafka takes it for UTF-8 and gives
up on the rest of its batch where it is not, at every attempt; librdkafka reads all
but the headers of such a record, and its records come as `Logged`.
"""

from __future__ import annotations

from confluent_kafka import Consumer, Message, TopicPartition

from schemas.dead_letters import headers_of
from streams.kafka.clients import confluent_consumer_config
from streams.kafka.records import Logged
from streams.settings import KafkaSettings

_TIMEOUT_S = 4.0


def read_on(kafka: KafkaSettings, name: tuple[str, int], position: int, most: int) -> list[Logged]:
    """Some of the records from `position` on; none where the broker does not answer."""
    consumer = Consumer(dict(confluent_consumer_config(kafka, f"{kafka.prefix}unreadable")))
    try:
        consumer.assign([TopicPartition(*name, position)])
        first = consumer.poll(_TIMEOUT_S)
        messages = [] if first is None else [first, *consumer.consume(most - 1, timeout=0)]
    finally:
        consumer.close()
    return [_logged(message) for message in messages if message.error() is None]


def _logged(message: Message) -> Logged:
    offset, timestamp = message.offset() or 0, message.timestamp()[1]
    return Logged(offset, timestamp, message.key(), message.value(), headers_of(message))
