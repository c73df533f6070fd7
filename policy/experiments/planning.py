"""How long an experiment takes, from what a page's visitors did so far, until its always-valid interval excludes 0."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri

from policy.confidence_sequence import FEWEST, always_valid_reach
from policy.defaults import LEVEL
from policy.experiments.sequence import ORDERS, REVENUE, VIEWS, Sides, enough, errors_of, rate_of, variance_of

POWER = 0.8
"""How probable it is that an effect is found within the days that are planned."""
PATHS, LOOKS = 4_000, 400
LARGEST_SHARE = 50
"""Percent: with more in the holdout an experiment takes longer again."""


class Pace(NamedTuple):
    """What comes in a day on both sides together: page views, and outcomes, which for revenue are orders.

    `rate` is the outcome per page view, `variance` that of its logarithm for one page view: that between bins
    of units, so that visitors who return are reckoned with.
    """

    views: float
    outcomes: float
    rate: float
    variance: float


class Needed(NamedTuple):
    """Days until an effect is found in half of all cases, and in the share `POWER` of them."""

    half: float
    days: float


def pace(sides: Sides, column: int, days: float) -> Pace | None:
    """The pace of `days` that were counted, or None where too little came to plan by."""
    both = sides.learned + sides.holdout
    views, outcomes = both[:, VIEWS].sum(), both[:, ORDERS if column == REVENUE else column].sum()
    if not enough(both, column):
        return None
    variance = 0.0
    for side in sides:
        own, rate = side[:, VIEWS].sum(), rate_of(side, column)
        if rate > 0.0:
            variance += own / views * own * variance_of([errors_of(side, column, rate)])
    return Pace(float(views / days), float(outcomes / days), rate_of(both, column), float(variance))


def needed(pace: Pace, share: float, effect: float, level: float = LEVEL) -> Needed:
    """How long an effect, relative and not 0, takes to be found with a `share` of the units in the holdout.

    The variance of the log ratio falls with the page views of both sides.  Each side needs `FEWEST` outcomes, too.
    """
    of_a_day = pace.variance / pace.views * (1.0 / share + 1.0 / (1.0 - share))
    least = FEWEST / (pace.outcomes * min(share, 1.0 - share))
    return Needed(*(max(least, information * of_a_day) for information in information_needed(effect, level)))


def share_within(pace: Pace, days: float, effect: float, level: float = LEVEL) -> float | None:
    """The smallest share of whole percents that finds the effect within so many days; None where none does."""
    percents = range(1, LARGEST_SHARE + 1)
    return next((at / 100 for at in percents if math.ceil(needed(pace, at / 100, effect, level).days) <= days), None)


@lru_cache
def information_needed(effect: float, level: float) -> tuple[float, float]:
    """The inverse of the variance at which the interval excludes 0 in half of all cases, and in the share `POWER`.

    Over information the estimate of an effect moves as a Brownian motion with a drift, divided by the
    information (Jennison and Turnbull 2000, "Group Sequential Methods", chapter 11).  `PATHS` of them are drawn, always
    the same, and each is looked at until its interval excludes 0; the last look is where a single one would do.
    """
    drift, alpha = abs(math.log1p(effect)), 1.0 - level

    def short(log_information: float) -> float:
        variance = math.exp(-log_information)
        return always_valid_reach(variance, alpha) + float(ndtri(POWER)) * math.sqrt(variance) - drift

    last = math.exp(brentq(short, -20.0, 60.0))
    information = last * np.arange(1, LOOKS + 1) / LOOKS
    moves = np.random.default_rng(0).normal(0.0, math.sqrt(last / LOOKS), (PATHS, LOOKS))
    bounds = np.array([always_valid_reach(1.0 / amount, alpha) for amount in information])
    outside = np.abs(drift + np.cumsum(moves, axis=1) / information) > bounds
    first = np.where(outside.any(axis=1), information[outside.argmax(axis=1)], np.inf)
    half, most = np.quantile(first, [0.5, POWER], method="higher").tolist()
    return half, most
