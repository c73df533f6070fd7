"""Quix Streams: decoded by its deserializer, written by a BatchingSink at each checkpoint."""

from __future__ import annotations

from typing import Any

from quixstreams import Application
from quixstreams.models.serializers import Deserializer
from quixstreams.sinks import BatchingSink, SinkBatch

from bench.peers.sink import Sink, decode
from schemas.topics import IMPRESSIONS
from streams.settings import FoldSettings, KafkaSettings, RedisSettings


class _Decoding(Deserializer):
    def __call__(self, value: bytes, ctx: Any) -> Any:
        return decode(value)


class _Writing(BatchingSink):
    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def write(self, batch: SinkBatch) -> None:
        self._sink.add(item.value for item in batch)


def run(kafka: KafkaSettings, redis: RedisSettings, fold: FoldSettings, batch: int) -> None:
    """Read the topic from its beginning, for ever; a checkpoint after each `batch` events."""
    app = Application(
        kafka.bootstrap,
        consumer_group=redis.namespace,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        commit_every=batch,
        commit_interval=1.0,
        loglevel="ERROR",
    )
    topic = app.topic(kafka.prefix + IMPRESSIONS.name, value_deserializer=_Decoding())
    app.dataframe(topic).sink(_Writing(Sink(redis, fold)))
    app.run()
