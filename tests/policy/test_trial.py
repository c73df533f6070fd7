"""Policies on trial: compared by the bins that their branches have."""

from __future__ import annotations

import numpy as np
import pytest

from policy.assignment import BINS, branches_of_bins
from policy.experiments.sequence import CLICKS, UNITS, VIEWS
from policy.experiments.trial import trials

SALT, SHARES = "b-1", (0.5, 0.25, 0.25)
BRANCHES = np.array(branches_of_bins(SALT, SHARES))


def counts(seed: int, gains: tuple[float, ...], lost: float = 0.0) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Bins of units whose click rate is that of their branch; the last branch loses a share of its units."""
    rng = np.random.default_rng(seed)
    found = np.zeros((BINS, 6), dtype=np.int64)
    found[:, UNITS] = rng.poisson(200 * np.where(len(SHARES) - 1 == BRANCHES, 1.0 - lost, 1.0))
    found[:, VIEWS] = rng.poisson(3.0 * found[:, UNITS])
    # Bins differ beyond chance, as units do.
    rates = 0.05 * np.array(gains)[BRANCHES] * rng.gamma(400.0, 1 / 400.0, BINS)
    found[:, CLICKS] = rng.poisson(rates * found[:, VIEWS])
    return found


def test_the_better_branch_is_found_and_the_equal_one_is_not() -> None:
    same, better = trials(counts(1, (1.0, 1.0, 1.3)), SALT, SHARES)
    assert same.uplifts["clicks"].low < 0.0 < same.uplifts["clicks"].high
    gain = better.uplifts["clicks"]
    assert 0.0 < gain.low < 0.3 < gain.high
    assert gain.uplift == pytest.approx(0.3, abs=0.08)
    assert not same.sample_ratio.alarm
    assert not better.sample_ratio.alarm


def test_equal_branches_are_told_apart_hardly_ever() -> None:
    wrong = sum(
        not one.uplifts["clicks"].low <= 0.0 <= one.uplifts["clicks"].high
        for seed in range(200)
        for one in trials(counts(seed, (1.0, 1.0, 1.0)), SALT, SHARES)
    )
    assert wrong <= 8, "of 400, and intervals hold at all times together"


def test_a_branch_that_loses_units_raises_the_alarm() -> None:
    whole, short = trials(counts(3, (1.0, 1.0, 1.0), lost=0.1), SALT, SHARES)
    assert not whole.sample_ratio.alarm
    assert short.sample_ratio.alarm


def test_units_of_few_bins_say_nothing() -> None:
    (few,) = trials(counts(1, (1.0, 1.0, 1.3)), SALT, (0.95, 0.05))
    assert (few.uplifts["clicks"].low, few.uplifts["clicks"].high) == (-1.0, np.inf)
    (none,) = trials(counts(1, (1.0, 1.0, 1.3)) * 0, SALT, (0.5, 0.5))
    assert none.sample_ratio.p_value == 1.0


def test_what_units_did_before_the_trial_narrows_the_interval() -> None:
    rng = np.random.default_rng(7)
    habit = rng.gamma(5.0, 1 / 5.0, BINS)
    now, before = counts(5, (1.0, 1.2, 1.0)), counts(6, (1.0, 1.0, 1.0))
    for one, gains in ((now, np.array([1.0, 1.2, 1.0])[BRANCHES]), (before, 1.0)):
        one[:, CLICKS] = rng.poisson(0.05 * habit * gains * one[:, VIEWS])
    plain, adjusted = trials(now, SALT, SHARES)[0], trials(now, SALT, SHARES, before=before)[0]
    widths = [one.uplifts["clicks"].high - one.uplifts["clicks"].low for one in (plain, adjusted)]
    assert widths[1] < 0.8 * widths[0]
    assert adjusted.uplifts["clicks"].low < 0.2 < adjusted.uplifts["clicks"].high


def test_the_gain_of_the_other_side_is_that_of_the_sides_exchanged() -> None:
    _, better = trials(counts(1, (1.0, 1.0, 1.3)), SALT, SHARES)
    gain, reverse = better.uplifts["clicks"], better.uplifts["clicks"].reverse
    assert (reverse.learned, reverse.holdout) == (gain.holdout, gain.learned)
    assert reverse.uplift == pytest.approx(gain.holdout / gain.learned - 1.0)
    assert reverse.low < reverse.uplift < reverse.high < 0.0
    assert reverse.reverse == pytest.approx(gain)
    (few,) = trials(counts(1, (1.0, 1.0, 1.3)), SALT, (0.95, 0.05))
    assert few.uplifts["clicks"].reverse[3:5] == (-1.0, np.inf)
