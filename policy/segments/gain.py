"""What tastes foretell: how much likelier they make the newest item of a visitor, from those before it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policy.arrays import Floats
from policy.segments.mixture import Mixture, chances
from policy.segments.votes import Votes


class Gain(NamedTuple):
    """A mean of logarithms of likelihood ratios, and its standard error."""

    mean: float
    error: float

    @property
    def is_sure(self) -> bool:
        """Whether it is above 0 by two standard errors."""
        return self.mean > 2.0 * self.error


def held_out_logs(mixture: Mixture, votes: Votes, prior: Floats | None = None) -> Floats:
    """For each unit with two items and more: the logarithm of its newest item's likelihood against its popularity.

    `prior` are logarithms that are known of each unit's tastes beside its items, float64[N, G] of those units.
    """
    before, newest = votes.newest_held_out()
    units = chances(mixture, before)
    if prior is not None:
        units = units * np.exp(prior)
        units /= units.sum(axis=1, keepdims=True)
    logs: Floats = np.log((units * np.exp(mixture.ratios[newest])).sum(axis=1))
    return logs


def gain_of(logs: Floats) -> Gain:
    """The mean of some logarithms; 0, known not at all, of fewer than two."""
    if len(logs) < 2:
        return Gain(0.0, np.inf)
    return Gain(float(logs.mean()), float(logs.std(ddof=1) / np.sqrt(len(logs))))
