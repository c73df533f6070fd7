"""How far the state has come with each partition of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from redis.asyncio import Redis

from schemas.topics import PURCHASES
from streams.kafka.records import TopicPartition
from streams.state.clicks.memory import memory_keys
from streams.state.connection.errors import translate_errors
from streams.state.keys import GroupKeys
from streams.state.manifest import Manifest
from streams.state.watermark import Watermark

TIMEOUT_S = 5.0


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
    """Every partition of the event topics; purchases stand where attribution is, the others where the learner is."""
    tps = [TopicPartition(topic, number) for topic, starts in manifest.starts.items() for number in range(len(starts))]
    ends = await asyncio.to_thread(_ends, admin, manifest.prefix, tps)
    marks = await asyncio.gather(*(_marks(redis, manifest, group, tps) for group in range(manifest.groups)))
    return [_standing(tp, ends.get(tp, 0), [of_group[at] for of_group in marks]) for at, tp in enumerate(tps)]


def _ends(admin: AdminClient, prefix: str, tps: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
    newest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    requests = {KafkaPartition(prefix + tp.topic, tp.partition): newest for tp in tps}
    futures = admin.list_offsets(requests, request_timeout=TIMEOUT_S)
    return {
        TopicPartition(place.topic.removeprefix(prefix), place.partition): done.result(TIMEOUT_S).offset
        for place, done in futures.items()
    }


async def _marks(redis: Redis, manifest: Manifest, group: int, tps: Sequence[TopicPartition]) -> list[Watermark]:
    """The watermarks of one state group: the learner's, for purchases those of attribution's group of that number."""
    keys = GroupKeys(manifest.namespace, group)
    learned = [keys.watermark(tp) for tp in tps if tp.topic != PURCHASES.name]
    bought = [memory_keys(manifest.namespace, group, tp.partition)[1] for tp in tps if tp.topic == PURCHASES.name]
    # Two commands: on a cluster the groups of learner and attribution are in different slots.
    answers = [iter(await translate_errors(lambda names=names: redis.mget(names))) for names in (learned, bought)]  # type: ignore[misc]
    return [
        Watermark.decode(next(answers[tp.topic == PURCHASES.name]), manifest.starts[tp.topic][tp.partition])
        for tp in tps
    ]


def _standing(tp: TopicPartition, end: int, marks: Sequence[Watermark]) -> PartitionLag:
    lowest = min(mark.offset for mark in marks)
    # A broker may name the beginning of its last batch as the end: the log is at least as long as was read.
    return PartitionLag(tp.topic, tp.partition, max(end, lowest), lowest, min(mark.append_time for mark in marks))
