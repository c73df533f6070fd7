"""Pathway: its Kafka source, its grouping where ids are to be unique, and an output that writes each minibatch."""

from __future__ import annotations

from typing import Any

import msgspec
import pathway as pw

from bench.peers.sink import Sink, decode
from schemas.topics import IMPRESSIONS
from streams.settings import FoldSettings, KafkaSettings, RedisSettings

_COMMIT_MS = 100
"""How long a minibatch is gathered at most."""


class _Named(msgspec.Struct):
    event_id: str


_decode_id = msgspec.json.Decoder(_Named).decode


def run(kafka: KafkaSettings, redis: RedisSettings, fold: FoldSettings, batch: int) -> None:
    """Read the topic from its beginning, for ever; `batch` events at most are read ahead of what is written."""
    _write(_records(kafka, redis, batch), Sink(redis, fold))


def run_unique(kafka: KafkaSettings, redis: RedisSettings, fold: FoldSettings, batch: int) -> None:
    """The same, where of events with one id the first counts; all ids are held for ever."""
    records = _records(kafka, redis, batch)
    named = records.select(pw.this.data, event_id=pw.udf(_event_id, deterministic=True)(pw.this.data))
    unique = named.groupby(pw.this.event_id).reduce(data=pw.reducers.earliest(pw.this.data))
    _write(unique, Sink(redis, fold))


def _event_id(data: bytes) -> str:
    return _decode_id(data).event_id


def _records(kafka: KafkaSettings, redis: RedisSettings, batch: int) -> Any:
    position = {"bootstrap.servers": kafka.bootstrap, "group.id": redis.namespace, "auto.offset.reset": "earliest"}
    records = pw.io.kafka.read(
        position,
        kafka.prefix + IMPRESSIONS.name,
        format="raw",
        autogenerate_key=True,
        autocommit_duration_ms=_COMMIT_MS,
        max_backlog_size=batch,
    )
    return records.select(pw.this.data)


def _write(records: Any, sink: Sink) -> None:
    """Write each minibatch as the other peers do, for ever."""
    waiting: list[bytes] = []

    def add(key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:
        assert is_addition, "nothing that was read is taken back"
        waiting.append(row["data"])

    def write(time: int) -> None:
        if waiting:
            sink.add(map(decode, waiting))
            waiting.clear()

    pw.io.subscribe(records, add, on_time_end=write)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
