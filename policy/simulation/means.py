"""Means over seeds, with how far they may be off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from policy.arrays import Floats


class Mean(NamedTuple):
    """A mean over seeds with its 95 % interval (Student's t)."""

    mean: float
    low: float
    high: float


def mean_of(values: Sequence[float] | Floats) -> Mean:
    """Mean and interval of values that are independent."""
    numbers = np.asarray(values, dtype=np.float64)
    mean = float(numbers.mean())
    if len(numbers) < 2:
        return Mean(mean, -np.inf, np.inf)
    reach = float(stdtrit(len(numbers) - 1, 0.975) * numbers.std(ddof=1) / np.sqrt(len(numbers)))
    return Mean(mean, mean - reach, mean + reach)


def ratio_of(ours: Sequence[float], theirs: Sequence[float]) -> Mean:
    """The geometric mean of ratios within seeds, with its interval."""
    return Mean(*np.exp(mean_of(np.log(np.asarray(ours) / np.asarray(theirs)))).tolist())


def ratio_of_sums(ours: Sequence[float], theirs: Sequence[float]) -> Mean:
    """The ratio of sums over seeds, which may hold 0 in some, with its interval (jackknife; Quenouille 1956)."""
    numerator, denominator, count = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64), len(ours)
    without = (numerator.sum() - numerator) / (denominator.sum() - denominator)
    return mean_of(count * numerator.sum() / denominator.sum() - (count - 1) * without)
