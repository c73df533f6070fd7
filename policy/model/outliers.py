"""Clicks that are hardly people's: which of a page's segments to leave out of what the others learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Floats

FEWEST = 3
"""With fewer segments there is no median to compare with."""
DEVIATIONS = 3.0


def implausible(clicks: Floats, impressions: Floats, default: float, times: float) -> NDArray[np.bool_]:
    """Whether each of S segments is clicked on more than `times` as often as the median one, beyond chance.

    Counts are float64[S].  Each rate is drawn to `default` by the weight of one expected click, so
    that segments hardly seen neither decide what the median is nor stand out of it.
    Chance: that many clicks less three standard deviations of a Poisson count.  At most
    half of the segments are left out, with `times` of 0 none.
    """
    if not times or len(clicks) < FEWEST:
        return np.zeros(len(clicks), dtype=np.bool_)
    trials = impressions + 1.0 / default
    median = np.median((clicks + 1.0) / trials)
    outliers: NDArray[np.bool_] = clicks - DEVIATIONS * np.sqrt(clicks) > times * median * trials
    return outliers
