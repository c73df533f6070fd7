"""Attribution as a process: killed in the middle it publishes every decision once, on either broker."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from msgspec.structs import replace
from redis import Redis

from policy.attribution.clicks import CreditRule
from policy.attribution.plain import LogEntry, plain_attribution
from reshelf.processes.children import process
from schemas.messages.events import Click, Conversion, Purchase, PurchaseLine
from schemas.topic import Topic
from schemas.topics import CLICKS, CONVERSIONS, DEAD_LETTERS, PURCHASES
from streams.fold.window import numbered
from streams.kafka.clients import confluent_consumer_config, confluent_producer_config
from streams.settings import AttributionSettings, FoldSettings, KafkaSettings, LearnerSettings, RedisSettings
from streams.state.clicks.progress import progress_keys
from tests.deadline import Deadline
from tests.delivery import flush

PARTITIONS, GROUPS, WAIT_S = 2, 3, 60.0
SETTINGS = AttributionSettings(grace_ms=100, window_ms=60_000, clock_skew_ms=200)
FOLD = FoldSettings()
LEARNER = LearnerSettings(advance_s=0.2)
_RUN = """
import sys
from streams.attribution.app import attribution_app
from streams.settings import *
from streams.transport import run_app
texts = zip((KafkaSettings, RedisSettings, FoldSettings, LearnerSettings, AttributionSettings), sys.argv[1:])
sys.exit(run_app(attribution_app(*(group.model_validate_json(text) for group, text in texts))))
"""


def command(kafka: KafkaSettings, redis: RedisSettings, folder: Path) -> list[str]:
    groups = (kafka, redis, FOLD, LEARNER, SETTINGS.changed(folder=str(folder)))
    return [sys.executable, "-c", _RUN, *(group.model_dump_json(exclude={"password"}) for group in groups)]


def until(holds: Callable[[], Any], log: Path) -> None:
    end = Deadline(WAIT_S)
    while not holds():
        assert end.ahead, f"waited in vain; the worker said: {log.read_text()[-3000:]}"
        time.sleep(0.25)


def shop(kafka: KafkaSettings, chance: random.Random, events: int, start: int) -> None:
    """Clicks and purchases of a few units, some late to the log, some invalid, some twice."""
    producer = Producer(dict(confluent_producer_config(kafka)))
    for number in range(start, start + events):
        unit, item, now = f"u{chance.randrange(12)}", f"i{chance.randrange(4)}", round(time.time() * 1000)
        occurred = now - chance.choice([0, 0, 20, 300])
        event: Any
        if chance.random() < 0.6:
            topic = CLICKS
            event = Click(f"c{number}", occurred, unit, "home", "s", "top", item, f"v{number}", 1, 0)
        else:
            topic = PURCHASES
            lines = [PurchaseLine(item, 1, 500), PurchaseLine("i0", 2, 900)]
            event = Purchase(f"p{number}", occurred, unit, f"o{number}", "EUR", lines)
        value = b"{" if topic is PURCHASES and chance.random() < 0.05 else msgspec.json.encode(event)
        for _ in range(chance.choice([1, 1, 1, 2])):
            producer.produce(kafka.prefix + topic.name, value, key=unit)
        if topic is CLICKS and chance.random() < 0.02:
            producer.produce(kafka.prefix + topic.name, None, key=unit)
        if number % 10 == 0:
            flush(producer)
            time.sleep(0.02)
    flush(producer)


def read(kafka: KafkaSettings, topic: Topic, partition: int) -> list[Any]:
    """All records of a partition."""
    config = confluent_consumer_config(kafka, f"{kafka.prefix}check") | {"enable.partition.eof": True}
    consumer = Consumer(dict(config))
    consumer.assign([TopicPartition(kafka.prefix + topic.name, partition, 0)])
    records: list[Any] = []
    while True:
        message = consumer.poll(10)
        assert message is not None
        error = message.error()
        if error is not None:
            assert error.code() == KafkaError._PARTITION_EOF
            consumer.close()
            return records
        records.append(message)


def entries(records: list[Any], message: type[Any]) -> list[LogEntry[Any]]:
    """The log as the plain rule takes it; what is invalid or a duplicate only holds its place."""
    seen: dict[str, int] = {}
    times = accumulate((record.timestamp()[1] for record in records), max)
    found = []
    for record, append_time in zip(records, times, strict=True):
        event = None
        if record.value() not in (None, b"{"):
            event = msgspec.json.decode(record.value(), type=message)
            if isinstance(event, Purchase):
                event = msgspec.structs.replace(event, lines=numbered(event.lines))
            last = seen.get(event.event_id)
            seen[event.event_id] = record.offset()
            event = None if last is not None else event
            if isinstance(event, Purchase):
                event = replace(event, lines=numbered(event.lines))
        found.append(LogEntry(record.offset(), append_time, record.key().decode(), event, record.value() is None))
    return found


def decisions(kafka: KafkaSettings, partition: int) -> list[Conversion]:
    clicks = entries(read(kafka, CLICKS, partition), Click)
    purchases = entries(read(kafka, PURCHASES, partition), Purchase)
    rule = CreditRule(lambda page: SETTINGS.window_ms, SETTINGS.grace_ms, FOLD.max_clock_skew_ms)
    return plain_attribution(clicks, purchases, rule)


def published(kafka: KafkaSettings, partition: int) -> list[Conversion]:
    return [msgspec.json.decode(record.value(), type=Conversion) for record in read(kafka, CONVERSIONS, partition)]


def settled(kafka: KafkaSettings, redis: Redis) -> bool:
    """Whether every partition stands at the end of both topics."""
    ends = {(t.name, p): read(kafka, t, p)[-1].offset() + 1 for t in (CLICKS, PURCHASES) for p in range(PARTITIONS)}
    for (topic, partition), end in ends.items():
        names = progress_keys("attr", GROUPS, partition)
        mark: Any = redis.get(names.marks[topic])
        if mark is None or int(mark.split(b":")[0]) != end:
            return False
    return True


def test_a_worker_killed_in_the_middle_publishes_every_decision_once(
    any_broker: str, redis: Redis, redis_url: str, prefix: str, make_topics: Callable[..., None], tmp_path: Path
) -> None:
    make_topics(any_broker, PARTITIONS)
    kafka = KafkaSettings(bootstrap=any_broker, prefix=prefix, session_timeout_s=2.0)
    settings = RedisSettings(url=redis_url, namespace="attr", groups=GROUPS)
    chance, log = random.Random(7), tmp_path / "log.txt"
    with process(command(kafka, settings, tmp_path / "clicks"), log) as first:
        shop(kafka, chance, 300, 0)
        until(lambda: published(kafka, 0), log)
        shop(kafka, chance, 100, 300)
        first.kill()
        first.wait()
    with process(command(kafka, settings, tmp_path / "clicks"), log) as second:
        shop(kafka, chance, 100, 400)
        until(lambda: settled(kafka, redis), log)
        redis.flushdb()
        shop(kafka, chance, 100, 500)
        until(lambda: settled(kafka, redis), log)
        assert second.poll() is None
    for partition in range(PARTITIONS):
        expected = decisions(kafka, partition)
        assert expected
        assert published(kafka, partition) == expected
    invalid = sum(record.value() == b"{" for p in range(PARTITIONS) for record in read(kafka, PURCHASES, p))
    letters = [tuple(r.headers()) for p in range(PARTITIONS) for r in read(kafka, DEAD_LETTERS, p)]
    assert len(letters) == len(set(letters)) == invalid > 0
