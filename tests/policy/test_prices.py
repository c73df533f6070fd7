"""What other slates would earn: draws that belong to items, and differences that are those of looks alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.rules import RulesPlan, prices, summary
from policy.model.posteriors import Beta, Prior
from policy.model.reward import ClickValue
from policy.prices.earnings import Draws, Earnings, Knowledge, interval_of
from policy.prices.looks import looks
from policy.slates.composition import Statistics

ITEMS = [f"i{number}" for number in range(6)]
SLOTS = ["a", "b"]
LOOKS = st.dictionaries(st.sampled_from(ITEMS), st.floats(0.0, 1.0), max_size=6)


def knowledge(variance: float = 0.0, sales: bool = False) -> Knowledge:
    statistics = Statistics.empty(ITEMS, SLOTS, np.array([1.0, 0.5]), Prior(0.02, 50.0))
    statistics.impressions[:] = 400 * np.arange(1, 7)[:, None]
    statistics.clicks[:] = np.arange(6)[:, None]
    buying = Beta(np.full(6, 2.0), np.full(6, 38.0))
    value = ClickValue(buying, np.full(6, 1_000.0), np.full(6, 50.0), 0.0, np.ones(6))
    return Knowledge("home", "s", statistics, ["hats", "shoes"] * 3, variance, value if sales else None)


def assert_alike(one: Earnings, other: Earnings) -> None:
    for own, its in zip(one, other, strict=True):
        assert own is not None and its is not None
        np.testing.assert_allclose(own, its, atol=1e-9)


@given(LOOKS, LOOKS, st.permutations(ITEMS))
def test_draws_belong_to_items_whatever_was_looked_at_before(
    one: dict[str, float], two: dict[str, float], order: list[str]
) -> None:
    draws, anew = Draws(knowledge(0.2, sales=True)), Draws(knowledge(0.2, sales=True))
    together = {item: one.get(item, 0.0) + two.get(item, 0.0) for item in order}
    anew.earnings(together)
    sums = draws.earnings(one).plus(draws.earnings(two))
    assert_alike(anew.earnings(together), sums)
    assert_alike(anew.earnings(one), draws.earnings(one))


def test_looks_bring_what_is_expected_of_the_items() -> None:
    of = knowledge(sales=True)
    earnings = Draws(of).earnings({"i1": 0.5, "i4": 2.0})
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
        pair = [drawn.earnings({item: 1.0}).clicks for item in (one, other)]
        return float(np.asarray(np.corrcoef(pair))[0, 1])

    assert together(draws, "i0", "i2") > 0.3 > 0.1 > abs(together(draws, "i0", "i1"))
    assert abs(together(alone, "i0", "i2")) < 0.1
    wider = [np.std(draws.earnings(of).clicks) / np.std(alone.earnings(of).clicks) for of in ({"i0": 1.0}, {"i5": 1.0})]
    assert min(wider) > 1.0


def test_looks_are_those_of_slots_and_shares() -> None:
    curve = {"a": 1.0, "b": 0.5}
    assert looks([({"a": "x", "b": "y"}, 0.75), ({"a": "y"}, 0.25)], curve) == {"x": 0.75, "y": 0.625}


def test_intervals_hold_what_random_rules_cost() -> None:
    rows = prices(RulesPlan(rules=15, views=2_000, segments=2, items=40))
    figures = summary(rows)
    assert figures["rules"] == 15 and figures["coverage"] >= 0.8
    assert {row.kind for row in rows} == set(figures["kinds"])
    assert abs(figures["bias"]) < figures["width"]


def test_an_interval_is_central() -> None:
    assert interval_of(np.arange(101.0), 0.9) == pytest.approx((50.0, 5.0, 95.0))
