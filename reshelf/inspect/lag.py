"""How far the state has come with each partition of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from redis.asyncio import Redis

from schemas.topics import EVENT_TOPICS
from streams.kafka.admin import answers
from streams.kafka.records import TopicPartition
from streams.state.clicks.progress import progress_keys
from streams.state.connection.errors import translate_errors
from streams.state.keys import GroupKeys
from streams.state.manifest import Manifest
from streams.state.watermark import Watermark

TIMEOUT_S = 5.0


DECIDED = frozenset(topic.name for topic in EVENT_TOPICS if not topic.folded)
"""The topics that attribution alone reads to their end: what comes of them is counted from those that it writes."""


class PartitionLag(NamedTuple):
    """A partition: end of the log, lowest watermark of all state groups, and the append time that it has passed."""

    topic: str
    partition: int
    end: int
    applied: int
    append_time: int

    @property
    def lag(self) -> int:
        """Records that some state group has not applied."""
        return max(0, self.end - self.applied)


async def partition_lags(admin: AdminClient, redis: Redis, manifest: Manifest) -> list[PartitionLag]:
    """Every partition of the event topics: where attribution is with those that it decides, the learner with others."""
    tps = manifest.partitions()
    ends = await asyncio.to_thread(_ends, admin, manifest.prefix, tps)
    marks = await learned_marks(redis, manifest)
    marks |= {tp: [await _attributed(redis, manifest, tp)] for tp in tps if tp.topic in DECIDED}
    return [partition_lag(tp, ends.get(tp, 0), marks[tp]) for tp in tps]


async def learned_marks(redis: Redis, manifest: Manifest) -> dict[TopicPartition, list[Watermark]]:
    """The learner's watermark in each state group, of each partition of the topics that it counts."""
    tps = [tp for tp in manifest.partitions() if tp.topic not in DECIDED]
    groups = await asyncio.gather(*(_learned(redis, manifest, group, tps) for group in range(manifest.groups)))
    return {tp: [of_group[at] for of_group in groups] for at, tp in enumerate(tps)}


def _ends(admin: AdminClient, prefix: str, tps: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
    newest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    requests = {KafkaPartition(prefix + tp.topic, tp.partition): newest for tp in tps}
    ends = answers(admin.list_offsets, requests, TIMEOUT_S)
    return {TopicPartition(at.topic.removeprefix(prefix), at.partition): end.offset for at, end in ends.items()}


async def _learned(redis: Redis, manifest: Manifest, group: int, tps: Sequence[TopicPartition]) -> list[Watermark]:
    """The learner's watermarks in one state group."""
    keys = GroupKeys(manifest.namespace, group)
    names = [keys.watermark(tp) for tp in tps]
    stored = await translate_errors(lambda: redis.mget(names))
    return [Watermark.decode(text, manifest.start(tp)) for tp, text in zip(tps, stored, strict=True)]


async def _attributed(redis: Redis, manifest: Manifest, tp: TopicPartition) -> Watermark:
    """Up to where attribution has decided a partition."""
    name = progress_keys(manifest.namespace, manifest.groups, tp.partition).marks[tp.topic]
    return Watermark.decode(await translate_errors(lambda: redis.get(name)), manifest.start(tp))


def partition_lag(tp: TopicPartition, end: int, marks: Sequence[Watermark]) -> PartitionLag:
    """A partition that ends at `end`, from the watermarks of its state groups."""
    lowest = min(max(mark.offset, mark.empty_to) for mark in marks)
    # A broker may name the beginning of its last batch as the end: the log is at least as long as was read.
    return PartitionLag(tp.topic, tp.partition, max(end, lowest), lowest, min(mark.append_time for mark in marks))
