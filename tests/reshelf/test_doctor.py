"""The doctor finds what is wrong and says what to do."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from redis import Redis

from reshelf.doctor import (
    Finding,
    build_finding,
    examine,
    history_findings,
    redis_findings,
    retention_findings,
    window_findings,
)
from reshelf.doctor.topics import DECISIONS
from reshelf.doctor.work import attribution_finding, duplicate_finding
from reshelf.inspect.consumer_groups import absent_roles
from reshelf.settings import Settings
from reshelf.topics.admin import apply
from reshelf.topics.publish import deliver
from schemas.codec import encode, encode_key
from schemas.messages.layouts import LayoutLife
from schemas.topic import Topic
from schemas.topics import (
    DAY_MS,
    EVENT_TOPICS,
    IMPRESSIONS,
    LAYOUT_LIVES,
    LAYOUTS,
    LAYOUTS_HISTORY,
    PURCHASES,
)
from streams.fold.window import RecentWindow
from streams.kafka.clients import confluent_admin_config, confluent_consumer_config
from streams.kafka.records import TopicPartition
from streams.page_settings import LayoutSettings
from streams.settings import AttributionSettings, FoldSettings, KafkaSettings, RedisSettings
from streams.state import keys, manifest
from streams.state.clicks.progress import Window
from tests.reshelf.test_layouts_command import layout
from tests.streams.logs import example_log
from tests.streams.test_learner import publish

GOOD = {"valkey_version": "8.1.0", "redis_version": "7.2.4", "maxmemory_policy": "noeviction", "aof_enabled": 1}


def states_by_name(info: Mapping[str, Any], skew_ms: float = 0.0) -> dict[str, str]:
    return {finding.about: finding.state for finding in redis_findings(info, skew_ms, 1000)}


def test_a_worker_that_runs_is_seen_on_either_broker(
    any_broker: str, prefix: str, make_topics: Callable[..., None]
) -> None:
    make_topics(any_broker)
    kafka = KafkaSettings(bootstrap=any_broker, prefix=prefix)
    own = manifest.manifest_of("live", prefix, {topic.name: [0] * 4 for topic in EVENT_TOPICS}, 16, FoldSettings())
    admin = AdminClient(confluent_admin_config(kafka))
    assert "learner" in absent_roles(admin, own)
    worker = Consumer(confluent_consumer_config(kafka, f"{prefix}learner-live"))
    worker.subscribe([prefix + PURCHASES.name])
    end = time.monotonic() + 60.0
    while "learner" in absent_roles(admin, own):
        worker.poll(0.1)
        assert time.monotonic() < end
    assert "fitter" in absent_roles(admin, own)
    worker.close()
    while "learner" not in absent_roles(admin, own):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_good_server_has_no_remedies() -> None:
    assert set(states_by_name(GOOD).values()) == {"ok"}
    assert all(not finding.remedy for finding in redis_findings(GOOD, 0, 1000))


@pytest.mark.parametrize(
    ("change", "about", "state"),
    [
        ({"valkey_version": "7.2.5"}, "Redis", "bad"),
        ({"maxmemory_policy": "allkeys-lru"}, "Redis eviction", "bad"),
        ({"aof_enabled": 0}, "Redis persistence", "note"),
        ({"used_memory": 80, "maxmemory": 100}, "Redis memory", "note"),
        ({"used_memory": 100, "maxmemory": 100}, "Redis memory", "bad"),
    ],
)
def test_each_fault_is_found_alone(change: dict[str, Any], about: str, state: str) -> None:
    found = states_by_name({**GOOD, **change})
    assert {name: what for name, what in found.items() if what != "ok"} == {about: state}


@pytest.mark.parametrize(
    ("fold", "policy", "state", "said"),
    [
        (False, True, True, ["7 to 12 times as long"]),
        (True, False, True, ["layouts are drawn and filled without compiled code"]),
        (True, True, False, ["the counts of layouts are read without compiled code"]),
        (False, False, True, ["7 to 12 times as long", "layouts are drawn and filled without compiled code"]),
    ],
)
def test_parts_that_were_not_compiled_are_told_with_their_cost_and_remedy(
    fold: bool, policy: bool, state: bool, said: list[str]
) -> None:
    finding = build_finding(fold, policy, state)
    assert finding.state == "note"
    assert [one for one in said if one not in finding.detail] == []
    assert len(finding.detail.split("; ")) == len(said)
    assert "wheel of this platform" in finding.remedy and "`reshelf bench stages`" in finding.remedy


def test_compiled_parts_that_are_there_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    assert build_finding(True, True, True).state == "ok"
    away = Settings(kafka=KafkaSettings(bootstrap="127.0.0.1:1"), redis=RedisSettings(url="redis://127.0.0.1:1/0"))
    monkeypatch.setattr("reshelf.topics.admin.TIMEOUT_S", 1.0)
    monkeypatch.setattr("reshelf.doctor.FOLD_BUILT", False)
    (finding,) = (one for one in examine(away) if one.about == "compiled parts")
    assert finding.state == "note"


def test_redis_needs_version_seven() -> None:
    old = {"redis_version": "6.2.14", "maxmemory_policy": "noeviction", "aof_enabled": 1}
    assert states_by_name(old)["Redis"] == "bad"
    assert states_by_name({**old, "redis_version": "7.0.0"})["Redis"] == "ok"


def test_clocks_apart_are_bad_either_way() -> None:
    assert [states_by_name(GOOD, skew)["Redis clock"] for skew in (-1001, -999, 999, 1001)] == [
        "bad",
        "ok",
        "ok",
        "bad",
    ]


@pytest.mark.parametrize(("decisions", "about"), DECISIONS)
@pytest.mark.parametrize(
    ("decided", "source", "fits"),
    [(36, 30, False), (37, 30, True), (-1, 30, True), (36, -1, False), (-1, -1, True)],
)
def test_decisions_outlive_the_last_segment_of_what_they_are_about(
    decisions: Topic, about: Topic, decided: int, source: int, fits: bool
) -> None:
    def kept(days: int) -> dict[str, str]:
        return {"retention.ms": str(days * DAY_MS if days > 0 else -1), "segment.ms": str(7 * DAY_MS)}

    found = list(retention_findings({decisions: kept(decided), about: kept(source)}))
    assert [finding.state for finding in found] == ([] if fits else ["bad"])


def test_the_table_keeps_decisions_long_enough() -> None:
    week = {"segment.ms": str(7 * DAY_MS)}
    configs = {topic: week | {"retention.ms": str(topic.retention_ms)} for pair in DECISIONS for topic in pair}
    assert not list(retention_findings(configs))


@pytest.mark.parametrize(
    ("history", "impressions", "fits"), [(30, 30, False), (31, 30, True), (-1, 30, True), (90, -1, False)]
)
def test_the_history_has_a_layout_as_long_as_what_it_showed(history: int, impressions: int, fits: bool) -> None:
    days = {LAYOUTS_HISTORY: history, IMPRESSIONS: impressions}
    configs = {topic: {"retention.ms": str(kept * DAY_MS if kept > 0 else -1)} for topic, kept in days.items()}
    assert [finding.state for finding in history_findings(configs, DAY_MS)] == ["note"] * (not fits)


def test_the_table_keeps_the_history_for_longer_than_events_and_an_epoch() -> None:
    configs = {topic: {"retention.ms": str(topic.retention_ms)} for topic in (LAYOUTS_HISTORY, IMPRESSIONS)}
    assert not list(history_findings(configs, LayoutSettings().epoch_ms))


@pytest.mark.parametrize(("retained", "fits"), [("-1", True), ("7200000", True), ("7199999", False)])
def test_a_window_that_retention_cuts_is_reported(retained: str, fits: bool) -> None:
    configs = {topic: {"retention.ms": retained if topic is PURCHASES else "-1"} for topic in EVENT_TOPICS}
    findings = list(window_findings(configs, 7_200_000))
    assert [(one.state, one.detail) for one in findings] == [
        ("note", "events-purchases is retained for 7199999 ms, fold.duplicate_window_ms is 7200000")
    ] * (not fits)


def test_missing_topics_then_applied(any_broker: str, redis: Redis, redis_url: str, prefix: str) -> None:
    settings = Settings(
        kafka=KafkaSettings(bootstrap=any_broker, prefix=prefix, partitions=1),
        redis=RedisSettings(url=redis_url),
        attribution=AttributionSettings(clock_skew_ms=60_000),
    )
    (missing,) = bad(list(examine(settings)))
    assert "reshelf topics apply" in str(missing)
    apply(settings.kafka)
    assert bad(list(examine(settings))) == []


def test_real_kafka_tells_its_clock(kafka: str, redis_url: str, prefix: str) -> None:
    settings = Settings(kafka=KafkaSettings(bootstrap=kafka, prefix=prefix), redis=RedisSettings(url=redis_url))
    (clock,) = (finding for finding in examine(settings) if finding.about == "broker clock")
    assert "ms against this machine" in clock.detail


def test_nothing_there_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reshelf.topics.admin.TIMEOUT_S", 1.0)
    away = Settings(kafka=KafkaSettings(bootstrap="127.0.0.1:1"), redis=RedisSettings(url="redis://127.0.0.1:1/0"))
    assert [finding.about for finding in bad(list(examine(away)))] == ["broker", "Redis"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"security_protocol": "SASL_SSL", "username": "u"}, "got no kafka.password"),
        ({"security_protocol": "SSL", "ca_file": "/nowhere.pem"}, "kafka.ca_file: expected a PEM file"),
        ({"security_protocol": "SSL", "ca_file": __file__}, "ssl.ca.location"),
    ],
)
def test_security_that_cannot_be_used_is_a_finding_and_redis_is_looked_at(
    redis_url: str, wrong: dict[str, Any], said: str
) -> None:
    settings = Settings(kafka=KafkaSettings(bootstrap="127.0.0.1:1", **wrong), redis=RedisSettings(url=redis_url))
    found = list(examine(settings))
    (broker,) = bad(found)
    assert broker.about == "broker" and said in broker.detail
    assert "Redis" in [finding.about for finding in found]


def test_the_number_of_partitions_is_that_of_the_event_topics(broker: str, redis_url: str, prefix: str) -> None:
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix, partitions=1)
    apply(kafka)
    settings = Settings(kafka=kafka.changed(partitions=2), redis=RedisSettings(url=redis_url))
    topics = next(finding for finding in bad(list(examine(settings))) if finding.about == "topics")
    assert "catalog-items" not in topics.detail
    assert topics.remedy == "Set kafka.partitions to 1, which is what the event topics have."


def test_a_state_that_nobody_works_on_is_told(any_broker: str, redis: Redis, redis_url: str, prefix: str) -> None:
    kafka = KafkaSettings(bootstrap=any_broker, prefix=prefix, partitions=1)
    settings = Settings(kafka=kafka, redis=RedisSettings(url=redis_url))
    apply(kafka)
    assert about(settings, "workers").detail == "none has run yet for namespace 'live'"
    worked_on(settings, redis)
    publish(kafka, example_log(3, 80, partitions=1))
    workers, state, layouts = (about(settings, name) for name in ("workers", "state", "layouts"))
    assert workers.remedy.startswith("Run `reshelf worker learner attribution fitter layouts`")
    assert (state.state, layouts.detail) == ("note", "none is published")
    assert not state.detail.startswith("0 ")


def test_layouts_that_expired_are_told(broker: str, redis_url: str, prefix: str, redis: Redis) -> None:
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix, partitions=1)
    settings = Settings(kafka=kafka, redis=RedisSettings(url=redis_url))
    apply(kafka)
    worked_on(settings, redis)
    now_ms = time.time_ns() // 1_000_000
    publish_layouts(kafka, now_ms - 60_000, now_ms - 5_000)
    assert re.fullmatch("all have expired, the newest [0-9]+ s ago", about(settings, "layouts").detail)
    for why in ("home for cooks: the broker refuses it", ""):
        life = LayoutLife("live/0/1", now_ms, now_ms + 60_000, why)
        deliver(kafka, LAYOUT_LIVES, [(life.life.encode(), encode(life))])
        found = [finding for finding in examine(settings) if finding.about.startswith("layout")]
        assert found[0].state == "ok", "it expired by itself, and its life goes on"
        assert [finding.detail for finding in found[1:]] == [f"live/0/1 is held up by {why}"] * bool(why)


def worked_on(settings: Settings, redis: Redis) -> None:
    """A namespace of one partition each, as a worker leaves it that has read nothing."""
    starts = {topic.name: [0] for topic in EVENT_TOPICS}
    made = manifest.manifest_of("live", settings.kafka.prefix, starts, settings.redis.groups, settings.fold)
    redis.set(keys.manifest("live"), msgspec.json.encode(made))


def publish_layouts(kafka: KafkaSettings, *expire_ms: int) -> None:
    for at_ms in expire_ms:
        made = msgspec.structs.replace(layout("cooks", at_ms, at_ms), produced_at=at_ms - 600_000, life="live/0/1")
        deliver(kafka, LAYOUTS, [(encode_key(LAYOUTS, "home", "cooks"), encode(made))])


def about(settings: Settings, name: str) -> Finding:
    return next(finding for finding in examine(settings) if finding.about == name)


def bad(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.state == "bad"]


def test_a_duplicate_window_that_memory_cuts_short_is_reported() -> None:
    tp = TopicPartition("events-impressions", 3)
    assert list(duplicate_finding(None)) == []
    (well,) = duplicate_finding((tp, RecentWindow(7_200_000, 7_200_000, 79, 100, 7_200_000)))
    assert (well.state, well.detail) == ("ok", "2 hours of 2 hours (79% of fold.duplicate_mb in events-impressions/3)")
    (cut,) = duplicate_finding((tp, RecentWindow(960_000, 7_200_000, 7_500_000, 1_000_000, 960_000)))
    assert cut.detail == "16 minutes of 2 hours (750% of fold.duplicate_mb in events-impressions/3)"
    assert "Set fold.duplicate_mb to at least 980" in cut.remedy


def test_an_attribution_window_that_is_not_covered_is_reported() -> None:
    assert list(attribution_finding({})) == []
    whole, short = Window(7 * DAY_MS, 7 * DAY_MS), Window(16 * 60_000, 7 * DAY_MS)
    (well,) = attribution_finding({0: whole})
    assert (well.state, well.detail) == ("ok", "7 days of 7 days, the least in partition 0")
    (cut,) = attribution_finding({0: whole, 3: short})
    assert (cut.state, cut.detail) == ("note", "16 minutes of 7 days, the least in partition 3")
    assert "retention.ms" in cut.remedy
