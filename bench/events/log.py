"""Logs to measure on, published now: impressions of one size, and events of any kind."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator

import msgspec
from confluent_kafka import Producer

from schemas.errors import ReshelfError
from schemas.messages.events import Click, Credit, Impression, Purchase, Signal, SlotItem
from schemas.topic import Topic
from schemas.topics import IMPRESSIONS
from streams.kafka.clients import confluent_producer_config
from streams.settings import KafkaSettings

PAGES = ("home", "category", "cart")
SEGMENTS, ITEMS, UNITS, VARIANTS = 5, 300, 50_000, 16
_WAITING = 1_000_000
Event = Impression | Click | Signal | Purchase | Credit


def impressions(events: int, slots: int, seed: int) -> Iterator[Impression]:
    """Page views of `slots` slots on 15 (page, segment) keys of 300 items, of 50,000 units."""
    chance = random.Random(seed)
    for number in range(events):
        name = f"{seed}-{slots}-{number}"
        yield Impression(
            event_id=name,
            occurred_at=time.time_ns() // 1_000_000,
            unit=f"unit-{chance.randrange(UNITS)}",
            page=chance.choice(PAGES),
            segment=f"segment-{chance.randrange(SEGMENTS)}",
            page_view_id=name,
            layout_version=1,
            variant=chance.randrange(VARIANTS),
            slots=[SlotItem(f"slot-{place}", f"item-{chance.randrange(ITEMS)}") for place in range(slots)],
        )


def fill(kafka: KafkaSettings, events: int, slots: int, seed: int) -> int:
    """Publish impressions; the mean size of one in bytes."""
    return publish(kafka, IMPRESSIONS, impressions(events, slots, seed)) // events


def publish(kafka: KafkaSettings, topic: Topic, events: Iterable[Event]) -> int:
    """Publish events of one topic by their units; how many bytes they are."""
    producer = Producer(dict(confluent_producer_config(kafka)) | {"queue.buffering.max.messages": _WAITING})
    size = 0
    for number, event in enumerate(events):
        value = msgspec.json.encode(event)
        size += len(value)
        producer.produce(kafka.prefix + topic.name, value, event.unit.encode())
        if number % 1_000 == 0:
            producer.poll(0)
        while len(producer) > _WAITING // 2:
            producer.poll(0.05)
    if producer.flush(60):
        raise ReshelfError("the broker did not take all events within 60 s")
    return size
