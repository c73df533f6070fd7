"""Guard-rails: a page that loses for certain shows its baseline to all, and stays there until a new experiment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from redis import Redis

from policy.arrays import Ints
from policy.assignment import branches_of_bins
from policy.experiments.sequence import CLICKS, VIEWS
from reshelf.cli.main import run
from schemas.messages.layouts import Layout
from schemas.messages.pages import Branch, PageRules, PolicyChoice
from schemas.topics import EVENT_TOPICS
from streams.catalog.layouts.latest_layout import LatestLayout
from streams.catalog.page import Key
from streams.fold.deltas import GroupDelta, TableDelta, TableKey, Traffic
from streams.kafka.records import TopicPartition
from streams.layouts.guard_rail import GuardRail
from streams.layouts.segments.trial import loss_by_segments
from streams.page_settings import ExperimentSettings, LayoutSettings
from streams.settings import FoldSettings, RedisSettings
from streams.state.arrays.experiment_bins import periods, read_bins, sides
from streams.state.arrays.tables import decode_bins
from streams.state.keys import group_of
from streams.state.manifest import agree, manifest_of
from streams.state.reader import StateReader
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark
from tests.streams.layouts_shop import Shop, open_shop

__all__ = ["open_shop"]

GROUPS = 4
CLICKED = TopicPartition("events-clicks", 0)
SEGMENTED = PageRules("home", 1, ["top"], branches=[Branch("one-for-all", 0.5, PolicyChoice(), segment="*")])
SHARE = LayoutSettings(holdout_share=0.5)
MANIFEST = manifest_of("live", "", {}, GROUPS, FoldSettings())


def counts(rate: float, seed: int) -> dict[int, list[int]]:
    """Page views, units, clicks, orders and revenue of each bin; one in ten clicks is an order."""
    random = np.random.default_rng(seed)
    clicks = random.poisson(rate * 400, 256).tolist()
    return {at: [400, 100, number, number // 10, number * 50] for at, number in enumerate(clicks)}


async def count(settings: RedisSettings, page: str, at: int, rates: dict[Traffic, float], bucket: int = 0) -> None:
    """Add to the state as the learner does; `at` is how often the page's group was added to before."""
    delta = GroupDelta({TableKey(page, "a", bucket, Traffic.LEARNED): TableDelta({"impressions": {("i", "s"): 1}})})
    delta.bins = {TableKey(page, "*", bucket, side): counts(rate, seed=at + side) for side, rate in rates.items()}
    move = GroupUpdate(group_of(page, "*", GROUPS), at, Watermark(at + 1), delta)
    async with redis.asyncio.Redis.from_url(settings.url) as client:
        assert await Store(client, settings.namespace, GROUPS).apply(CLICKED, 0, [move]) == [at + 1]


def settings_of(url: str) -> RedisSettings:
    return RedisSettings(url=url, groups=GROUPS)


WORSE = {Traffic.LEARNED: 0.05, Traffic.HOLDOUT: 0.1, Traffic.FALLBACK: 0.5}
ALIKE = {Traffic.LEARNED: 0.1, Traffic.HOLDOUT: 0.1}


def test_bins_are_read_as_they_were_counted(redis: Redis, redis_url: str) -> None:
    async def read() -> Any:
        await count(settings_of(redis_url), "home", 0, WORSE)
        await count(settings_of(redis_url), "home", 1, WORSE, bucket=86_400_000)
        async with redis_async(redis_url) as client:
            return await read_bins(client, "live", GROUPS, "home"), await read_bins(client, "live", GROUPS, "away")

    found, none = asyncio.run(read())
    assert none == {}
    both, later = sides(found, 0), sides(found, 1)
    earlier = sides(found, 0, until=1)
    assert both.learned[:, VIEWS].tolist() == [800] * 256
    assert later.learned[:, CLICKS].tolist() == [row[CLICKS] for row in counts(0.05, 1).values()]
    assert (earlier.holdout + later.holdout).tolist() == both.holdout.tolist()


