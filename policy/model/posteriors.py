"""What is known of each arm's attractiveness: Beta posteriors from counts.

Click rates move.  What is known of a rate from c clicks has the relative variance 1 / c.  From day to day the logarithm
of the rate moves by a variance of `drift`, so that c clicks of yesterday tell as much as c / (1 + drift c) of today, to
which those of today add (the local level model; Harvey 1989, "Forecasting, structural time series models and the Kalman
filter", section 4.1.2).  So what is clicked on often is forgotten soon, and what is hardly clicked on nearly never.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainccinv, betaincinv

from policy.arrays import Counts, Floats
from policy.defaults import LEVEL

SMALLEST = 1e-9


class Prior(NamedTuple):
    """Mean attractiveness, in (0, 1), and its weight in examined impressions, above 0: of all arms or float64[A]."""

    click_rate: float | Floats
    strength: float | Floats

    def only(self, eligible: NDArray[np.bool_]) -> Prior:
        """The same without the arms where `eligible`, bool[A], is false."""
        return Prior(*(value[eligible] if isinstance(value, np.ndarray) else value for value in self))


class Beta(NamedTuple):
    """Parameters of one Beta distribution per arm, float64[A], all above 0."""

    a: Floats
    b: Floats

    @property
    def mean(self) -> Floats:
        """The expected value per arm."""
        return self.a / (self.a + self.b)

    @property
    def relative_deviation(self) -> Floats:
        """The standard deviation as a share of the mean, per arm."""
        deviation: Floats = np.sqrt(self.b / (self.a * (self.a + self.b + 1.0)))
        return deviation


class Remembered(NamedTuple):
    """What is not forgotten of looks and clicks, float64[..., A] each."""

    examined: Floats
    clicks: Floats


def posterior(impressions: Counts, clicks: Counts, examination: Floats, prior: Prior) -> Beta:
    """The posterior of attractiveness from impressions and clicks [A, S], and examination [S].

    An impression in a slot that is looked at with probability e counts as e
    examined impressions: the weighting of Lagrée, Vernade and Cappé (2016),
    "Multiple-play bandits in the position-based model", section 3, on top of a
    Beta prior of the base rate.  More clicks than examined impressions (a
    visitor clicks twice, an impression is lost) leave the prior's share of `b`.
    """
    return posterior_of(*own_counts(impressions, clicks, examination), prior)


def own_counts(impressions: Counts, clicks: Counts, examination: Floats) -> Remembered:
    """All impressions that were looked at, and all clicks, float64[A] each."""
    return Remembered(np.einsum("as,s->a", impressions, examination), clicks.sum(axis=1, dtype=np.float64))


def posterior_of(examined: Floats, clicked: Floats, prior: Prior) -> Beta:
    """The same from impressions that were looked at and clicks, float64[A]."""
    missed = np.maximum(0.0, examined - clicked)
    a = prior.click_rate * prior.strength + clicked
    b = (1.0 - prior.click_rate) * prior.strength + missed
    return Beta(np.maximum(a, SMALLEST), np.maximum(b, SMALLEST))


def interval(a: Floats, b: Floats, level: float = LEVEL) -> tuple[Floats, Floats]:
    """The central interval of Beta(a, b) that holds `level` of it: exact quantiles, low and high."""
    tail = (1.0 - level) / 2.0
    low: Floats = np.asarray(betaincinv(a, b, tail), dtype=np.float64)
    high: Floats = np.asarray(betainccinv(a, b, tail), dtype=np.float64)
    return low, high


class DayCounts(NamedTuple):
    """Counts of G segments, A arms and S slots by day, one day in memory at a time.

    `impressions` are those of all days, float64[G, A, S].  `days` gives, of slots that are looked at so much [S], the
    middle of each span of days with its looks and clicks [G, A], the oldest first.
    """

    impressions: Floats
    days: Callable[[Floats], Iterable[tuple[float, Remembered]]]

    def remembered(self, examined: Floats, examination: Floats, rates: Floats, drift: float) -> Remembered:
        """What is not forgotten [G, A] where all impressions count as `examined` looks [G, A]; see `remembered`."""
        looks = self.impressions @ examination
        share = np.divide(examined, looks, out=np.zeros(looks.shape), where=looks > 0.0)
        days = ((day, counts._replace(examined=share * counts.examined)) for day, counts in self.days(examination))
        return remembered(days, rates, drift)


def remembered(days: Iterable[tuple[float, Remembered]], rates: Floats, drift: float) -> Remembered:
    """What counts [..., A] of some days, one at least and the oldest first, still tell of the rates at the last one.

    `rates` [..., A] are the arms' rough click rates per look: by the clicks that were to be expected it is known how
    much is forgotten.  By the clicks themselves, arms that were lucky would be forgotten sooner.
    """
    each = iter(days)
    before, (examined, clicks) = next(each)
    for day, more in each:
        share = 1.0 / (1.0 + drift * (day - before) * examined * rates)
        before, examined, clicks = day, share * examined + more.examined, share * clicks + more.clicks
    return Remembered(examined, clicks)


def bucket_weights(bucket_starts: ArrayLike, now: int, half_life_ms: int) -> Floats:
    """The weight of each time bucket, float64[B] in (0, 1]: half after `half_life_ms`, all 1 where that is 0.

    `now` is the log's time (the newest bucket's start, say) rather than the
    clock's, so that the same state gives the same layout.  Times in
    milliseconds; a bucket that starts after `now` weighs 1.
    """
    age = np.maximum(0, now - np.asarray(bucket_starts, dtype=np.int64))
    if half_life_ms == 0:
        return np.ones(age.shape)
    weights: Floats = np.maximum(np.exp2(-age / half_life_ms), np.finfo(np.float64).tiny)
    return weights
