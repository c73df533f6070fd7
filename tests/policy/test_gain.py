"""The gain of a policy over the one that is served: a ratio of two ratios of the same page views."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.evaluation.estimators import ESTIMATORS, Evidence
from policy.evaluation.gain import gain
from policy.evaluation.ratio import Ratio

VIEWS = 6_000


def a_pair(seed: int, worth: float = 1.0, spread: float = 0.5) -> tuple[Ratio, Ratio]:
    """A target that is worth so much of what is served, and what is served; visitors differ in taste."""
    random = np.random.default_rng(seed)
    unit = random.integers(0, 1_500, VIEWS)
    bins, taste = random.integers(0, 256, 1_500)[unit], random.gamma(2.0, 0.5, 1_500)[unit]
    clicks = (random.random(VIEWS) < 0.1 * taste).astype(np.float64)
    weight = worth * np.exp(random.normal(0.0, spread, VIEWS) - spread**2 / 2)
    ones = np.ones(VIEWS)
    return Ratio.of(bins, weight * clicks, ones, weight), Ratio.of(bins, clicks, ones, ones)


@given(st.integers(0, 1_000), st.floats(0.5, 2.0), st.booleans())
def test_it_holds_its_estimate_and_turns_with_its_sides(seed: int, worth: float, always: bool) -> None:
    target, served = a_pair(seed, worth)
    there, back = (gain(*pair, always_valid=always) for pair in ((target, served), (served, target)))
    assert there.low < there.value < there.high
    assert (1.0 + there.value) * (1.0 + back.value) == pytest.approx(1.0)
    assert (1.0 + there.low) * (1.0 + back.high) == pytest.approx(1.0)


def test_what_moves_both_moves_it_little() -> None:
    target, served = a_pair(1, 1.3)
    interval, value = gain(target, served), target.interval()
    assert interval.low < 0.3 < interval.high
    assert interval.high - interval.low < 0.7 * 1.3 * (value.high - value.low) / value.value


@pytest.mark.parametrize("always", [False, True])
def test_nothing_is_said_of_few_outcomes(always: bool) -> None:
    target, _ = a_pair(1)
    few = Ratio.of(np.arange(256), (np.arange(256) < 20).astype(np.float64), np.ones(256), np.ones(256))
    for pair in ((few, target), (target, few)):
        assert gain(*pair, always_valid=always)[1:] == (-1.0, np.inf)
    assert np.isnan(gain(target, Ratio.empty()).value)


def test_what_rests_on_a_model_alone_has_no_bounds_that_hold_at_all_looks() -> None:
    target, served = a_pair(1)
    for name, method in ESTIMATORS.items():
        for lacking in (0.0, 0.5):
            estimate = Evidence(name, target, np.array([lacking * VIEWS, VIEWS, 0.0])).estimate(
                always_valid=True, served=served
            )
            bounded = np.isfinite(estimate.high) and np.isfinite(estimate.gain_high)
            assert bounded == (method.corrected and lacking == 0.0), name