@given(st.integers(1, 12), st.integers(1, 60), st.integers(0, 60))
def test_no_bucket_of_the_pre_period_reaches_into_the_experiment(width: int, before: int, more: int) -> None:
    since = before + more
    bins = {(at, side): decode_bins() + at + 1 for at in range(0, 80, width) for side in Traffic}
    during, earlier = periods(bins, ExperimentSettings(since_ms=since, pre_period_since_ms=before), width)
    assert earlier is not None
    assert during.learned[0, 0] == sum(at + 1 for at, side in bins if side == Traffic.LEARNED and at >= since)
    whole = [at + 1 for at, side in bins if side == Traffic.HOLDOUT and before <= at and at + width <= since]
    assert earlier.holdout[0, 0] == sum(whole)


def redis_async(url: str) -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(url)


def a_layout(page: str) -> Layout:
    return Layout(
        page=page, segment="a", version=1, produced_at=1, expires_at=2, epoch=1, template="t", policy="thompson",
        settings_digest="d", rules_version=1, parameters_version=0, catalog_position=[], watermarks={},
        holdout_share=0.5, holdout_salt="h", baseline={"top": "x"}, slates=[{"top": "y"}, {"top": "z"}],
        propensities={"top": {"y": 0.5, "z": 0.5}},
    )  # fmt: skip


def test_a_page_that_loses_for_certain_falls_and_others_do_not(redis: Redis, redis_url: str) -> None:
    async def look(settings: ExperimentSettings) -> tuple[GuardRail, set[str]]:
        async with redis_async(redis_url) as client:
            guard = GuardRail(StateReader(client, MANIFEST), settings, SHARE)
            return guard, await guard.check({name: PageRules(name, 1, ["top"]) for name in ("home", "good", "new")}, {})

    asyncio.run(count(settings_of(redis_url), "home", 0, WORSE))
    asyncio.run(count(settings_of(redis_url), "good", int(group_of("home", "*", 4) == group_of("good", "*", 4)), ALIKE))
    guard, fallen = asyncio.run(look(ExperimentSettings()))
    assert fallen == {"home"}
    layout = guard.applied(a_layout("home"))
    assert layout.slates == [layout.baseline] == [{"top": "x"}]
    assert layout.propensities == {"top": {"x": 1.0}}
    assert (layout.policy, layout.guard_rail[:8]) == ("baseline", "clicks -")
    assert guard.applied(a_layout("good")) == a_layout("good")
    for forgiving in ({"fallback": False}, {"since_ms": 5}, dict.fromkeys(BORNE, 1.0)):
        assert asyncio.run(look(ExperimentSettings.model_validate(forgiving)))[1] == set()


BORNE = ("tolerated_loss_clicks", "tolerated_loss_orders", "tolerated_loss_revenue")


def test_what_fell_stays_so_until_a_new_experiment(redis_url: str) -> None:
    fell = LatestLayout(1, experiment_since=3, guard_rail="clicks -9.0% to -6.0%")
    for since, expected in ((3, {"home": fell.guard_rail}), (4, {})):
        experiment = ExperimentSettings(since_ms=since)
        guard = GuardRail(StateReader(redis_async(redis_url), MANIFEST), experiment, SHARE)
        guard.recall({Key("home", "a"): fell, Key("good", "a"): LatestLayout(1)})
        assert guard.fallen == expected
        assert guard.applied(a_layout("good")) == msgspec.structs.replace(a_layout("good"), experiment_since=since)


