"""An import from start to end: publish what is missing, wait until the state holds it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping

from redis.asyncio import Redis

from reshelf.datasets.imported import Publisher, held_ids
from reshelf.datasets.open_bandit import HeldIds, OpenBandit, RowEvents, missing
from reshelf.numbers import number
from reshelf.settings import Settings
from reshelf.topics import admin
from schemas.errors import BadSettings, ReshelfError, StateAttention
from schemas.topics import CLICKS, EVENT_TOPICS, IMPRESSIONS
from streams.kafka.bounds import log_bounds
from streams.kafka.records import TopicPartition
from streams.settings import KafkaSettings
from streams.state import manifest
from streams.state.connection.client import redis_client
from streams.state.store import Store

POLL_S = 0.2
PATIENCE_S = 60.0

Bounds = Mapping[str, list[tuple[int, int]]]


def own_settings(settings: Settings, prefix: str | None, name: str) -> Settings:
    """The settings under which old data is read: topics and a state of its own, no limit on lateness.

    Without a prefix, it is that of the settings and `name`.  Raises `BadSettings` where the prefix is no part of
    a topic's name.
    """
    prefix = f"{settings.kafka.prefix}{name}-" if prefix is None else prefix
    if re.fullmatch("[a-z0-9-]+", prefix) is None:
        raise BadSettings(f"--prefix: expected small letters, digits and hyphens, got {prefix!r}.")
    namespace = prefix.strip("-")[-32:].strip("-") or "imported"
    return settings.changed(
        kafka={"prefix": prefix},
        redis={"namespace": namespace},
        fold={"allowed_lateness_ms": 0, "max_clock_skew_ms": 0},
    )


def publish(kafka: KafkaSettings, data: OpenBandit, on_row: Callable[[], None]) -> dict[str, int]:
    """Publish the rows whose events the topics lack, and page and items; returns what was read and published."""
    data.check()
    admin.apply(kafka, imported=True)
    held = [HeldIds(held_ids(kafka, topic, data.stem)) for topic in (IMPRESSIONS, CLICKS)]
    publisher = Publisher(kafka)
    publisher.page(data.page_rules(version=1), data.catalog())
    counts = {"rows": 0, "clicks": 0}

    def counted() -> Iterator[RowEvents]:
        for events in data.events():
            counts["rows"] += 1
            counts["clicks"] += events.click is not None
            on_row()
            yield events

    published = publisher.events(missing(counted(), *held))
    return {**counts, "published": published}


def how_to_learn(settings: Settings, command: str) -> str:
    """A command under the settings of what was imported, as a line to copy."""
    return (
        f"  RESHELF_KAFKA__PREFIX={settings.kafka.prefix} RESHELF_REDIS__NAMESPACE={settings.redis.namespace} "
        f"RESHELF_FOLD__ALLOWED_LATENESS_MS=0 RESHELF_FOLD__MAX_CLOCK_SKEW_MS=0 reshelf {command}"
    )


def wait_until_applied(settings: Settings, check: Callable[[], None]) -> None:
    """Return when every state group has passed all that the event topics hold now.

    `check` raises when the worker is gone.  Raises `StateAttention` when nothing moves for a minute.
    """
    bounds = log_bounds(settings.kafka, [topic.name for topic in EVENT_TOPICS])
    best, since = -1, time.monotonic()
    while (left := asyncio.run(_left(settings, bounds))) != 0:
        check()
        if left != best:
            best, since = left, time.monotonic()
        if time.monotonic() - since > PATIENCE_S:
            raise StateAttention(
                f"{left} offsets of {settings.kafka.prefix}events-* are not in namespace {settings.redis.namespace} "
                f"and nothing moved for {number(PATIENCE_S)} s. "
                "Start a worker with the same settings: `reshelf worker learner`."
            )
        time.sleep(POLL_S)


async def _left(settings: Settings, bounds: Bounds) -> int:
    redis = redis_client(settings.redis)
    try:
        return await _unapplied(redis, settings, bounds)
    except ReshelfError:
        return sum(end - first for pairs in bounds.values() for first, end in pairs) or 1
    finally:
        await redis.aclose()


async def _unapplied(redis: Redis, settings: Settings, bounds: Bounds) -> int:
    """How many offsets some group has not passed yet."""
    manifest_now = await manifest.read(redis, settings.redis.namespace)
    store = Store(redis, settings.redis.namespace, manifest_now.groups)
    left = 0
    for topic, pairs in bounds.items():
        for partition, (first, end) in enumerate(pairs):
            marks = await store.watermarks(TopicPartition(topic, partition), first)
            left += max(0, end - min(mark.offset for mark in marks))
    return left
