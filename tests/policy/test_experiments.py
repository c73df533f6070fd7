"""Experiments that are looked at all the time: false alarms, power, the split, and the pre-period."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from policy.confidence_sequence import always_valid_reach
from policy.experiments.health import health
from policy.experiments.sample_ratio import sample_ratio
from policy.experiments.sequence import (
    CLICKS,
    METRICS,
    NET_REVENUE,
    ORDERS,
    RETURNED,
    REVENUE,
    UNITS,
    VIEWS,
    Sides,
    uplift,
    uplifts_of,
)

Bins = NDArray[np.int64]
COUNTS = arrays(np.int64, (64, 6), elements=st.integers(0, 1_000))
NOTHING = np.zeros((256, 6), dtype=np.int64)


class Units:
    """Visitors who differ in taste and in how often they come, split once and for all."""

    def __init__(self, seed: int, units: int = 4_000, share: float = 0.1, gain: float = 0.0) -> None:
        self.random = np.random.default_rng(seed)
        self.held = self.random.random(units) < share
        self.bins = self.random.integers(0, 256, units)
        self.often = self.random.gamma(0.5, 4.0, units)
        taste = np.minimum(0.9, 0.08 * self.random.gamma(2.0, 0.5, units))
        self.rate = {False: taste, True: np.minimum(0.95, taste * (1.0 + gain))}
        self.known = np.zeros(units, dtype=np.bool_)

    def sides(self, days: float, served: bool = True) -> Sides:
        """What they do in some days; learned layouts gain where `served`."""
        views = self.random.poisson(self.often * days)
        clicks = self.random.binomial(views, np.where(self.held, self.rate[False], self.rate[served]))
        orders = self.random.binomial(clicks, 0.1)
        revenue = (orders * self.random.lognormal(7.0, 0.7, len(views))).astype(np.int64)
        new = (views > 0) & ~self.known
        self.known |= new
        columns = (views, new, clicks, orders, revenue, np.zeros_like(views))
        return Sides(
            *(
                np.stack([np.bincount(self.bins[side], one[side], 256) for one in columns], axis=1).astype(np.int64)
                for side in (~self.held, self.held)
            )
        )

    def looks(self, number: int, days: float) -> Iterator[Sides]:
        """The sums so far, look by look."""
        learned, holdout = NOTHING, NOTHING
        for _ in range(number):
            more = self.sides(days / number)
            learned, holdout = learned + more.learned, holdout + more.holdout
            yield Sides(learned, holdout)


def test_who_looks_all_the_time_is_seldom_fooled() -> None:
    """Nothing gains in any of 100 experiments; each is looked at 40 times, and one false look is too many."""
    fooled = []
    for seed in range(100):
        looks = [[uplift(sides, column) for column in METRICS.values()] for sides in Units(seed).looks(40, 12.0)]
        fooled.append([any(one[at].low > 0.0 or one[at].high < 0.0 for one in looks) for at in range(3)])
    assert np.mean(fooled, axis=0).max() <= 0.05


def test_a_gain_is_found_and_covered() -> None:
    found = [list(Units(seed, 8_000, 0.3, gain=0.3).looks(5, 15.0)) for seed in range(40)]
    last = [uplift(looks[-1], CLICKS) for looks in found]
    assert np.mean([one.low > 0.0 for one in last]) >= 0.9
    assert all(one.low <= 0.3 <= one.high for one in last)


@given(COUNTS, COUNTS, st.sampled_from(list(METRICS.values())))
def test_an_interval_is_defined_holds_its_estimate_and_turns_with_its_sides(
    one: Bins, other: Bins, column: int
) -> None:
    found, turned = uplift(Sides(one, other), column), uplift(Sides(other, one), column)
    assert -1.0 <= found.low <= found.high
    if math.isfinite(found.high):
        assert found.low <= found.uplift <= found.high
        if found.low > -0.999:
            assert (1.0 + found.low) * (1.0 + turned.high) == pytest.approx(1.0)


@given(st.floats(1e-9, 1.0), st.floats(1e-6, 0.2))
def test_always_valid_is_wider_than_one_look_and_shrinks_with_the_variance(variance: float, alpha: float) -> None:
    one_look = math.sqrt(2.0 * math.log(1.0 / alpha) * variance)
    assert always_valid_reach(variance, alpha) >= one_look * 0.999
    assert always_valid_reach(variance / 2.0, alpha) < always_valid_reach(variance, alpha)


def test_too_little_says_nothing() -> None:
    found = uplift(Sides(NOTHING, NOTHING), CLICKS)
    assert math.isnan(found.uplift)
    assert (found.low, found.high) == (-1.0, math.inf)


def test_the_pre_period_lowers_the_variance_and_keeps_the_truth() -> None:
    reduced, covered, plain, adjusted = [], [], [], []
    for seed in range(120):
        units = Units(seed, 6_000, 0.4, gain=0.1)
        before, sides = units.sides(20.0, served=False), units.sides(20.0)
        found = uplift(sides, CLICKS, before=before)
        reduced.append(found.reduced)
        covered.append(found.low <= 0.1 <= found.high)
        plain.append(np.log1p(uplift(sides, CLICKS).uplift))
        adjusted.append(np.log1p(found.uplift))
    assert np.mean(reduced) > 0.2
    assert np.mean(covered) >= 0.95
    assert np.var(adjusted) < 0.9 * np.var(plain)
    assert np.mean(adjusted) == pytest.approx(np.log1p(0.1), abs=4 * float(np.std(adjusted)) / math.sqrt(120))


def test_a_right_split_is_seldom_doubted_and_a_wrong_one_always() -> None:
    def doubted(seed: int, share: float, expected: float) -> bool:
        return sample_ratio(Units(seed, 20_000, share).sides(20.0), expected).p_value < 0.05

    assert np.mean([doubted(seed, 0.1, 0.1) for seed in range(200)]) <= 0.05
    assert all(doubted(seed, 0.1, 0.12) for seed in range(10))


def test_units_that_are_counted_again_and_again_do_not_raise_the_alarm() -> None:
    doubted = []
    for seed in range(100):
        units = Units(seed, 3_000)
        often = np.random.default_rng(seed).poisson(3.0, 3_000) ** 2
        learned, holdout = NOTHING.copy(), NOTHING.copy()
        for bins, side in ((learned, ~units.held), (holdout, units.held)):
            bins[:, UNITS] = np.bincount(units.bins[side], often[side], 256)
        doubted.append(sample_ratio(Sides(learned, holdout), 0.1).p_value < 0.05)
    assert np.mean(doubted) <= 0.05


def test_without_a_holdout_there_is_no_split_to_doubt() -> None:
    found = sample_ratio(Sides(NOTHING + 1, NOTHING), 0.0)
    assert (found.p_value, found.alarm) == (1.0, False)


def test_a_guard_rail_is_crossed_by_evidence_alone() -> None:
    borne = {"clicks": 0.05, "orders": 0.05, "revenue": 0.05}
    alike, worse = Units(1, 10_000, 0.3).sides(20.0), Units(2, 10_000, 0.3, gain=-0.4).sides(20.0)
    assert health(alike, 0.3, borne).crossed == {}
    found = health(worse, 0.3, borne)
    assert "clicks" in found.crossed
    assert found.guard_rail.startswith("clicks -")
    assert health(worse, 0.3, {}).crossed == {}
    assert health(worse, 0.5, borne).sample_ratio.alarm
    assert health(worse, 0.5, borne).crossed == {}


def test_columns_are_those_of_the_state() -> None:
    sides = Units(1).sides(5.0)
    assert sides.learned[:, ORDERS].sum() < sides.learned[:, CLICKS].sum() < sides.learned[:, VIEWS].sum()


@given(seed=st.integers(0, 100), share=st.floats(0.01, 0.9))
def test_net_revenue_is_that_of_orders_that_are_not_returned(seed: int, share: float) -> None:
    sides = Units(seed, 1_000, 0.3).sides(10.0)
    assert tuple(uplifts_of(sides)) == tuple(METRICS)
    returned = [side.copy() for side in sides]
    for side in returned:
        side[:, RETURNED] = (side[:, REVENUE] * share).astype(np.int64)
    net = [side.copy() for side in sides]
    for side, back in zip(net, returned, strict=True):
        side[:, REVENUE] -= back[:, RETURNED]
    uplifts = uplifts_of(Sides(*returned))
    np.testing.assert_array_equal(uplifts[NET_REVENUE], uplift(Sides(*net), REVENUE))
    for name, expected in uplifts_of(sides).items():
        np.testing.assert_array_equal(uplifts[name], expected)


def test_returns_cross_no_guard_rail() -> None:
    """They come late: a side whose orders are older would lose."""
    sides = Units(1, 10_000, 0.3).sides(20.0)
    sides.learned[:, RETURNED] = sides.learned[:, REVENUE] * 9 // 10
    found = health(sides, 0.3, {"clicks": 0.05, "orders": 0.05, "revenue": 0.05, NET_REVENUE: 0.05})
    assert found.uplifts[NET_REVENUE].high < -0.5
    assert found.crossed == {}
