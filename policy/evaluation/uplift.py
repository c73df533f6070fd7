"""How much better the learned layouts do than the holdout."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from policy.arrays import Ints
from policy.defaults import LEVEL


class Uplift(NamedTuple):
    """Click rates per page view, and the relative gain of learned over holdout with its interval.

    `uplift` 0.1 means a tenth more clicks per page view.  Unknown is `nan`.
    """

    ctr_learned: float
    ctr_holdout: float
    uplift: float
    low: float
    high: float


def uplift(learned: Ints, holdout: Ints, level: float = LEVEL) -> Uplift:
    """The uplift from page views and clicks per bin, int64[B, 2], units being in bins by hash.

    Page views of one visitor depend on each other, visitors in different bins
    do not, so the bins are the clusters of a ratio estimator.  Its variance is
    that of Cochran (1977), "Sampling Techniques", section 6.3, also known as the
    delta method of Deng, Knoblich and Lu (2018); the interval is symmetric for
    the logarithm of the ratio, with Student's t for the filled bins.  Where a
    side has no clicks or fewer than two filled bins, the interval is (-1, inf).
    """
    ctr_learned, ctr_holdout = _rate(learned), _rate(holdout)
    gain = ctr_learned / ctr_holdout - 1.0 if ctr_holdout > 0.0 else np.nan
    filled = min(_filled(learned), _filled(holdout))
    if filled < 2 or not (ctr_learned > 0.0 and ctr_holdout > 0.0):
        return Uplift(ctr_learned, ctr_holdout, float(gain), -1.0, np.inf)
    error = np.sqrt(_log_variance(learned) + _log_variance(holdout))
    reach = float(stdtrit(filled - 1, (1.0 + level) / 2.0) * error)
    log_ratio = np.log1p(gain)
    low, high = float(np.expm1(log_ratio - reach)), float(np.expm1(log_ratio + reach))
    return Uplift(ctr_learned, ctr_holdout, float(gain), low, high)


def _rate(bins: Ints) -> float:
    views, clicks = bins.sum(axis=0).tolist()
    return clicks / views if views else np.nan


def _filled(bins: Ints) -> int:
    return int(np.count_nonzero(bins[:, 0]))


def _log_variance(bins: Ints) -> float:
    """Variance of the logarithm of clicks per view; needs clicks and two filled bins."""
    views, clicks = bins[:, 0].astype(np.float64), bins[:, 1].astype(np.float64)
    filled = _filled(bins)
    residuals = clicks - views * (clicks.sum() / views.sum())
    return float(filled / (filled - 1) * (residuals @ residuals) / clicks.sum() ** 2)
