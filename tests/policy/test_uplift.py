"""Uplift over the holdout: defined everywhere, and an interval that covers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from policy.evaluation.uplift import uplift

BINS = arrays(np.int64, (8, 2), elements=st.integers(0, 1_000))
NOTHING = np.zeros((8, 2), dtype=np.int64)


def simulated(random: np.random.Generator, units: int, rate: float) -> NDArray[np.int64]:
    """Views and clicks in 256 bins of units that differ in taste and in how often they come."""
    views = 1 + random.poisson(random.gamma(0.5, 8.0, units))
    clicks = random.binomial(views, np.minimum(1.0, rate * random.gamma(2.0, 0.5, units)))
    bins = random.integers(0, 256, units)
    return np.stack([np.bincount(bins, views, 256), np.bincount(bins, clicks, 256)], axis=1).astype(np.int64)


@pytest.mark.parametrize("gain", [0.0, 0.25])
def test_the_interval_holds_the_true_uplift_as_often_as_it_says(gain: float) -> None:
    random = np.random.default_rng(11)
    intervals = [
        uplift(simulated(random, 6_000, 0.05 * (1 + gain)), simulated(random, 1_500, 0.05)) for _ in range(800)
    ]
    covered = np.mean([found.low <= gain <= found.high for found in intervals])
    assert 0.93 <= covered <= 0.97


@given(BINS, BINS, st.floats(0.5, 0.99))
def test_the_interval_is_defined_and_holds_the_estimate(
    learned: NDArray[np.int64], holdout: NDArray[np.int64], level: float
) -> None:
    found = uplift(learned, holdout, level)
    assert found.low <= found.high
    assert found.low >= -1.0
    if not math.isnan(found.uplift):
        assert found.low - 1e-9 <= found.uplift <= found.high + 1e-9


@given(BINS, BINS)
def test_a_higher_level_is_wider_and_swapping_sides_inverts(
    learned: NDArray[np.int64], holdout: NDArray[np.int64]
) -> None:
    one, wide, swapped = uplift(learned, holdout), uplift(learned, holdout, 0.99), uplift(holdout, learned)
    assert wide.low <= one.low
    assert wide.high >= one.high
    if math.isfinite(one.high) and math.isfinite(swapped.high) and one.low > -1.0 + 1e-6:
        assert (1 + one.low) * (1 + swapped.high) == pytest.approx(1.0)


def test_equal_sides_have_no_uplift() -> None:
    bins = simulated(np.random.default_rng(2), 5_000, 0.05)
    found = uplift(bins, bins)
    assert found.uplift == 0.0
    assert found.low < 0.0 < found.high


def test_repeating_the_data_in_the_same_bins_makes_nothing_more_certain() -> None:
    random = np.random.default_rng(3)
    learned, holdout = simulated(random, 5_000, 0.05), simulated(random, 1_000, 0.05)
    assert uplift(learned * 10, holdout * 10) == pytest.approx(uplift(learned, holdout))


def test_nothing_counted_means_nothing_known() -> None:
    seen = np.array([[10, 2]] * 8)
    empty = uplift(NOTHING, NOTHING)
    assert math.isnan(empty.ctr_learned)
    assert math.isnan(empty.uplift)
    assert (empty.low, empty.high) == (-1.0, math.inf)
    assert uplift(seen * [1, 0], seen)[2:] == (-1.0, -1.0, math.inf)
    assert math.isnan(uplift(seen, seen * [1, 0]).uplift)
    assert uplift(seen, seen[:1])[2:] == (0.0, -1.0, math.inf)
