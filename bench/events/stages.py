"""What each step from the log to the state costs, in microseconds for an event.

One after another in this process, so that none waits for another: a learner
overlaps them.  The script's time is Redis's own count of it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import TopicPartition as KafkaPartition
from redis.asyncio import Redis

from reshelf.settings import Settings
from schemas.messages.events import Impression
from schemas.topics import IMPRESSIONS
from streams.fold.fast.path import BUILT
from streams.fold.judge import Judge, Rejected
from streams.kafka.records import Batch, Record, TopicPartition
from streams.state.arrays.directory import Directories
from streams.state.arrays.operations import Operations
from streams.state.connection.client import redis_client
from streams.state.partition import PartitionFold, Prepared
from streams.state.store import Store
from streams.state.watermark import Watermark
from streams.transport.group.assignment import SEPARATE
from streams.transport.source import Source

_WAIT_S = 1.0

Batches = Sequence[Batch]


@dataclass(frozen=True, slots=True)
class Stage:
    """`us` is the median over the batches, microseconds for an event."""

    name: str
    us: float


async def measure(settings: Settings, events: int) -> list[Stage]:
    """The stages for the impressions that are in the topic."""
    fetch, batches = await _fetched(settings, events)
    client = redis_client(settings.redis)
    async with client:
        decode, judge, python = _decoding(batches), _judging(settings, batches), _preparing(settings, batches, False)
        stages = [
            Stage("fetch", fetch),
            Stage("decode, in Python", decode),
            Stage("duplicates and limits, in Python", round(judge - decode, 2)),
            Stage("names and fold, in Python", round(python - judge, 2)),
        ]
        if BUILT:
            stages.append(Stage("decode to fold, compiled", _preparing(settings, batches, True)))
        return stages + await _writing(settings, client, batches)


async def _fetched(settings: Settings, events: int) -> tuple[float, Batches]:
    """Microseconds for an event, and the records by batch."""
    kafka = settings.kafka
    source = Source(kafka, f"{kafka.prefix}stages", SEPARATE)
    await source.start()
    names = [(kafka.prefix + IMPRESSIONS.name, at) for at in range(kafka.partitions)]
    source.consumer.assign([KafkaPartition(*name) for name in names])
    for name in names:
        source.seek(name, 0)
    read: list[tuple[int, list[Record]]] = []
    count, spent = 0, 0.0
    while count < events:
        began = time.process_time()
        for name, records in (await source.fetch(names, _WAIT_S)).items():
            read.append((name[1], records))
            count += len(records)
        spent += time.process_time() - began
    await source.stop()
    return round(spent / count * 1e6, 2), [_batch(partition, records) for partition, records in read]


def _batch(partition: int, records: list[Record]) -> Batch:
    tp = TopicPartition(IMPRESSIONS.name, partition)
    return Batch(tp, records[0].offset, records[-1].offset + 1, 0, records)


def _decoding(batches: Batches) -> float:
    decode = msgspec.json.Decoder(Impression).decode
    return _per_event(batches, lambda batch: [decode(record.value or b"") for record in batch.records])


def _judging(settings: Settings, batches: Batches) -> float:
    judges = {batch.tp: Judge(IMPRESSIONS, settings.fold, built=False) for batch in batches}
    return _per_event(batches, lambda batch: judges[batch.tp].judge(batch.records))


def _preparing(settings: Settings, batches: Batches, built: bool) -> float:
    store = Store(Redis(), settings.redis.namespace, settings.redis.groups)
    marks = [Watermark(0)] * store.groups
    parts = {
        batch.tp: PartitionFold(batch.tp, store, 0, marks, settings.fold, _send_dead_letters, built)
        for batch in batches
    }
    return _per_event(batches, lambda batch: parts[batch.tp].prepare(batch))


async def _writing(settings: Settings, client: Redis, batches: Batches) -> list[Stage]:
    """Encoding for the script and the script itself, everything on."""
    store, directories = Store(client, settings.redis.namespace, settings.redis.groups), Directories()
    parts = {
        batch.tp: await PartitionFold.resume(batch.tp, store, 0, settings.fold, _send_dead_letters) for batch in batches
    }
    encode, script = [], []
    for batch in batches:
        prepared, size = parts[batch.tp].prepare(batch), len(batch.records)
        began = time.process_time()
        _encoded(store, prepared, directories)
        encode.append((time.process_time() - began) / size)
        before = await _script_us(client)
        await parts[batch.tp].commit(prepared)
        script.append((await _script_us(client) - before) / 1e6 / size)
    return [Stage("encode", _median_us(encode)), Stage("script", _median_us(script))]


def _encoded(store: Store, prepared: Prepared, directories: Directories) -> None:
    for group, delta in prepared.deltas.items():
        operations = Operations(store.keys[group])
        operations.add_group(delta, directories)
        operations.packed()
        for directory in operations.directories.values():
            directory.written()


async def _script_us(client: Redis) -> int:
    stats: dict[str, Any] = await client.info("commandstats")
    return sum(int(stats.get(f"cmdstat_{name}", {}).get("usec", 0)) for name in ("eval", "evalsha"))


async def _send_dead_letters(_: TopicPartition, __: Sequence[Rejected]) -> None:
    """All events fit."""


def _per_event(batches: Batches, step: Callable[[Batch], object]) -> float:
    costs = []
    for batch in batches:
        began = time.process_time()
        step(batch)
        costs.append((time.process_time() - began) / len(batch.records))
    return _median_us(costs)


def _median_us(seconds: Sequence[float]) -> float:
    return round(statistics.median(seconds) * 1e6, 2)
