"""Events per second from the log into the state, by a learner with everything on.

The topic is filled first.  Then a learner starts in a process of its own, and
the time runs from the first batch that it applied to the last one.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

import msgspec
from confluent_kafka import Producer

from reshelf.settings import Settings, as_environment
from schemas.errors import ReshelfError
from schemas.messages import Impression, SlotItem
from schemas.topics import IMPRESSIONS
from streams.clients import confluent_producer_config, redis_client
from streams.records import TopicPartition
from streams.settings import KafkaSettings
from streams.state.store import Store

_LOOK_S = 0.02
_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One size of event: medians over the rounds."""

    slots: int
    events: int
    bytes_per_event: int
    events_per_s: float
    slot_impressions_per_s: float
    rounds: int


def fill(kafka: KafkaSettings, events: int, slots: int, seed: int) -> int:
    """Publish impressions of `slots` slots now; the mean size of one in bytes."""
    chance = random.Random(seed)
    producer = Producer(dict(confluent_producer_config(kafka)) | {"queue.buffering.max.messages": 1_000_000})
    size = 0
    for number in range(events):
        unit = f"unit-{chance.randrange(50_000)}"
        value = msgspec.json.encode(_impression(chance, f"{seed}-{slots}-{number}", unit, slots))
        size += len(value)
        producer.produce(kafka.prefix + IMPRESSIONS.name, value, unit.encode())
        if number % 1_000 == 0:
            producer.poll(0)
    if producer.flush(60):
        raise ReshelfError("the broker did not take all events within 60 s")
    return size // events


def _impression(chance: random.Random, event_id: str, unit: str, slots: int) -> Impression:
    return Impression(
        event_id=event_id,
        occurred_at=time.time_ns() // 1_000_000,
        unit=unit,
        page=chance.choice(["home", "category", "cart"]),
        segment=f"segment-{chance.randrange(5)}",
        page_view_id=event_id,
        layout_version=1,
        variant=chance.randrange(16),
        slots=[SlotItem(f"slot-{place}", f"item-{chance.randrange(300)}") for place in range(slots)],
    )


def measure(settings: Settings, events: int, slots: int, rounds: int) -> Pipeline:
    """Fill, apply and time `rounds` times, into one namespace; the first round warms up and does not count."""
    rates, size = [], 0
    for turn in range(rounds + 1):
        size = fill(settings.kafka, events, slots, seed=turn)
        rates.append(_applied(settings, events * (turn + 1)))
    rate = statistics.median(rates[1:])
    return Pipeline(slots, events, size, round(rate), round(rate * slots), rounds)


def _applied(settings: Settings, end: int) -> float:
    """Run a learner until the watermarks add up to `end`; events per second."""
    command = [sys.executable, "-m", "reshelf", "worker", "learner"]
    worker = subprocess.Popen(command, env=os.environ | as_environment(settings))
    try:
        return asyncio.run(_rate(settings, end, worker))
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(20)


async def _rate(settings: Settings, end: int, worker: subprocess.Popen[bytes]) -> float:
    client, partitions = redis_client(settings.redis), settings.kafka.partitions
    store = Store(client, settings.redis.namespace, settings.redis.groups)
    try:
        return await _watched(store, partitions, end, worker)
    finally:
        await client.aclose()


async def _watched(store: Store, partitions: int, end: int, worker: subprocess.Popen[bytes]) -> float:
    first: tuple[float, int] | None = None
    until = time.monotonic() + _LIMIT_S
    before = await _position(store, partitions)
    while time.monotonic() < until and worker.poll() is None:
        now, at = time.perf_counter(), await _position(store, partitions)
        if first is None and at > before:
            first = (now, at)
        if at >= end and first is not None:
            return (at - first[1]) / max(now - first[0], 1e-9)
        await asyncio.sleep(_LOOK_S)
    raise ReshelfError(f"the learner did not reach offset {end} in {_LIMIT_S:.0f} s; its lines above say why")


async def _position(store: Store, partitions: int) -> int:
    """Records that some group has taken over, of all partitions."""
    marks = [await store.watermarks(TopicPartition(IMPRESSIONS.name, at), 0) for at in range(partitions)]
    return sum(max(mark.offset for mark in groups) for groups in marks)


def summary(found: Pipeline) -> dict[str, object]:
    """The result as plain values."""
    return asdict(found)