def of_branches(main: float, whole: float, seed: int) -> Ints:
    """Bins of a trial of one branch with half of the units, with the clicks per page view of both sides."""
    of_bins = np.array(branches_of_bins(SEGMENTED.branch_salt, (0.5, 0.5)))
    views = np.full(256, 400)
    clicks = np.random.default_rng(seed).poisson(np.where(of_bins == 1, whole, main) * views)
    return np.stack([views, views // 4, clicks, clicks // 10, clicks * 5, clicks * 25], axis=1)


@pytest.mark.parametrize(("main", "whole", "withdrawn"), [(0.05, 0.1, True), (0.1, 0.05, False), (0.1, 0.1, False)])
def test_segments_that_lose_for_certain_are_withdrawn_and_no_others(main: float, whole: float, withdrawn: bool) -> None:
    bins = {(0, Traffic.LEARNED): of_branches(main, whole, 1), (0, Traffic.HOLDOUT): of_branches(0.5, 0.5, 2)}
    reason = loss_by_segments(SEGMENTED, bins, ExperimentSettings(), 86_400_000)
    assert bool(reason) is withdrawn and (not withdrawn or "one-for-all" in reason)
    plain = msgspec.structs.replace(SEGMENTED, branches=[Branch("one-for-all", 0.5, PolicyChoice())])
    assert not loss_by_segments(plain, bins, ExperimentSettings(), 86_400_000), "it is no branch of the whole page"


def test_withdrawn_segments_stay_so_until_a_new_experiment(redis_url: str) -> None:
    lost = LatestLayout(1, experiment_since=3, segments_withdrawn="clicks +9.0% to +12.0%")
    for since, expected in ((3, {"home": lost.segments_withdrawn}), (4, {})):
        guard = GuardRail(StateReader(redis_async(redis_url), MANIFEST), ExperimentSettings(since_ms=since), SHARE)
        guard.recall({Key("home", "a"): lost})
        assert guard.withdrawn == expected
        whole = msgspec.structs.replace(a_layout("home"), segment="*", slates=[{"top": "w"}])
        applied = guard.applied(a_layout("home"), whole)
        assert applied.slates == (whole.slates if expected else a_layout("home").slates)
        assert guard.applied(whole).segments_withdrawn is UNSET, "that of the whole page is its own"


def test_the_worker_announces_the_fall_and_remembers_it(broker: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(broker, holdout_share=0.5)

    async def run_shop() -> None:
        await count(shop.redis, "home", 0, WORSE)
        async with shop.working():
            fell = await shop.until(lambda: (found := shop.newest()) and found.guard_rail and found)
            assert fell.slates == [fell.baseline]
            assert shop.metrics.value("reshelf_pages_on_baseline") == 1
            assert shop.metrics.value("reshelf_uplift_ratio", "home", "clicks", "high") < 0.0
        async with redis_async(shop.redis.url) as client:
            await client.flushall()
        published = len(shop.seen())
        async with shop.working():
            shop.request("home", "*")
            await shop.until(lambda: shop.metrics.value("reshelf_layouts_total", "unchanged") > 0)
            assert len(shop.seen()) == published

    asyncio.run(run_shop())


def test_the_status_of_an_experiment(
    redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def prepare() -> None:
        starts = {topic.name: [0, 0] for topic in EVENT_TOPICS}
        async with redis_async(redis_url) as client:
            await agree(client, manifest_of("live", "reshelf-", starts, GROUPS, FoldSettings()))
        await count(settings_of(redis_url), "home", 0, WORSE)

    asyncio.run(prepare())
    monkeypatch.setenv("RESHELF_REDIS__URL", redis_url)
    monkeypatch.setenv("RESHELF_LAYOUTS__HOLDOUT_SHARE", "0.5")
    assert run(["experiment", "status", "--json"]) == 0
    page = json.loads(capsys.readouterr().out)["pages"]["home"]
    assert page["uplift"]["clicks"]["low"] < -0.5 < page["uplift"]["clicks"]["high"]
    assert page["guard_rail"].startswith("clicks")
    assert page["sample_ratio"] == {
        "learned": 25_600,
        "holdout": 25_600,
        "expected": 0.5,
        "p_value": 1.0,
        "alarm": False,
    }
    monkeypatch.setenv("RESHELF_LAYOUTS__HOLDOUT_SHARE", "0.1")
    assert run(["experiment", "status", "home"]) == 0
    assert "SAMPLE RATIO MISMATCH" in capsys.readouterr().out
    assert run(["experiment", "status", "away"]) == 1
    assert "page 'away' has no counts" in capsys.readouterr().err
