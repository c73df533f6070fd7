"""Bytewax: its Kafka source, decoding in batches, and an output that writes what it is handed."""

from __future__ import annotations

from typing import Any

from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.run import cli_main

from bench.peers.sink import Sink, decode
from schemas.topics import IMPRESSIONS
from streams.settings import FoldSettings, KafkaSettings, RedisSettings


class _Writing(StatelessSinkPartition[Any]):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write_batch(self, items: list[Any]) -> None:
        self._sink.add(items)


class _Output(DynamicSink[Any]):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Writing:
        return _Writing(self._sink)


def _decoded(batch: list[Any]) -> list[Any]:
    return [decode(message.value) for message in batch]


def run(kafka: KafkaSettings, redis: RedisSettings, fold: FoldSettings, batch: int) -> None:
    """Read the topic from its beginning, for ever."""
    flow = Dataflow("peer")
    source = KafkaSource([kafka.bootstrap], [kafka.prefix + IMPRESSIONS.name], batch_size=batch)
    messages = op.input("log", flow, source)
    events = op.flat_map_batch("decode", messages, _decoded)
    op.output("state", events, _Output(Sink(redis, fold)))
    cli_main(flow)
