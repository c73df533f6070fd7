"""Stock Faust: an agent that writes event by event (batch 1), or what `take(batch)` gathered."""

from __future__ import annotations

from typing import Any

import faust

from bench.peers.sink import Sink, decode
from schemas.topics import IMPRESSIONS
from streams.settings import FoldSettings, KafkaSettings, RedisSettings

_GATHER_S = 1.0


def run(kafka: KafkaSettings, redis: RedisSettings, fold: FoldSettings, batch: int) -> None:
    """Read the topic from its beginning, for ever."""
    app = faust.App(
        redis.namespace,
        broker=f"kafka://{kafka.bootstrap}",
        consumer_auto_offset_reset="earliest",
        value_serializer="raw",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )
    sink = Sink(redis, fold)
    topic = app.topic(kafka.prefix + IMPRESSIONS.name, value_serializer="raw")

    @app.agent(topic)
    async def learn(stream: Any) -> None:
        if batch == 1:
            async for value in stream:
                sink.add([decode(value)])
        else:
            async for values in stream.take(batch, within=_GATHER_S):
                sink.add(map(decode, values))

    faust.Worker(app, loglevel="ERROR", redirect_stdouts=False).execute_from_commandline()
