"""What other slates would earn: draws that belong to items, and differences that are those of looks alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from bench.rules import Priced, RulesPlan, prices, summary
from bench.shelf_rules import shelf_prices
from policy.model.posteriors import Beta, Prior
from policy.model.reward import ClickValue
from policy.prices.earnings import Draws, Earnings, Interval, Knowledge, interval_of
from policy.prices.places import Crowding, Places, looks, places_of
from policy.slates.composition import Statistics

ITEMS = [f"i{number}" for number in range(6)]
SLOTS = ["a", "b"]
PLACES = st.dictionaries(st.tuples(st.sampled_from(ITEMS), st.sampled_from(SLOTS)), st.floats(0.0, 1.0), max_size=6)


def knowledge(variance: float = 0.0, sales: bool = False, clicks: float = 1e9) -> Knowledge:
    statistics = Statistics.empty(ITEMS, SLOTS, np.array([1.0, 0.5]), Prior(0.02, 50.0))
    statistics.impressions[:] = 400 * np.arange(1, 7)[:, None]
    statistics.clicks[:] = np.arange(6)[:, None]
    buying = Beta(np.full(6, 2.0), np.full(6, 38.0))
    value = ClickValue(buying, np.full(6, 1_000.0), np.full(6, 50.0), 0.0, np.ones(6))
    return Knowledge(
        "home", "s", statistics, ["hats", "shoes"] * 3, variance, np.full(2, clicks), value if sales else None
    )


def assert_alike(one: Earnings, other: Earnings) -> None:
    for own, its in zip(one, other, strict=True):
        assert own is not None and its is not None
        np.testing.assert_allclose(own, its, atol=1e-9)


@given(PLACES, PLACES, st.permutations(ITEMS))
def test_draws_belong_to_items_whatever_was_looked_at_before(one: Places, two: Places, order: list[str]) -> None:
    draws, anew = Draws(knowledge(0.2, sales=True)), Draws(knowledge(0.2, sales=True))
    keys = [(item, slot) for item in order for slot in SLOTS]
    together = {key: one.get(key, 0.0) + two.get(key, 0.0) for key in keys}
    anew.earnings(together)
    sums = draws.earnings(one).plus(draws.earnings(two))
    assert_alike(anew.earnings(together), sums)
    assert_alike(anew.earnings(one), draws.earnings(one))


def test_looks_bring_what_is_expected_of_the_items() -> None:
    of = knowledge(sales=True)
    earnings = Draws(of).earnings({("i1", "b"): 1.0, ("i4", "a"): 2.0})
    expected = np.array([0.5, 2.0]) @ of.statistics.posterior().mean[[1, 4]]
    assert earnings.clicks.mean() == pytest.approx(expected, rel=0.02)
    assert earnings.orders is not None and earnings.orders.mean() == pytest.approx(expected * 0.05, rel=0.04)
    assert earnings.revenue is not None and earnings.revenue.mean() == pytest.approx(expected * 50.0, rel=0.04)


def test_what_is_not_known_of_one_is_not_known_of_a_sum() -> None:
    clicks = np.ones(3)
    assert Earnings(clicks, clicks, clicks).plus(Earnings(clicks), 2.0).orders is None
    assert Earnings(clicks).plus(Earnings(clicks), 2.0).clicks.tolist() == [3.0, 3.0, 3.0]


def test_an_error_of_features_is_that_of_a_category() -> None:
    """Draws of items of one category go together, and the more so the less is known of each."""
    draws, alone = Draws(knowledge(0.5)), Draws(knowledge(0.0))

    def together(drawn: Draws, one: str, other: str) -> float:
        pair = [drawn.earnings({(item, "a"): 1.0}).clicks for item in (one, other)]
        return float(np.asarray(np.corrcoef(pair))[0, 1])

    assert together(draws, "i0", "i2") > 0.3 > 0.1 > abs(together(draws, "i0", "i1"))
    assert abs(together(alone, "i0", "i2")) < 0.1
    wider = [
        np.std(draws.earnings(of).clicks) / np.std(alone.earnings(of).clicks)
        for of in ({("i0", "a"): 1.0}, {("i5", "b"): 1.0})
    ]
    assert min(wider) > 1.0


def test_looks_are_those_of_slots_and_shares() -> None:
    curve = {"a": 1.0, "b": 0.5}
    places = places_of([({"a": "x", "b": "y"}, 0.75), ({"a": "y"}, 0.25)])
    assert places == {("x", "a"): 0.75, ("y", "b"): 0.75, ("y", "a"): 0.25}
    assert looks(places, curve) == {"x": 0.75, "y": 0.625}


def test_items_take_clicks_from_those_like_them_below() -> None:
    slate = {"a": "x", "b": "y", "c": "z", "d": "w"}
    crowding = Crowding({"x": 0, "y": -1, "z": 0, "w": 0}, 0.5)
    places = places_of([(slate, 0.8)], crowding)
    assert places == pytest.approx({("x", "a"): 0.8, ("y", "b"): 0.8, ("z", "c"): 0.4, ("w", "d"): 0.2})
    assert places_of([({"a": "y", "b": "y2"}, 1.0)], crowding) == {("y", "a"): 1.0, ("y2", "b"): 1.0}


def test_the_fewer_clicks_a_slot_has_the_less_sure_is_what_moves_there() -> None:
    move = {("i4", "a"): 1.0, ("i4", "b"): -1.0}
    few, many = (np.std(Draws(knowledge(clicks=clicks)).earnings(move).clicks) for clicks in (20.0, 20_000.0))
    assert few > 1.2 * many


def test_intervals_hold_what_random_rules_cost() -> None:
    rows = prices(RulesPlan(rules=15, views=2_000, segments=2, items=40))
    figures = summary(rows)
    assert figures["rules"] == 15 and figures["coverage"] >= 0.8
    assert {row.kind for row in rows} == set(figures["kinds"])
    assert abs(figures["bias"]) < figures["width"]


def test_the_interval_of_coverage_is_that_of_a_share() -> None:
    rows = [Priced("bid", Interval(0.0, -1.0, 1.0), truth) for truth in [0.5] * 14 + [2.0] * 3]
    low, high = summary(rows)["interval"]
    assert (binom.sf(13, 17, low), binom.cdf(14, 17, high)) == pytest.approx((0.025, 0.025))
    assert summary(rows[:14])["interval"][1] == 1.0 and summary(rows[14:])["interval"][0] == 0.0


def test_rules_of_one_kind_are_priced_alone() -> None:
    plan = RulesPlan(rules=2, views=1_000, segments=1, items=40, kinds=("bid",))
    assert (
        {row.kind for row in prices(plan)} == {row.kind for row in shelf_prices(replace(plan, page="main"))} == {"bid"}
    )


def test_intervals_hold_what_random_rules_cost_on_a_page_with_shelves() -> None:
    rows = shelf_prices(RulesPlan(rules=15, page="main", views=2_000, segments=2, items=60))
    figures = summary(rows)
    assert figures["rules"] == 15 and figures["coverage"] >= 0.8
    assert {row.kind for row in rows} & {"shelf-pin", "not-above", "not-below", "most-of-kind"}
    assert abs(figures["bias"]) < figures["width"]


def test_an_interval_is_central() -> None:
    assert interval_of(np.arange(101.0), 0.9) == pytest.approx((50.0, 5.0, 95.0))
