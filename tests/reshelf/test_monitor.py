"""What the console says of the age of the state, which alerts read."""

from __future__ import annotations

import asyncio
import math
import tracemalloc
from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ConnectionError as RedisAway

from policy.experiments.sequence import Uplift
from reshelf.console.layout_history import LayoutHistory
from reshelf.console.monitor import Monitor
from reshelf.console.uplift_lines import MOMENT_MS, MOMENTS, UpliftLines
from reshelf.console.views.metrics import of_pulse
from reshelf.inspect.experiment import health
from reshelf.inspect.lag import PartitionLag, partition_lag, partition_lags
from reshelf.settings import Settings
from schemas.topics import EVENT_TOPICS
from streams.kafka.clients import confluent_admin_config, confluent_producer_config
from streams.kafka.records import TopicPartition
from streams.metrics import Sample
from streams.settings import FoldSettings, KafkaSettings, RedisSettings
from streams.state.clicks.progress import READ, progress_keys
from streams.state.connection.client import redis_client
from streams.state.manifest import manifest_of
from streams.state.watermark import Watermark
from tests.delivery import flush

BEGIN, HOUR_MS = 1_700_000_000_000, 3_600_000


@pytest.fixture
def monitor() -> Monitor:
    return Monitor(Settings(), redis_client(RedisSettings()), LayoutHistory())


def test_the_state_gets_older_while_records_wait_and_nobody_can_look(monitor: Monitor) -> None:
    monitor.take(
        [
            PartitionLag("events-clicks", 0, 9, 9, BEGIN - HOUR_MS),
            PartitionLag("events-clicks", 1, 9, 5, BEGIN - 1_000),
            PartitionLag("events-clicks", 2, 9, 8, BEGIN - 9_000),
            PartitionLag("events-purchases", 0, 9, 9, BEGIN),
        ],
        BEGIN,
    )
    assert monitor.ages_ms(BEGIN) == {"events-clicks": 9_000, "events-purchases": 0}
    assert monitor.ages_ms(BEGIN + HOUR_MS) == {"events-clicks": 9_000 + HOUR_MS, "events-purchases": 0}
    assert monitor.newest_age_ms(BEGIN + HOUR_MS) == HOUR_MS


def test_a_partition_of_which_nothing_was_ever_applied_waits_since_it_was_seen(monitor: Monitor) -> None:
    assert monitor.newest_age_ms(BEGIN) is None
    for seconds in range(3):
        monitor.take([PartitionLag("events-clicks", 0, 9, 0, 0)], BEGIN + seconds * 1_000)
    assert monitor.ages_ms(BEGIN + HOUR_MS) == {"events-clicks": HOUR_MS}
    monitor.take([PartitionLag("events-clicks", 0, 9, 9, BEGIN)], BEGIN)
    assert monitor.ages_ms(BEGIN + HOUR_MS) == {"events-clicks": 0}


def test_a_page_that_is_arranged_no_more_leaves_no_uplifts_behind(monitor: Monitor) -> None:
    nothing = health({}, Settings())
    for page in ("home", "campaign-1"):
        monitor.health[page] = nothing
        monitor.uplifts[page] = UpliftLines()
    monitor.retain(["home", "campaign-2"])
    assert monitor.health.keys() == monitor.uplifts.keys() == {"home"}


def test_of_a_page_an_hour_of_uplifts_stays_in_memory(monitor: Monitor) -> None:
    current = health({}, Settings())._replace(uplifts={"clicks": Uplift(0.05, 0.04, 0.25, 0.1, 0.4)})
    for look in range(2_000):
        monitor.remember("home", current, BEGIN + look * 5_000)
    line = monitor.uplifts["home"].line("clicks")
    times = [at for at, *_ in line]
    assert {shown[1:] for shown in line} == {(0.25, 0.1, 0.4)}
    assert monitor.uplifts["home"].begin == times[0]
    assert len(times) == MOMENTS
    assert times[-1] >= BEGIN + 2_000 * 5_000 - 2 * MOMENT_MS
    assert times[-1] - times[0] == HOUR_MS - MOMENT_MS


def test_uplifts_take_four_numbers_and_begin_where_their_bounds_are_known() -> None:
    lines = UpliftLines()
    unclear = Uplift(0.05, 0.04, 0.25, -1.0, math.inf)
    lines.add(BEGIN, {"clicks": unclear})
    assert (lines.begin, lines.line("clicks")) == (None, [])
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for look in range(3 * MOMENTS):
        uplifts = {"clicks": Uplift(0.05, 0.04, look / 7, look / 9, look / 5), "orders": unclear}
        lines.add(BEGIN + (look + 1) * MOMENT_MS, uplifts)
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert lines.line("orders") == []
    assert taken < 2 * 32 * MOMENTS


def test_how_long_ago_everything_was_seen_is_exposed(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    async def look() -> None:
        if now[0] > 1_000:
            raise RedisAway("away")

    for at in (1_000.0, 1_090.0):
        now[0] = at
        asyncio.run(monitor.patiently(look))
    assert Sample("reshelf_console_look_age_seconds", (), 90.0) in of_pulse(monitor)
    assert Sample("reshelf_console_away", (), True) in of_pulse(monitor)


def test_a_transaction_marker_at_the_end_is_no_record_that_waits() -> None:
    marks = [Watermark(8, BEGIN, empty_to=9), Watermark(9, BEGIN)]
    assert partition_lag(TopicPartition("events-purchases", 0), 9, marks).lag == 0


def test_signals_and_returns_are_as_far_as_attribution_is(
    broker: str, prefix: str, make_topics: Callable[..., None], redis: Redis, redis_url: str
) -> None:
    make_topics(broker)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    producer = Producer(dict(confluent_producer_config(kafka)))
    for topic in EVENT_TOPICS:
        producer.produce(prefix + topic.name, b"{}", b"u", 1)
    flush(producer)
    manifest = manifest_of("live", prefix, {topic.name: [0] * 4 for topic in EVENT_TOPICS}, 2, FoldSettings())
    for topic in READ:
        redis.set(progress_keys("live", 2, 1).marks[topic.name], Watermark(1, BEGIN).encode())

    async def lags() -> dict[str, int]:
        async with AsyncRedis.from_url(redis_url) as client:
            each = await partition_lags(AdminClient(confluent_admin_config(kafka)), client, manifest)
        return {lag.topic: lag.lag for lag in each if lag.partition == 1}

    assert asyncio.run(lags()) == {topic.name: int(topic.folded) for topic in EVENT_TOPICS}
