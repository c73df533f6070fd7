"""Uplift of learned over holdout, with an interval that is valid whenever it is looked at.

An interval of fixed size holds with its probability at one moment that was chosen
before.  Who looks every hour and stops when it pleases needs a sequence of
intervals that holds at all moments together.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from policy.arrays import Floats, Ints
from policy.confidence_sequence import FEWEST, FEWEST_BINS, always_valid_reach
from policy.defaults import LEVEL

VIEWS, UNITS, CLICKS, ORDERS, REVENUE, RETURNED = range(6)
"""Columns of the bins that the state keeps."""
METRICS = {"clicks": CLICKS, "orders": ORDERS, "revenue": REVENUE}
"""What is judged: guard-rails and decisions go by these."""
NET_REVENUE = "net_revenue"
"""Revenue without what of it was returned: to look at beside, as the returns of young orders are still to come."""


class Uplift(NamedTuple):
    """Outcome per page view of both sides, and the relative gain with its always-valid bounds.

    `reduced` is the share of the variance that the pre-period took away; what is
    unknown is `nan`, -1 or inf.
    """

    learned: float
    holdout: float
    uplift: float
    low: float
    high: float
    reduced: float = 0.0

    @property
    def reverse(self) -> Uplift:
        """The gain of the holdout's side over the other, with the same interval seen from there."""
        gain, low, high = (_reverse(gain) for gain in (self.uplift, self.high, self.low))
        return Uplift(self.holdout, self.learned, gain, low, high, self.reduced)


def _reverse(gain: float) -> float:
    return math.inf if gain <= -1.0 else 1.0 / (1.0 + gain) - 1.0


class Sides(NamedTuple):
    """Ints of units, int64[B, 6] each: page views, units, clicks, orders, revenue, and what of it was returned."""

    learned: Ints
    holdout: Ints


def uplift(sides: Sides, column: int, level: float = LEVEL, before: Sides | None = None) -> Uplift:
    """The uplift of one outcome per page view.

    The log ratio has the variance of two ratios over clusters, units being in bins by hash:
    Cochran (1977), "Sampling Techniques", section 6.3, also known as the delta method of
    Deng, Knoblich and Lu (2018).  `before` holds the same
    units in a time in which both sides were served alike; with it the estimate is
    adjusted by what they did then (CUPED: Deng, Xu, Kohavi and Walker 2013), which
    lowers the variance and moves no expectation.
    """
    learned, holdout = rate_of(sides.learned, column), rate_of(sides.holdout, column)
    gain = learned / holdout - 1.0 if holdout > 0.0 else np.nan
    unknown = Uplift(learned, holdout, gain, -1.0, np.inf)
    if not all(enough(side, column) for side in sides):
        return unknown
    errors = [errors_of(sides.learned, column, learned), errors_of(sides.holdout, column, holdout)]
    shift, remaining = _adjusted(errors, before, column)
    plain, variance = variance_of(errors), variance_of(remaining)
    if not variance > 0.0:
        return unknown
    reach, log_ratio = always_valid_reach(variance, 1.0 - level), float(np.log1p(gain)) - shift
    low, value, high = (float(np.expm1(log_ratio + far)) for far in (-reach, 0.0, reach))
    return Uplift(learned, holdout, value, low, high, 1.0 - variance / plain)


def outcomes_of(sides: Sides) -> tuple[str, ...]:
    """The names of the outcomes that there are: net revenue where something was returned."""
    returned = any(side[:, RETURNED].any() for side in sides)
    return (*METRICS, NET_REVENUE) if returned else tuple(METRICS)


def uplift_of(name: str, sides: Sides, level: float = LEVEL, before: Sides | None = None) -> Uplift:
    """The uplift of an outcome by its name."""
    if name != NET_REVENUE:
        return uplift(sides, METRICS[name], level, before)
    return uplift(_net(sides), REVENUE, level, None if before is None else _net(before))


def uplifts_of(sides: Sides, level: float = LEVEL, before: Sides | None = None) -> dict[str, Uplift]:
    """The uplift of each outcome that there is."""
    return {name: uplift_of(name, sides, level, before) for name in outcomes_of(sides)}


def _net(sides: Sides) -> Sides:
    """The same with revenue without what was returned."""
    nets = [side.copy() for side in sides]
    for net in nets:
        net[:, REVENUE] -= net[:, RETURNED]
    return Sides(*nets)


def rate_of(bins: Ints, column: int) -> float:
    """An outcome per page view; `nan` without page views."""
    views, outcome = bins[:, VIEWS].sum(), bins[:, column].sum()
    return float(outcome / views) if views else np.nan


def enough(bins: Ints, column: int) -> bool:
    """Whether there is enough to say anything; revenue comes in orders, so these are counted."""
    outcomes = bins[:, ORDERS if column == REVENUE else column].sum()
    return bool(outcomes >= FEWEST and bins[:, column].sum() > 0 and np.count_nonzero(bins[:, VIEWS]) >= FEWEST_BINS)


def errors_of(bins: Ints, column: int, rate: float) -> Floats:
    """What each bin adds to the error of the logarithm of the rate, float64[B]."""
    views, outcome = bins[:, VIEWS].astype(np.float64), bins[:, column].astype(np.float64)
    errors: Floats = (outcome - rate * views) / max(rate * views.sum(), 1e-300)
    return errors


def variance_of(errors: list[Floats]) -> float:
    """The variance of a sum over the bins of several groups, each float64[B]."""
    return float(sum(len(group) / (len(group) - 1) * float(group @ group) for group in errors))


def _adjusted(errors: list[Floats], before: Sides | None, column: int) -> tuple[float, list[Floats]]:
    """By how much the pre-period moves the log ratio, and the errors that remain; none where it says too little."""
    if before is None or not all(enough(side, column) for side in before):
        return 0.0, errors
    both = rate_of(np.concatenate(before), column)
    past = [errors_of(side, column, both) for side in before]
    centred = [own - own.mean() for own in past]
    slope = sum(own @ other for own, other in zip(errors, centred, strict=True)) / sum(own @ own for own in centred)
    shift = float(slope * (past[0].sum() - past[1].sum()))
    return shift, [own - slope * other for own, other in zip(errors, centred, strict=True)]
