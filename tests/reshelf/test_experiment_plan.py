"""`reshelf experiment plan`: from the counts of a state to days and a share, and in words where there is too little."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from reshelf.cli.main import run
from reshelf.inspect.experiment import whole_buckets
from schemas.topics import DAY_MS, EVENT_TOPICS
from streams.fold.deltas import GroupDelta, TableDelta, TableKey, Traffic
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings
from streams.state import keys
from streams.state.arrays.tables import decode_bins
from streams.state.keys import group_of
from streams.state.manifest import manifest_of
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark

GROUPS, DAYS = 4, 7
VIEWS = {Traffic.LEARNED: 360, Traffic.HOLDOUT: 40, Traffic.FALLBACK: 5}


def counts(random: np.random.Generator, views: int) -> dict[int, list[int]]:
    """Page views, units, clicks, orders and revenue of each bin in a day."""
    clicks = random.poisson(0.05 * views, 256).tolist()
    return {at: [views, views // 3, number, number // 10, number * 50] for at, number in enumerate(clicks)}


async def fill(url: str) -> None:
    """A week of a page that is called home, and one hour of a page that is called new."""
    random = np.random.default_rng(1)
    async with AsyncRedis.from_url(url) as client:
        store, written = Store(client, "live", GROUPS), dict[int, int]()
        for page, days in (("home", range(DAYS)), ("new", range(1))):
            delta = GroupDelta({TableKey(page, "a", 0, Traffic.LEARNED): TableDelta({"impressions": {("i", "s"): 1}})})
            delta.bins = {
                TableKey(page, "*", day * DAY_MS, side): counts(random, views)
                for day in days
                for side, views in VIEWS.items()
            }
            group = group_of(page, "*", GROUPS)
            at = written.get(group, 0)
            move = GroupUpdate(group, at, Watermark(at + 1), delta)
            assert await store.apply(TopicPartition("events-clicks", 0), 0, [move]) == [at + 1]
            written[group] = at + 1


@pytest.fixture
def state(redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Redis:
    monkeypatch.setenv("RESHELF_REDIS__URL", redis_url)
    with_buckets(redis, DAY_MS)
    asyncio.run(fill(redis_url))
    return redis


def with_buckets(redis: Redis, width: int) -> None:
    starts = {topic.name: [0] for topic in EVENT_TOPICS}
    manifest = manifest_of("live", "reshelf-", starts, GROUPS, FoldSettings(bucket_ms=width))
    redis.set(keys.manifest("live"), msgspec.json.encode(manifest))


def test_a_page_is_planned_by_its_own_whole_days(state: Redis, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(*arguments: str) -> dict[str, Any]:
        assert run(["experiment", "plan", "home", "--json", *arguments]) == 0
        content: dict[str, Any] = json.loads(capsys.readouterr().out)
        return content

    content = answer("--detect", "2%", "--days", "60")
    assert (content["detect"], content["counted_days"]) == (0.02, DAYS - 2)
    assert content["pace"]["views"] == 256 * 400
    assert content["pace"]["rate"] == pytest.approx(0.05, rel=0.05)
    days = {plan["holdout_share"]: plan["days"] for plan in content["plans"]}
    assert days[0.05] > days[0.1] > days[0.2] > days[0.5]
    assert content["recommended"]["days"] <= 60.0
    assert days[content["recommended"]["holdout_share"]] == content["recommended"]["days"]
    asked_for = answer("--detect", "0.02", "--holdout", "0.25", "--goal", "revenue")
    assert [plan["holdout_share"] for plan in asked_for["plans"]] == [0.25]
    assert asked_for["recommended"] is None


def test_the_plan_in_words(state: Redis, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["experiment", "plan", "home", "--detect", "5%"]) == 0
    text = capsys.readouterr().out
    assert "home: 102,400 page views and" in text and "clicks a day, in 5 days of whole time buckets" in text
    assert "To find a gain of 5% of clicks within 28 days, set layouts.holdout_share = 0." in text
    assert run(["experiment", "plan", "home", "--detect", "0.01%"]) == 0
    assert "No holdout is enough to find a gain of 0.01% of clicks within 28 days" in capsys.readouterr().out


def test_where_too_little_came_the_words_say_what_is_missing(state: Redis, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["experiment", "plan", "new", "--detect", "2%", "--goal", "orders"]) == 1
    error = capsys.readouterr().err
    assert "has too little to plan by: 0 orders in 0 days of whole time buckets" in error
    assert "At least 50 are needed" in error and "or plan for --goal clicks" in error
    assert run(["experiment", "plan", "away", "--detect", "2%"]) == 1
    assert "page 'away' has no counts. Pages that have: home, new." in capsys.readouterr().err
    with_buckets(state, 0)
    assert run(["experiment", "plan", "home", "--detect", "2%"]) == 1
    assert "fold.bucket_ms is 0" in capsys.readouterr().err


@pytest.mark.parametrize("detect", ["0", "-2%", "much", "nan"])
def test_what_is_no_gain_is_refused(detect: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["experiment", "plan", "home", "--detect", detect]) == 2
    assert "expected a gain from 0.01% to 1000%, like 2% or 0.02" in capsys.readouterr().err


@given(st.sets(st.integers(0, 20)), st.sampled_from([DAY_MS, DAY_MS // 24]))
def test_what_may_be_cut_off_does_not_count(starts: set[int], width: int) -> None:
    bins = {(at * width, side): decode_bins() + 1 for at in starts for side in Traffic}
    sides, days = whole_buckets(bins, width)
    inner = sorted(starts)[1:-1]
    assert sides.learned[0, 0] == len(inner)
    assert days == pytest.approx((inner[-1] - inner[0] + 1) * width / DAY_MS if inner else 0.0)
