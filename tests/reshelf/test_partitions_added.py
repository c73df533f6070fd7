"""Partitions that were added to a live event topic: worker and doctor say the same, and what they say works."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence

import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions
from redis import Redis

from reshelf.doctor.keys import look_at_keys
from reshelf.doctor.refusals import look_at_state
from reshelf.doctor.topics import look_at_topics
from reshelf.namespaces.replay import Options, run
from reshelf.namespaces.state import swapped
from reshelf.settings import Settings
from reshelf.terminal.progress import progress
from reshelf.topics.admin import apply
from reshelf.topics.publish import deliver
from schemas.codec import encode
from schemas.errors import BadSettings, StateAttention
from schemas.messages.catalog import CatalogItem
from schemas.topics import CATALOG_ITEMS, CLICKS, EVENT_TOPICS, IMPRESSIONS
from streams.kafka.clients import confluent_producer_config, partition_of
from streams.kafka.log_source import KafkaSource
from streams.kafka.records import TopicPartition
from streams.refusals import PARTITIONS_ADDED
from streams.settings import FoldSettings, KafkaSettings, RedisSettings
from streams.state.alias import namespace_of
from streams.state.keys import GroupKeys
from streams.state.manifest import Manifest, check_same, manifest_of
from streams.worker import open_worker
from tests.deadline import Deadline
from tests.delivery import flush
from tests.streams.logs import example_log
from tests.streams.test_learner import publish


def add_partitions(settings: Settings, names: Sequence[str]) -> None:
    """A second one to each topic, which whoever asks the broker is told of."""
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap})
    added = admin.create_partitions([NewPartitions(settings.kafka.prefix + name, 2) for name in names])
    until = Deadline(30)
    for topic, done in added.items():
        done.result(20)
        while len(admin.list_topics(topic, timeout=10).topics[topic].partitions) < 2 and until.ahead:
            time.sleep(0.05)


def start(settings: Settings) -> Manifest:
    """What a worker does first."""

    async def opened() -> Manifest:
        redis = settings.redis.changed(namespace=await namespace_of(settings.redis))
        async with open_worker(settings.kafka, redis, settings.fold) as worker:
            return worker.manifest

    return asyncio.run(opened())


def learned(manifest: Manifest, redis: Redis, offset: int = 20) -> None:
    """Workers have applied the log up to there."""
    for group, topic in itertools.product(range(manifest.groups), (CLICKS, IMPRESSIONS)):
        redis.set(GroupKeys(manifest.namespace, group).watermark(TopicPartition(topic.name, 0)), f"{offset}:1")


def problems(settings: Settings) -> list[str]:
    """What the doctor says that is bad, with what to do about it."""
    findings = [*look_at_topics(settings, settings.fold.duplicate_window_ms), *look_at_state(settings)]
    return [f"{finding.detail} {finding.remedy}" for finding in findings if finding.state == "bad"]


def test_one_remedy_is_said_and_works(kafka: str, redis: Redis, redis_url: str, prefix: str) -> None:
    own = KafkaSettings(bootstrap=kafka, prefix=prefix, partitions=1)
    settings = Settings(kafka=own, redis=RedisSettings(url=redis_url))
    apply(own)
    publish(own, {tp: log for tp, log in example_log(1, 20, 1).items() if tp.topic in (CLICKS.name, IMPRESSIONS.name)})
    learned(start(settings), redis)
    time.sleep(0.01)
    added_ms = time.time_ns() // 1_000_000
    add_partitions(settings, [CLICKS.name])
    with pytest.raises(StateAttention) as refused:
        start(settings)
    assert str(refused.value).endswith(PARTITIONS_ADDED)
    topics, namespace = problems(settings)
    assert topics.endswith(PARTITIONS_ADDED) and namespace.startswith(f"{refused.value} ")

    add_partitions(settings, [topic.name for topic in EVENT_TOPICS if topic != CLICKS])
    publish(own, {TopicPartition(CLICKS.name, 1): example_log(2, 5, 1)[TopicPartition(CLICKS.name, 0)]})
    grown = settings.changed(kafka={"partitions": 2})
    source = KafkaSource(grown.kafka)
    with progress(hidden=True) as begin:
        assert run(grown, source, Options("beginning", str(added_ms), "next", workers=1), begin).applied.read == 40
    swapped(grown, "next", max_behind=5)
    assert start(grown).starts[CLICKS.name] == [0, 0]
    assert problems(grown) == []


def now_ms() -> int:
    """A time by which all that was published has been appended, and what comes has not."""
    time.sleep(0.01)
    now = time.time_ns() // 1_000_000
    time.sleep(0.01)
    return now


@pytest.mark.parametrize(("read", "late"), [(10, False), (20, True)], ids=["workers lagged", "time too late"])
def test_a_replay_beyond_what_workers_had_read_is_refused_and_an_earlier_one_is_right(
    kafka: str, redis: Redis, redis_url: str, prefix: str, read: int, late: bool
) -> None:
    own = KafkaSettings(bootstrap=kafka, prefix=prefix, partitions=1)
    settings = Settings(kafka=own, redis=RedisSettings(url=redis_url))
    apply(own)
    log = {tp: log for tp, log in example_log(1, 20, 1).items() if tp.topic in (CLICKS.name, IMPRESSIONS.name)}
    publish(own, {tp: records[:10] for tp, records in log.items()})
    early_ms = now_ms()
    publish(own, {tp: records[10:] for tp, records in log.items()})
    learned(start(settings), redis, read)
    added_ms = now_ms()
    add_partitions(settings, [topic.name for topic in EVENT_TOPICS])
    publish(own, {TopicPartition(CLICKS.name, 1): example_log(2, 5, 1)[TopicPartition(CLICKS.name, 0)]})
    grown, source = settings.changed(kafka={"partitions": 2}), KafkaSource(own)
    with progress(hidden=True) as begin:
        run(grown, source, Options("beginning", str(now_ms() if late else added_ms), "first", workers=1), begin)
        with pytest.raises(BadSettings, match=r"have yet to read .* with an earlier --to"):
            swapped(grown, "first", max_behind=100)
        run(grown, source, Options("beginning", str(early_ms), "second", workers=1), begin)
    swapped(grown, "second", max_behind=100)
    assert start(grown).namespace == "second"


def test_a_key_of_a_compacted_topic_that_lies_in_another_partition_is_found(
    broker: str, prefix: str, make_topics: Callable[..., None]
) -> None:
    make_topics(broker)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    settings = Settings(kafka=kafka)
    for number in range(20):
        deliver(kafka, CATALOG_ITEMS, [(f"i{number}".encode(), encode(CatalogItem(f"i{number}", "an item")))])
    assert [(found.about, found.state) for found in look_at_keys(settings)] == [("keys", "ok")]
    stray = Producer(confluent_producer_config(kafka))
    stray.produce(prefix + CATALOG_ITEMS.name, None, b"i0", (partition_of(b"i0", 4) + 1) % 4)
    flush(stray)
    (found,) = look_at_keys(settings)
    assert (found.state, found.detail) == (
        "bad", "catalog-items: 1 of 21 records lie in another partition than their key's now",
    )  # fmt: skip
    assert "run `reshelf topics apply`" in found.remedy


def test_a_partition_that_a_running_worker_gets_is_refused_with_the_same_remedy() -> None:
    made = manifest_of("live", "", {topic.name: [0] for topic in EVENT_TOPICS}, 16, FoldSettings())
    with pytest.raises(StateAttention) as refused:
        made.start(TopicPartition(CLICKS.name, 1))
    assert str(refused.value).endswith(PARTITIONS_ADDED)


def test_other_settings_are_not_taken_for_partitions_that_were_added() -> None:
    made = manifest_of("live", "", {topic.name: [0] for topic in EVENT_TOPICS}, 16, FoldSettings())
    grown = msgspec.structs.replace(made, topics=dict.fromkeys(made.topics, 2))
    for other in (msgspec.structs.replace(grown, groups=3), made):
        with pytest.raises(StateAttention, match="Put the settings back"):
            check_same(grown if other is made else made, other)
