"""A replay by several processes gives the bytes that one gives, whoever dies on the way."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from redis import Redis

from reshelf.cli.main import run
from reshelf.namespaces import replay
from reshelf.namespaces.replay import Options
from reshelf.namespaces.shares import LEAST_RECORDS, MOST, fitting_workers, shared_out
from reshelf.settings import Settings
from schemas.errors import StateAttention
from schemas.topics import CLICKS
from streams.kafka.log_source import KafkaSource, Runs, Span
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings, KafkaSettings, RedisSettings
from streams.state.keys import GroupKeys, home_group
from tests.reshelf.environments import in_environment
from tests.streams.logs import example_log
from tests.streams.test_learner import publish

DECADES_MS = 10**12
FOLD = FoldSettings(
    allowed_lateness_ms=0,
    max_clock_skew_ms=0,
    bucket_ms=10,
    bucket_ttl_ms=DECADES_MS,
    duplicate_window_ms=50,
    max_keys=5,
    amount_cap=500,
)
"""Buckets of ten events, all old by the time of the log, and fewer names than there are."""
EVENTS = 100


@pytest.fixture
def shop(
    broker: str, redis: Redis, redis_url: str, prefix: str, make_topics: Callable[..., None], monkeypatch: Any
) -> Settings:
    make_topics(broker)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    publish(kafka, example_log(3, EVENTS, partitions=4))
    return in_environment(Settings(kafka=kafka, redis=RedisSettings(url=redis_url), fold=FOLD), monkeypatch)


DEADLY = TopicPartition(CLICKS.name, 2)


class Deadly(KafkaSource):
    """The same topics; whoever reads one partition of clicks is killed once half of it is in the state."""

    def __init__(self, settings: Settings, namespace: str) -> None:
        super().__init__(settings.kafka)
        self._url = settings.redis.url
        self._mark = GroupKeys(namespace, home_group(DEADLY, settings.redis.groups)).watermark(DEADLY)

    def records(self, spans: Mapping[TopicPartition, Span]) -> Runs:
        if DEADLY not in spans:
            yield from super().records(spans)
            return
        first, end = spans[DEADLY]
        yield from super().records({DEADLY: (first, (first + end) // 2)})
        with Redis.from_url(self._url) as client:
            while client.get(self._mark) is None:
                time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run([*arguments, "--json"]) == 0, capsys.readouterr()
    return json.loads(capsys.readouterr().out)


@pytest.mark.long
def test_any_number_of_processes_gives_the_same_bytes(
    shop: Settings, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = answer(capsys, "replay", "--into", "alone", "--workers", "1")
    assert alone["verdicts"]["quota"] > 0
    shared = answer(capsys, "replay", "--into", "by-3", "--workers", "3")
    assert shared["workers"] == 3
    for key in ("records", "verdicts", "ends"):
        assert shared[key] == alone[key]
    deadly, options = Deadly(shop, "by-2"), Options("beginning", "end", "by-2", workers=2)
    with pytest.raises(StateAttention, match=r"ended by SIGKILL .* Run the same command again"):
        replay.run(shop, deadly, options, lambda total, what: lambda count: None)
    assert tally(redis, shop, "by-2") == EVENTS // 2 < tally(redis, shop, "alone") == EVENTS
    answer(capsys, "replay", "--into", "by-2", "--workers", "1")
    assert len({answer(capsys, "state", "digest", name)["digest"] for name in ("alone", "by-2", "by-3")}) == 1
    assert len({tables(redis, name) for name in ("alone", "by-2", "by-3")}) == 1


def tally(redis: Redis, shop: Settings, namespace: str) -> int:
    """Records of the deadly partition that were judged and are in the state."""
    keys = GroupKeys(namespace, home_group(DEADLY, shop.redis.groups))
    counts: Any = redis.hgetall(keys.tally(DEADLY))
    return sum(map(int, counts.values()))


def tables(redis: Redis, namespace: str) -> int:
    """How many tables there are: one for each page, segment and traffic, as all buckets are in one span."""
    names = [name.decode() for name in redis.scan_iter(f"reshelf:{{{namespace}:*revision:*")]
    keys = {name.split(":", 4)[4] for name in names}
    assert len(names) == len(keys) > 3
    return len(names)


def test_partitions_are_shared_out_by_what_is_left_of_them() -> None:
    left = {TopicPartition(topic, at): count for topic, count in (("a", 90), ("b", 30), ("c", 0)) for at in range(4)}
    shares = shared_out(left, 3)
    assert sorted(tp for share in shares for tp in share) == sorted(tp for tp, count in left.items() if count)
    assert sorted(sum(left[tp] for tp in share) for share in shares) == [150, 150, 180]
    assert len(shared_out(left, 99)) == 8
    assert shared_out({TopicPartition("a", 0): 0}, 3) == []


def test_a_small_log_or_machine_needs_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def cores(count: int) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(count)))

    cores(6)
    tps = [TopicPartition("a", at) for at in range(64)]
    assert fitting_workers(dict.fromkeys(tps, 0)) == 1
    assert fitting_workers(dict.fromkeys(tps, LEAST_RECORDS // 64 - 1)) == 1
    many = dict.fromkeys(tps, LEAST_RECORDS)
    for count, workers in ((1, 1), (2, 1), (6, 3), (64, MOST)):
        cores(count)
        assert fitting_workers(many) == workers
    assert fitting_workers({tps[0]: 100 * LEAST_RECORDS, tps[1]: 0}) == 1
