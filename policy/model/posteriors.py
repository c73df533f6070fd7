"""What is known of each arm's attractiveness: Beta posteriors from counts."""

from __future__ import annotations

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


def posterior(
    impressions: Counts, clicks: Counts, examination: Floats, prior: Prior, retained: Floats | float = 1.0
) -> Beta:
    """The posterior of attractiveness from a share `retained` of impressions and clicks [A, S], and examination [S].

    An impression in a slot that is looked at with probability e counts as e
    examined impressions: the weighting of Lagrée, Vernade and Cappé (2016),
    "Multiple-play bandits in the position-based model", section 3, on top of a
    Beta prior of the base rate.  More clicks than examined impressions (a
    visitor clicks twice, an impression is lost) leave the prior's share of `b`.
    """
    clicked = clicks.sum(axis=1, dtype=np.float64)
    examined = np.einsum("as,s->a", impressions, examination)
    missed = np.maximum(0.0, examined - clicked)
    a = prior.click_rate * prior.strength + retained * clicked
    b = (1.0 - prior.click_rate) * prior.strength + retained * missed
    return Beta(np.maximum(a, SMALLEST), np.maximum(b, SMALLEST))


def interval(a: Floats, b: Floats, level: float = LEVEL) -> tuple[Floats, Floats]:
    """The central interval of Beta(a, b) that holds `level` of it: exact quantiles, low and high."""
    tail = (1.0 - level) / 2.0
    low: Floats = np.asarray(betaincinv(a, b, tail), dtype=np.float64)
    high: Floats = np.asarray(betainccinv(a, b, tail), dtype=np.float64)
    return low, high


def retained(click_days: Floats, drift: float) -> Floats:
    """The share of arms' counts that informs their click rates now, float64 in (0, 1], of the shape of `click_days`.

    These are the ages of an arm's clicks in days, added up.  A rate known from c
    clicks has the relative variance 1 / c; where its logarithm moves by a variance
    of `drift` a day, that of c clicks of age t is 1 / c + drift t, as of
    c / (1 + drift c t) clicks.  What was hardly clicked on is so not forgotten.
    """
    share: Floats = 1.0 / (1.0 + drift * click_days)
    return share


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
