"""A ratio of two sums over units, with its interval: what every estimator ends in.

The unit is the observation: page views of one visitor depend on each other,
visitors in different bins do not, so sums are kept by bin of units (see
`policy.assignment.unit_bin`).  The statistic is small, is added to row by row
or batch by batch, and two of them are merged by adding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from policy.arrays import Floats, Ints
from policy.assignment import BINS
from policy.confidence_sequence import FEWEST, FEWEST_BINS, always_valid_reach
from policy.defaults import LEVEL

NUMERATOR, DENOMINATOR, WEIGHT, SQUARED = range(4)


class Interval(NamedTuple):
    """An estimate between its bounds; what is unknown is `nan`, -inf or inf."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Ratio:
    """Sums by bin of units, float64[B, 4]: numerator, denominator, weight and weight squared."""

    sums: Floats

    @classmethod
    def of(cls, bins: Ints, numerator: Floats, denominator: Floats, weight: Floats, size: int = BINS) -> Ratio:
        """The statistic of N rows; all are [N], `bins` in 0..size-1."""
        columns = numerator, denominator, weight, weight * weight
        return cls(np.stack([np.bincount(bins, column, size) for column in columns], axis=1))

    @classmethod
    def empty(cls, size: int = BINS) -> Ratio:
        """The statistic of no rows."""
        return cls(np.zeros((size, 4)))

    def __add__(self, other: Ratio) -> Ratio:
        return Ratio(self.sums + other.sums)

    @cached_property
    def value(self) -> float:
        """Numerator over denominator; `nan` without rows."""
        total = self.sums.sum(axis=0)
        return float(total[NUMERATOR] / total[DENOMINATOR]) if total[DENOMINATOR] > 0.0 else np.nan

    @property
    def effective_size(self) -> float:
        """How many rows of equal weight are as informative: Kish (1965), "Survey Sampling", (sum w)**2 / sum w**2."""
        total = self.sums.sum(axis=0)
        return float(total[WEIGHT] ** 2 / total[SQUARED]) if total[SQUARED] > 0.0 else 0.0

    @cached_property
    def filled(self) -> int:
        """Bins that have rows."""
        return int(np.count_nonzero(self.sums[:, DENOMINATOR]))

    @cached_property
    def residuals(self) -> Floats:
        """What each bin adds to the estimate's error, float64[B]; they add up to 0.

        The linearised ratio of Cochran (1977), "Sampling Techniques", section 6.3.
        """
        numerator, denominator = self.sums[:, NUMERATOR], self.sums[:, DENOMINATOR]
        residuals: Floats = (numerator - self.value * denominator) / denominator.sum()
        return residuals

    @cached_property
    def error(self) -> float:
        """The standard error, with B/(B - 1) for the filled bins; `nan` with fewer than two."""
        return _error(self.residuals, self.filled) if self.filled > 1 else np.nan

    @property
    def informative(self) -> bool:
        """Whether the ratio is known as well as from `FEWEST` outcomes, over enough bins to say how well."""
        if self.filled < FEWEST_BINS or not (self.value > 0.0 and self.error > 0.0):
            return False
        return FEWEST * (self.error / self.value) ** 2 <= 1.0

    def interval(self, level: float = LEVEL) -> Interval:
        """The interval for the ratio at one look; with fewer than two filled bins, or no spread, nothing bounds it."""
        value, (below, above) = self.value, reach_at_one_look(self.residuals, self.filled, level)
        return Interval(value, value + below, value + above)

    def sequence(self, level: float = LEVEL) -> Interval:
        """The interval that holds at all looks together, where the log grows between them.

        That of `reach_at_all_looks` for the logarithm of the ratio.  Before the ratio is `informative`,
        nothing bounds it.
        """
        value = self.value
        if not self.informative:
            return Interval(value, -np.inf, np.inf)
        below, above = np.exp(reach_at_all_looks(self.residuals / value, self.filled, level))
        return Interval(value, value * float(below), value * float(above))

    def bootstrap(self, random: np.random.Generator, level: float = LEVEL, draws: int = 2_000) -> Interval:
        """The percentile interval over bins drawn anew (Efron 1979), for comparison with `interval`."""
        filled = self.sums[self.sums[:, DENOMINATOR] > 0.0][:, : DENOMINATOR + 1]
        if len(filled) < 2:
            return Interval(self.value, -np.inf, np.inf)
        chosen = random.multinomial(len(filled), np.full(len(filled), 1.0 / len(filled)), draws)
        drawn = chosen @ filled
        tail = (1.0 - level) / 2.0
        low, high = np.quantile(drawn[:, NUMERATOR] / drawn[:, DENOMINATOR], [tail, 1.0 - tail])
        return Interval(self.value, float(low), float(high))


def reach_at_one_look(errors: Floats, filled: int, level: float) -> tuple[float, float]:
    """How far an estimate's interval reaches below and above it, corrected for skewness.

    `errors` float64[B] are what each bin adds to the estimate's error, `filled` how many bins have rows.
    Hall (1992), "On the removal of skewness by transformation": with
    few purchases, or few rows that carry most weight, the upper bound lies
    further out than the lower one.  Student's t stands in for the normal
    quantile, with as many degrees of freedom as the spread of the squared errors
    leaves (Satterthwaite 1946): a few bins that outweigh the others carry less information than
    many.  Infinite with fewer than two filled bins, or without spread.
    """
    if filled < 2 or not (error := _error(errors, filled)) > 0.0:
        return -np.inf, np.inf
    skewness = float((errors**3).sum() / (errors**2).sum() ** 1.5)
    reach = float(stdtrit(_freedom(errors, filled), (1.0 + level) / 2.0))
    return -error * _skewed(reach, skewness), -error * _skewed(-reach, skewness)


def reach_at_all_looks(errors: Floats, filled: int, level: float) -> tuple[float, float]:
    """The same at all looks together, for an estimate on a scale of logarithms: a confidence sequence.

    The asymptotic one of `policy.confidence_sequence`.  Bins are whole units, so the variance is right although
    page views of a unit, early and late, depend on each other; and on the scale of information, the
    inverse of that variance, estimates move as a Brownian motion does (Jennison and Turnbull 1997, "Group-sequential
    analysis incorporating covariate information").  Where few bins outweigh the others the variance
    grows as the square of Student's quantile over the normal one.
    """
    if filled < 2 or not (error := _error(errors, filled)) > 0.0:
        return -np.inf, np.inf
    tail = (1.0 + level) / 2.0
    student = float(stdtrit(_freedom(errors, filled), tail) / ndtri(tail))
    reach = always_valid_reach((error * student) ** 2, 1.0 - level)
    return -reach, reach


def _error(residuals: Floats, filled: int) -> float:
    return float(np.sqrt(filled / (filled - 1) * (residuals @ residuals)))


def _freedom(residuals: Floats, filled: int) -> float:
    """Degrees of freedom of the variance's estimate: `filled` - 1 for normal residuals, fewer for heavy tails."""
    squares = residuals**2
    spread = float(squares @ squares - squares.sum() ** 2 / filled)
    return max(1.0, min(filled - 1.0, 2.0 * float(squares.sum()) ** 2 / spread)) if spread > 0.0 else filled - 1.0


def _skewed(reach: float, skewness: float) -> float:
    """Hall's inverse transformation; `skewness` is that of the mean, g / sqrt(B) in the paper."""
    if abs(skewness) < 1e-6:
        return reach
    return float(3.0 / skewness * (np.cbrt(1.0 + skewness * (reach - skewness / 6.0)) - 1.0))
