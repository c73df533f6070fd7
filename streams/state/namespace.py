"""Opening a namespace: agree with its manifest, or create it where the log begins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis

from schemas.topics import DEAD_LETTERS, EVENT_TOPICS, Topic
from streams.kafka.bounds import log_bounds
from streams.settings import FoldSettings, KafkaSettings, RedisSettings
from streams.state.manifest import Manifest, agree, manifest_of


async def open_namespace(
    kafka: KafkaSettings, redis: Redis, settings: RedisSettings, fold: FoldSettings, outputs: Sequence[Topic] = ()
) -> Manifest:
    """The manifest of `settings.namespace`, which is created if it is new.

    `outputs` are the topics that the caller writes; a broker that makes topics by
    itself would make them with the wrong clean-up.
    Raises `BadSettings` when a topic is missing, and `StateAttention` when the
    namespace was made with other topics or settings.
    """
    expected, again = await _expected(kafka, settings, fold, outputs)
    return await agree(redis, expected, again)


async def expected_manifest(
    kafka: KafkaSettings, settings: RedisSettings, fold: FoldSettings, outputs: Sequence[Topic] = ()
) -> Manifest:
    """What the manifest would be if a worker made the namespace now; raises `BadSettings` when a topic is missing."""
    return (await _expected(kafka, settings, fold, outputs))[0]


async def _expected(
    kafka: KafkaSettings, settings: RedisSettings, fold: FoldSettings, outputs: Sequence[Topic]
) -> tuple[Manifest, bool]:
    """The manifest, and whether there are dead letters of workers before."""
    names = {topic.name: topic for topic in (*EVENT_TOPICS, *outputs)}
    bounds = await asyncio.to_thread(log_bounds, kafka, list(names))
    starts = {topic.name: [first for first, _ in bounds[topic.name]] for topic in EVENT_TOPICS}
    again = any(end > first for first, end in bounds.get(DEAD_LETTERS.name, ()))
    return manifest_of(settings.namespace, kafka.prefix, starts, settings.groups, fold), again
