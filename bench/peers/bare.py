"""A loop on confluent-kafka: consume, decode, fold, one script, whose work overlaps with the next batch's."""

from __future__ import annotations

from confluent_kafka import Consumer, Message

from bench.peers.sink import Sink, decode
from schemas.topics import IMPRESSIONS
from streams.kafka.clients import confluent_consumer_config
from streams.settings import FoldSettings, KafkaSettings, RedisSettings


def run(kafka: KafkaSettings, redis: RedisSettings, fold: FoldSettings, batch: int) -> None:
    """Read the topic from its beginning, for ever."""
    sink = Sink(redis, fold)
    ahead = {"queued.min.messages": 200_000, "queued.max.messages.kbytes": 256_000}
    position = {"auto.offset.reset": "earliest"}
    consumer = Consumer(dict(confluent_consumer_config(kafka, redis.namespace)) | position | ahead)
    consumer.subscribe([kafka.prefix + IMPRESSIONS.name])
    value = Message.value
    while True:
        messages = consumer.consume(batch, 0.05)
        events = [decode(value(message) or b"") for message in messages if message.error() is None]
        sink.settle()
        if events:
            sink.send(events)
