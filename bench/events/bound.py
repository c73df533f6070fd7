"""How fast a Python process brings signals from the log into credits at all.

`python -m bench.events.bound bound BATCH` runs it, with the settings in the environment, until it is stopped.
Each signal is read, and for each a record of a credit's size, with its headers, is written and acknowledged.  Nothing
is decoded, judged, looked up or remembered, and no record is written exactly once.
"""

from __future__ import annotations

import sys

from confluent_kafka import Consumer, KafkaError, Message, Producer

from bench.events.signals import credits_of_signals
from bench.peers.sink import WRITTEN
from reshelf.processes.garbage import collect_rarely
from reshelf.settings import load_settings
from schemas.codec import encode
from schemas.topics import CREDITS, SIGNALS
from streams.attribution.decisions import APPENDED_HEADER, SOURCE_HEADERS
from streams.kafka.clients import confluent_consumer_config, confluent_producer_config
from streams.kafka.producer import LINGER_MS
from streams.settings import KafkaSettings, RedisSettings
from streams.state.connection.client import redis_sync_client
from streams.state.keys import GroupKeys
from streams.state.watermark import Watermark

WAITING = 20_000
"""Records that may wait for the broker's answer."""


def run(kafka: KafkaSettings, redis: RedisSettings, batch: int) -> None:
    """Read the topic from its beginning, for ever; how many records were acknowledged is kept in Redis."""
    ahead = {"auto.offset.reset": "earliest", "queued.min.messages": 200_000, "queued.max.messages.kbytes": 256_000}
    consumer = Consumer(dict(confluent_consumer_config(kafka, redis.namespace)) | ahead)
    consumer.subscribe([kafka.prefix + SIGNALS.name])
    producer = Producer(
        dict(confluent_producer_config(kafka)) | {"linger.ms": LINGER_MS, "delivery.report.only.error": True}
    )
    topic, mark = kafka.prefix + CREDITS.name, GroupKeys(redis.namespace, 0).watermark(WRITTEN)
    value, client, total = encode(next(credits_of_signals(1))), redis_sync_client(redis), 0
    while True:
        for message in consumer.consume(batch, 0.05):
            if message.error() is None:
                partition, headers = message.partition() or 0, _headers(message)
                producer.produce(topic, value, message.key(), partition, headers=headers, on_delivery=_refused)
                total += 1
        producer.poll(0)
        while len(producer) > WAITING:
            producer.poll(0.01)
        client.set(mark, Watermark(total - len(producer)).encode())


def _headers(message: Message) -> list[tuple[str, str | bytes | None]]:
    """Those of a credit."""
    offset, time_ms = message.offset() or 0, message.timestamp()[1]
    return [(SOURCE_HEADERS[SIGNALS.name], b"%d" % offset), (APPENDED_HEADER, b"%d" % time_ms)]


def _refused(error: KafkaError | None, message: Message) -> None:
    raise RuntimeError(f"{message.topic()} refused a record: {error}")


if __name__ == "__main__":
    collect_rarely()
    settings = load_settings(None).settings
    run(settings.kafka, settings.redis, int(sys.argv[2]))
