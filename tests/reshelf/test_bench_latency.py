"""`reshelf bench latency`: what counts as seen, the clock of the stream, and a small run of it all."""

from __future__ import annotations

import json
import math

import click
import pytest
from click.testing import CliRunner
from confluent_kafka.admin import AdminClient
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from bench.latency_delays import SentClick, Sighting, Window, delays_s, summary
from bench.latency_traffic import BURST, Pace, Shop
from reshelf.command import cli
from reshelf.commands import Front
from reshelf.commands.bench.latency import latency
from schemas.errors import ReshelfError
from streams.layouts.schedule import Key

HOME, CART = Key("home", "new"), Key("cart", "new")


def sighting(at: float, *positions: int) -> Sighting:
    return Sighting(at, round(at * 1000), positions)


def test_a_click_counts_from_its_sending_to_the_first_layout_past_its_offset() -> None:
    clicks = [SentClick(HOME, 1, 7, 10.0), SentClick(HOME, 0, 7, 10.0)]
    seen = {HOME: [sighting(9.0, 7, 6), sighting(10.1, 7, 7), sighting(10.2, 8, 7), sighting(10.4, 9, 8)]}
    assert delays_s(clicks, seen, 5.0) == pytest.approx([0.4, 0.2])


def test_a_click_that_only_other_layouts_or_late_ones_reflect_is_not_seen() -> None:
    clicks = [SentClick(HOME, 0, 7, 10.0), SentClick(CART, 0, 7, 10.0), SentClick(CART, 3, 7, 10.0)]
    seen = {CART: [sighting(15.5, 8)]}
    assert delays_s(clicks, seen, 5.0) == [math.inf] * 3


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(0, 50))
def test_the_first_sighting_is_found_as_by_looking_at_each(positions: list[int], offset: int) -> None:
    seen = [sighting(10.0 + number, position) for number, position in enumerate(sorted(positions))]
    sent = SentClick(HOME, 0, offset, 10.0)
    expected = next((one.received_at - 10.0 for one in seen if one.reflects(sent)), math.inf)
    assert delays_s([sent], {HOME: seen}, math.inf) == [expected]


def test_a_summary_has_medians_of_rounds_and_counts_the_unseen_at_the_limit() -> None:
    windows = [
        Window(100.0, [0.1] * 9 + [math.inf], 10.0, 20.0),
        Window(98.0, [0.2], 30.0, 20.0),
        Window(99.0, [0.3], 20.0, 20.0),
    ]
    found = summary(100, windows, 5.0)
    assert (found.p50_ms, found.max_ms, found.clicks, found.unseen, found.rounds) == (200.0, 5_000.0, 12, 1, 3)
    assert (found.reached_per_s, found.learner_cpu, found.layouts_cpu) == (99.0, 20.0, 20.0)
    with pytest.raises(ReshelfError, match="no click"):
        summary(100, [Window(1.0, [], 0.0, 0.0)], 5.0)


@given(st.floats(1, 50_000), st.lists(st.floats(0, 0.5), max_size=50))
def test_the_pace_never_runs_ahead_and_forgets_nothing(rate: float, steps: list[float]) -> None:
    pace, now = Pace(rate, 5.0), 5.0
    for step in steps:
        now += step
        assert 0 <= pace.take(now) <= BURST
        assert pace.done <= (now - 5.0) * rate
    while pace.take(now):
        pass
    assert pace.done == int((now - 5.0) * rate)


def test_a_shop_declares_what_was_asked_for() -> None:
    shop = Shop(2, 3, 20, 4, 8)
    rules = shop.rules("page-001")
    assert len(set(shop.keys())) == 6
    assert (len(rules.slots), len(rules.candidates.items), rules.policy.variants) == (4, 20, 8)


def test_each_rate_is_measured_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, broker: str, redis: Redis, redis_url: str, prefix: str
) -> None:
    for name, value in {
        "KAFKA__BOOTSTRAP": broker,
        "KAFKA__PREFIX": prefix,
        "KAFKA__SESSION_TIMEOUT_S": "3",
        "REDIS__URL": redis_url,
    }.items():
        monkeypatch.setenv(f"RESHELF_{name}", value)
    sizes = ["--pages", "2", "--segments", "2", "--items", "20", "--slots", "3", "--variants", "4"]
    times = ["--rate", "100", "--rate", "300", "--seconds", "1", "--warm-up", "0.3", "--rounds", "1"]
    front = Front(click.Context(cli), json=True)
    done = CliRunner().invoke(latency, [*sizes, *times], obj=front, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["machine"] and told["broker"] == broker
    assert [row["events_per_s"] for row in told["rates"]] == [100, 300]
    for row in told["rates"]:
        assert row["reached_per_s"] == pytest.approx(row["events_per_s"], rel=0.5)
        assert 0 < row["p50_ms"] <= row["p99_ms"] <= row["max_ms"] <= 5_000
        assert row["clicks"] >= 4 and 2 * row["unseen"] <= row["clicks"]
        assert row["learner_cpu"] > 0 and row["layouts_cpu"] > 0
    assert not list(redis.scan_iter("*bench-latency*"))
    left = AdminClient({"bootstrap.servers": broker}).list_topics(timeout=10).topics
    assert not [name for name in left if name.startswith(f"{prefix}bench-latency")]
