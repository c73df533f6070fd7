"""Two learners on real Kafka, one killed in the middle: the state equals the plain fold."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from redis import Redis as SyncRedis

from streams.fold.plain import PlainFold
from streams.settings import FoldSettings, KafkaSettings, RedisSettings
from tests.deadline import Deadline
from tests.streams.logs import TOPICS, example_log
from tests.streams.test_learner import drained, exported, publish, read_all, read_letters


def _worker(kafka: KafkaSettings, redis: RedisSettings) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "RESHELF_KAFKA__BOOTSTRAP": kafka.bootstrap,
        "RESHELF_KAFKA__PREFIX": kafka.prefix,
        "RESHELF_KAFKA__SESSION_TIMEOUT_S": "3",
        "RESHELF_REDIS__URL": redis.url,
        "RESHELF_FOLD__ALLOWED_LATENESS_MS": "0",
        "RESHELF_FOLD__MAX_CLOCK_SKEW_MS": "0",
    }
    return subprocess.Popen([sys.executable, "-m", "reshelf", "worker", "learner"], env=environment)


def _groups_moved(redis: SyncRedis) -> int:
    return sum(1 for _ in redis.scan_iter("reshelf:{live:*}:wm:*"))


@pytest.mark.long
def test_state_survives_a_kill(
    kafka: str, prefix: str, make_topics: Callable[..., None], redis: SyncRedis, redis_url: str
) -> None:
    settings = KafkaSettings(bootstrap=kafka, prefix=prefix)
    store = RedisSettings(url=redis_url)
    make_topics(kafka, partitions=4)
    publish(settings, example_log(seed=1, records=100, partitions=4, timed=True))
    workers = [_worker(settings, store) for _ in range(2)]
    try:
        until = Deadline(30)
        while _groups_moved(redis) < 8 and until.ahead:
            time.sleep(0.05)
        for part in range(10):
            publish(settings, example_log(seed=10 + part, records=200, partitions=4, timed=True))
            if part == 5:
                workers[random.Random(3).randrange(2)].kill()
        asyncio.run(asyncio.wait_for(drained(settings, store), 60))
    finally:
        for worker in workers:
            worker.terminate()
        statuses = sorted(worker.wait(120) for worker in workers)
    assert statuses == [-9, 0]
    plain = PlainFold(FoldSettings(allowed_lateness_ms=0, max_clock_skew_ms=0))
    for tp, records in read_all(settings, TOPICS).items():
        plain.read(tp, records)
    assert asyncio.run(exported(store)) == plain.rows()
    letters = read_letters(settings)
    assert len(letters) == len(plain.rejected)
    assert {(one.topic, one.partition, one.offset): one.reason for one in letters} == plain.rejected
