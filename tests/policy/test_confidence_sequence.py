"""What is shown again and again holds at all looks together."""

from __future__ import annotations

import numpy as np
import pytest

from policy.evaluation.estimators import Evidence
from policy.evaluation.ratio import Interval, Ratio

RUNS, LOOKS, VIEWS, UNITS, RATE, SPREAD = 40, 50, 300, 2_000, 0.05, 0.7


def looks(seed: int) -> list[tuple[Interval, Interval]]:
    """The interval for one look and the one for all, while page views come in: units differ, weights are uneven."""
    random = np.random.default_rng(seed)
    taste, habit = random.gamma(2.0, 0.5, UNITS), random.gamma(1.0, 1.0, UNITS)
    bins = random.integers(0, 256, UNITS)
    total, intervals = Ratio.empty(), list[tuple[Interval, Interval]]()
    for _ in range(LOOKS):
        unit = random.choice(UNITS, VIEWS, p=habit / habit.sum())
        weight = np.exp(random.normal(0.0, SPREAD, VIEWS) - SPREAD**2 / 2)
        clicks = random.random(VIEWS) < RATE * taste[unit]
        total += Ratio.of(bins[unit], weight * clicks, np.ones(VIEWS), weight)
        intervals.append((total.interval(), total.sequence()))
    return intervals


def test_the_truth_stays_inside_at_all_looks() -> None:
    runs = [looks(seed) for seed in range(RUNS)]
    left = [
        np.mean([any(not pair[which].low <= RATE <= pair[which].high for pair in run) for run in runs])
        for which in (0, 1)
    ]
    assert left[0] > 0.15, "one look after the other leaves the truth sooner or later"
    assert left[1] <= 0.05
    assert all(run[-1][1].high < np.inf for run in runs), "it says something, too"
    wider = [(run[-1][1].high - run[-1][1].low) / (run[-1][0].high - run[-1][0].low) for run in runs]
    assert min(wider) > 1.0 and np.mean(wider) < 1.8


@pytest.mark.parametrize("clicks", [0, 20])
def test_nothing_is_said_of_few_outcomes(clicks: int) -> None:
    bins = np.arange(256)
    some = (bins < clicks).astype(np.float64)
    interval = Ratio.of(bins, some, np.ones(256), np.ones(256)).sequence()
    assert (interval.low, interval.high) == (-np.inf, np.inf)


def test_an_estimate_may_be_asked_for_either() -> None:
    bins = np.arange(256)
    ratio = Ratio.of(bins, (bins % 2).astype(np.float64), np.ones(256), np.ones(256))
    evidence = Evidence("ips", ratio, np.array([0.0, 256.0, 0.0]))
    one, always = evidence.estimate(), evidence.estimate(always_valid=True)
    assert (one.low, one.high) == ratio.interval()[1:]
    assert (always.low, always.high) == ratio.sequence()[1:]
    assert always.low < one.low < one.value == always.value < one.high < always.high
