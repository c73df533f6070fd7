"""Explanations: true to the layout that they explain, from arrays and from a running shop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from rich.console import Console
from scipy.special import expit, logit

from policy.model.posteriors import interval
from reshelf.cli.main import run
from reshelf.inspect.explain import (
    aligned,
    arm_of,
    as_json,
    explained,
    listing,
    stage_lines,
    story,
)
from reshelf.inspect.stage_rows import LEFT_OUT, visit_rows
from reshelf.settings import Settings
from schemas.errors import ReshelfError
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules, PolicyChoice
from schemas.messages.parameters import (
    EffectFit,
    LeftOut,
    PolicyParameters,
    ReturnFit,
    Sales,
    SegmentFit,
    SignalFit,
    VisitFit,
)
from schemas.rules import Boost, Match, Pin
from schemas.topics import DAY_MS
from streams.catalog.candidates import CandidateSet
from streams.catalog.item_features import item_features
from streams.catalog.page import Page
from streams.catalog.sales.summary import StageSummary
from streams.catalog.weighted_counts import WeightedCounts
from streams.fold.deltas import Traffic
from streams.layouts.compose import compose
from streams.layouts.explain import Explanation, explain
from streams.layouts.slates.statistics import statistics_of
from streams.page_settings import LayoutSettings
from streams.state.reader import KeyState
from tests.streams.layout_inputs import table
from tests.streams.layouts_shop import FOLD, Shop, open_shop  # noqa: F401  a fixture

HOUR_MS = 3_600_000
ITEMS, SLOTS = tuple(f"i{number}" for number in range(8)), ("top", "left", "right")


def page() -> Page:
    rules = PageRules(
        "home",
        3,
        list(SLOTS),
        policy=PolicyChoice(variants=4),
        rules=[Pin(name="p", item="i4", slot="left"), Boost(name="b", match=Match(items=["i5"]), factor=2.0)],
    )
    items = {name: CatalogItem(name, name, category="hats" if at % 2 else "shoes") for at, name in enumerate(ITEMS)}
    fitted = PolicyParameters(
        "home",
        1,
        1,
        0.02,
        50.0,
        weights={"category=hats": 0.5},
        segments={"new": SegmentFit(base=0.1, weights={"category=hats": 0.25}, variance=0.2)},
        arms={"i3": (40.0, 10.0)},
    )
    candidates = CandidateSet(ITEMS)
    return Page(rules, candidates, [5], item_features(fitted, candidates, items), items)


def test_an_explanation_is_of_the_layout_that_would_be_made() -> None:
    old, counts = (table(at, Traffic.LEARNED, ITEMS, SLOTS, 3) for at in (0, 2 * DAY_MS))
    state = KeyState((old, counts), {})
    settings = LayoutSettings(sale_value=0.01, drift=0.1)
    found = explain("new", state, page(), settings, 3, 9)
    sums = WeightedCounts(page().candidates, SLOTS)
    statistics = statistics_of("new", state, page(), settings, sums, None)
    assert found.layout == compose("new", state, page(), settings, 3, now_ms=9)
    assert [arm.item for arm in sorted(found.arms, key=lambda arm: -arm.click_rate)] == [arm.item for arm in found.arms]
    for arm in found.arms:
        row = ITEMS.index(arm.item)
        assert arm.impressions == old.impressions[row].sum() + counts.impressions[row].sum()
        assert arm.clicks == old.clicks[row].sum() + counts.clicks[row].sum()
        assert 0.0 < arm.retained < 1.0
        own = statistics.own.clicks[row], statistics.own.examined[row]
        a = arm.prior.click_rate * arm.prior.strength + own[0]
        b = (1 - arm.prior.click_rate) * arm.prior.strength + max(0.0, own[1] - own[0])
        low, high = interval(np.array([a]), np.array([b]))
        assert (arm.click_rate, arm.low, arm.high) == pytest.approx((a / (a + b), low[0], high[0]))
        assert arm.slots == {
            slot: those[arm.item] for slot, those in found.layout.propensities.items() if arm.item in those
        }
        assert len(arm.draws) == 4 and arm.value is not None
        parts = logit(arm.prior.base) + sum(arm.prior.features.values())
        assert arm.prior.click_rate == pytest.approx(expit(parts) * arm.prior.variance * arm.prior.factor)
    by_name = {arm.item: arm for arm in found.arms}
    assert by_name["i1"].prior.features == {"category=hats": 0.75, "segment": 0.1}
    assert by_name["i3"].prior.factor > 2.0 > by_name["i1"].prior.factor == 1.0
    assert by_name["i4"].rules == ["pinned in left by p"]
    assert by_name["i5"].rules == ["score times 2 by boosts"]


def test_on_a_page_that_fell_back_the_baseline_is_explained() -> None:
    state = KeyState((table(0, Traffic.LEARNED, ITEMS, SLOTS, 3),), {})
    found = explain("new", state, page(), LayoutSettings(), 3, 9, "clicks -9 %")
    assert (found.layout.policy, found.layout.slates) == ("baseline", [found.layout.baseline])
    assert {arm.item: arm.slots for arm in found.arms if arm.slots} == {
        item: {slot: 1.0} for slot, item in found.layout.baseline.items()
    }
    console = Console(width=120)
    with console.capture() as captured:
        console.print(listing(found))
    assert "all visitors get the baseline: clicks -9 %" in captured.get()


def test_a_page_without_candidates_is_told_in_words() -> None:
    bare = Page(PageRules("home", 1, list(SLOTS)), CandidateSet(()), [])
    found = explain("new", KeyState((), {}), bare, LayoutSettings(), 3, 0)
    assert str(listing(found)).startswith("the page has no candidates: ")


def test_without_parameters_the_prior_is_the_base_rate() -> None:
    bare = Page(PageRules("home", 1, list(SLOTS)), CandidateSet(ITEMS), [])
    arm = explain("new", KeyState((), {}), bare, LayoutSettings(), 3, 0).arms[0]
    assert (arm.prior.click_rate, arm.prior.features, arm.value) == (LayoutSettings().click_rate, {}, None)


def test_a_running_shop_is_explained(
    broker: str,
    open_shop: Callable[..., Shop],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop = open_shop(broker)

    async def count() -> None:
        await shop.open_namespace()
        await shop.count("new", Traffic.LEARNED, 100, {"i3": 4, "i2": 9})

    asyncio.run(count())
    settings = Settings(kafka=shop.kafka, redis=shop.redis, fold=FOLD, layouts=shop.layouts)
    for segment, clicks in (("new", 9.0), ("*", 9.0), ("stranger", 0.0)):
        arm = arm_of(explained(settings, "home", segment, 1_790_000_000_000)[0], "i2")
        assert arm.clicks == clicks
        assert "i2" in story(arm)
    assert listing(explained(settings, "home", "new", 1_790_000_000_000)[0])
    with pytest.raises(ReshelfError, match="'nowhere' is not declared; declared are: home"):
        explained(settings, "nowhere", "new", 0)
    shop.in_environment(monkeypatch)
    assert run(["explain", "home", "new", "i2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [arm["item"] for arm in told["arms"]] == ["i2"]
    assert run(["explain", "home", "new"]) == 0
    told_of = capsys.readouterr()
    assert "i2" in told_of.out and not told_of.err
    assert run(["explain", "home", "stranger", "--json"]) == 0
    told_of = capsys.readouterr()
    assert json.loads(told_of.out)["segment"] == "stranger"
    assert "note: no item of page 'home' was seen in segment 'stranger' yet" in told_of.err
    assert run(["explain", "home", "new", "unknown"]) == 1
    assert "no candidate" in capsys.readouterr().err


def explanation_of(signals: SignalFit | None, returns: ReturnFit | None, stages: list[StageSummary]) -> Explanation:
    found = explain("new", KeyState((), {}), page(), LayoutSettings(), 3, 0)
    return replace(found, signals=signals, returns=returns, stages=stages)


def test_the_stages_behind_clicks_and_what_is_left_out_of_them_are_told() -> None:
    left_out = [LeftOut("hikers", -1, 0.2, 150.0), LeftOut("", 20_000 * DAY_MS, 0.25, 80.0)]
    signals = SignalFit("add-to-cart", 0.12, 50.0, 0.2, 0.004, 0.1, 0.8, 30.0, coverage=0.75, left_out=left_out)
    stages = [
        StageSummary("add-to-cart", "click", 0.12, 150_000.0, 1_200.0, 139.6),
        StageSummary("order", "add-to-cart", 0.2, 18 * HOUR_MS, 150.0, 31.2),
        StageSummary("order", "click", 0.004, 12 * HOUR_MS, 1_500.0, 600.0, without="add-to-cart"),
        StageSummary("return", "order", 0.1, None, 90.0, 12.0),
    ]
    lines = [
        "add-to-cart 12.00% of clicks; half of these come within 2.5 minutes; 140 of 1,200 clicks are pending: too "
        "young to say",
        "order       20.00% of clicks with add-to-cart; half of these come within 18 hours; 31 of 150 clicks with "
        "add-to-cart are pending: too young to say",
        "order       0.40% of clicks, without add-to-cart; half of all orders come within 12 hours; 600 of 1,500 "
        "clicks are pending: too young to say",
        "coverage    75.00% of orders had add-to-cart before; it counts for 80% of what is expected of young clicks",
        "left out    segment hikers: 20% of 150 orders had add-to-cart before, elsewhere 75%, so it says nothing there "
        "(does a tier send fewer of these signals?)",
        "left out    all segments of 2024-10-04: 25% of 80 orders had add-to-cart before, elsewhere 75%, so it says "
        "nothing there (does a tier send fewer of these signals?)",
        "return      10.00% of orders; 12 of 90 orders are pending: too young to say",
    ]
    assert list(stage_lines(explanation_of(signals, None, stages))) == lines
    many = msgspec.structs.replace(signals, left_out=left_out[:1] * (LEFT_OUT + 2))
    assert list(stage_lines(explanation_of(many, None, stages)))[-2] == "left out    and 2 more segments or days"
    assert list(stage_lines(explanation_of(None, None, []))) == []


def test_an_explanation_has_the_stages_of_its_segment_for_people_and_scripts() -> None:
    sales = Sales(0.05, 40.0, 900.0, 50.0, delays=[0.0] * 6 + [1.0], maturity={"0": 0.75})
    fitted = PolicyParameters("home", 1, 1, 0.02, 50.0, sales=sales)
    counts = table(0, Traffic.LEARNED, ITEMS, SLOTS, 3)
    of = replace(page(), item_features=item_features(fitted, CandidateSet(ITEMS), {}))
    found = explain("new", KeyState((counts,), {}), of, LayoutSettings(), 3, 9)
    clicks = float(counts.clicks.sum())
    assert as_json(found, None)["stages"] == [
        {
            "name": "order", "after": "click", "rate": 0.05, "half_ms": 48_000.0,
            "counted": clicks, "pending": clicks / 4, "without": "",
        }
    ]  # fmt: skip
    console = Console(width=200)
    with console.capture() as captured:
        console.print(listing(found))
    assert (
        f"order 5.00% of clicks; half of these come within 48 seconds; {clicks / 4:,.0f} of {clicks:,.0f} clicks "
        "are pending: too young to say"
    ) in captured.get()


def test_what_stands_above_is_told_and_what_is_in_force_lowers_looks() -> None:
    leaving, alike = EffectFit(0.6, 0.5, 0.72, 20.0, 12.0, in_force=True), EffectFit(0.97, 0.9, 1.04, -0.2, -1.0)
    visits = VisitFit(leaving, alike, 20_000.0, 4_100.0)
    fitted = PolicyParameters("home", 1, 1, 0.02, 50.0, visits=visits)
    counts = table(0, Traffic.LEARNED, ITEMS, SLOTS, 3)

    def explained_with(parameters: PolicyParameters) -> Explanation:
        of = replace(page(), item_features=item_features(parameters, CandidateSet(ITEMS), {}))
        return explain("new", KeyState((counts,), {}), of, LayoutSettings(), 3, 9)

    found, before = explained_with(fitted), explained_with(msgspec.structs.replace(fitted, visits=msgspec.UNSET))
    assert list(aligned(visit_rows(found.visits))) == [
        "below a click  60.00% of looks are left below each click (95%: 50% to 72%), by 20,000 page views with 4,100 "
        "clicks; in force",
        "below its like 97.00% of clicks are left below each item of the same category (95%: 90% to 104%), by 20,000 "
        "page views with 4,100 clicks; not in force: page views do not say that it is less than all",
    ]
    assert as_json(found, None)["visits"]["after_click"]["factor"] == 0.6
    assert list(visit_rows(before.visits)) == []
    arms = {arm.item: arm for arm in before.arms}
    for arm in found.arms:
        assert arm.impressions == arms[arm.item].impressions
        assert arm.examined < arms[arm.item].examined or not arm.examined
