"""What a policy would have gained over the one that was served: a ratio of two ratios over the same units."""

from __future__ import annotations

import numpy as np

from policy.defaults import LEVEL
from policy.evaluation.ratio import Interval, Ratio, reach_at_all_looks, reach_at_one_look


def gain(target: Ratio, served: Ratio, level: float = LEVEL, *, always_valid: bool = False) -> Interval:
    """The relative gain of a target's value over what the served policy earned, with its interval.

    Both are of the same page views, so what moves both moves the gain little: the variance of
    its logarithm is that of each bin's relative errors, one less the other (Cochran 1977, "Sampling
    Techniques", section 6.3).  The interval holds at one look, or with `always_valid` at all looks together.
    Nothing bounds it before both values are `Ratio.informative`.
    """
    value = target.value / served.value - 1.0 if served.value > 0.0 else np.nan
    if not (target.informative and served.informative):
        return Interval(value, -1.0, np.inf)
    errors = target.residuals / target.value - served.residuals / served.value
    reach = reach_at_all_looks if always_valid else reach_at_one_look
    below, above = (np.log1p(value) + far for far in reach(errors, max(target.filled, served.filled), level))
    return Interval(value, float(np.expm1(below)), float(np.expm1(above)))
