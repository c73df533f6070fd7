"""What tastes foretell: how much likelier they make an item that a visitor looked at, from the others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from policy.arrays import Floats
from policy.segments.mixture import Mixture, chances, joint
from policy.segments.votes import Votes


class Gain(NamedTuple):
    """A mean of logarithms of likelihood ratios, and its standard error."""

    mean: float
    error: float

    @property
    def is_sure(self) -> bool:
        """Whether it is above 0 by three standard errors: it is looked at again and again."""
        return self.mean > 3.0 * self.error


def held_out_logs(mixture: Mixture, votes: Votes, prior: Floats | None = None) -> Floats:
    """How well the items of each unit with two and more foretell each other, by a mixture that was not fitted to them.

    It is the mean over the unit's items of the logarithm of an item's likelihood, given the others, against that by
    its popularity.  `prior` are logarithms that are known of each unit's tastes beside its items, float64[N, G] of
    those units.
    """
    several = votes.some(np.flatnonzero(np.diff(votes.starts) >= 2))
    sums = joint(mixture, several) + (0.0 if prior is None else prior)
    sizes = np.diff(several.starts)
    units = np.repeat(np.arange(several.units), sizes)
    logs = logsumexp(sums, axis=1)[units] - logsumexp(sums[units] - mixture.ratios[several.items], axis=1)
    means: Floats = np.bincount(units, logs, minlength=several.units) / sizes
    return means


def newest_logs(mixture: Mixture, votes: Votes) -> Floats:
    """The same of the newest item alone, for units that the mixture was fitted to before they looked at it."""
    before, newest = votes.newest_held_out()
    logs: Floats = np.log((chances(mixture, before) * np.exp(mixture.ratios[newest])).sum(axis=1))
    return logs


def gain_of(logs: Floats) -> Gain:
    """The mean of some logarithms; 0, known not at all, of fewer than two."""
    if len(logs) < 2:
        return Gain(0.0, np.inf)
    return Gain(float(logs.mean()), float(logs.std(ddof=1) / np.sqrt(len(logs))))
