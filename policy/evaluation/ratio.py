"""A ratio of two sums over units, with its interval: what every estimator ends in.

The unit is the observation: page views of one visitor depend on each other,
visitors in different bins do not, so sums are kept by bin of units (see
`policy.assignment.unit_bin`).  The statistic is small, is added to row by row
or batch by batch, and two of them are merged by adding.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, eq=False)
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

    @property
    def value(self) -> float:
        """Numerator over denominator; `nan` without rows."""
        total = self.sums.sum(axis=0)
        return float(total[NUMERATOR] / total[DENOMINATOR]) if total[DENOMINATOR] > 0.0 else np.nan

    @property
    def effective_size(self) -> float:
        """How many rows of equal weight are as informative: Kish (1965), "Survey Sampling", (sum w)**2 / sum w**2."""
        total = self.sums.sum(axis=0)
        return float(total[WEIGHT] ** 2 / total[SQUARED]) if total[SQUARED] > 0.0 else 0.0

    @property
    def filled(self) -> int:
        """Bins that have rows."""
        return int(np.count_nonzero(self.sums[:, DENOMINATOR]))

    def residuals(self) -> Floats:
        """What each bin adds to the estimate's error, float64[B]; they add up to 0.

        The linearised ratio of Cochran (1977), "Sampling Techniques", section 6.3.
        """
        numerator, denominator = self.sums[:, NUMERATOR], self.sums[:, DENOMINATOR]
        residuals: Floats = (numerator - self.value * denominator) / denominator.sum()
        return residuals

    @property
    def error(self) -> float:
        """The standard error, with B/(B - 1) for the filled bins; `nan` with fewer than two."""
        return _error(self.residuals(), self.filled) if self.filled > 1 else np.nan

    def interval(self, level: float = LEVEL) -> Interval:
        """The interval for the ratio, corrected for skewness.

        Hall (1992), "On the removal of skewness by transformation": with
        few purchases, or few rows that carry most weight, the upper bound lies
        further out than the lower one.  Student's t stands in for the normal
        quantile, with as many degrees of freedom as the spread of the squared residuals
        leaves (Satterthwaite 1946): a few bins that outweigh the others carry less information than
        many.  With fewer than two filled bins, or no spread, nothing bounds it.
        """
        if self.filled < 2 or not self.error > 0.0:
            return Interval(self.value, -np.inf, np.inf)
        residuals = self.residuals()
        skewness = float((residuals**3).sum() / (residuals**2).sum() ** 1.5)
        reach = float(stdtrit(_freedom(residuals, self.filled), (1.0 + level) / 2.0))
        value, error = self.value, self.error
        return Interval(value, value - error * _skewed(reach, skewness), value - error * _skewed(-reach, skewness))

    def sequence(self, level: float = LEVEL) -> Interval:
        """The interval that holds at all looks together, where the log grows between them.

        The confidence sequence of `policy.confidence_sequence`, for the logarithm of the ratio.
        Where few bins outweigh the others its variance grows as the square of Student's quantile over
        the normal one.  Before the ratio is known as well as from `FEWEST` outcomes, nothing bounds it.
        """
        unknown = Interval(self.value, -np.inf, np.inf)
        if self.filled < FEWEST_BINS or not (self.value > 0.0 and self.error > 0.0):
            return unknown
        variance = (self.error / self.value) ** 2
        if variance * FEWEST > 1.0:
            return unknown
        tail = (1.0 + level) / 2.0
        inflated = variance * (stdtrit(_freedom(self.residuals(), self.filled), tail) / ndtri(tail)) ** 2
        reach = always_valid_reach(float(inflated), 1.0 - level)
        return Interval(self.value, self.value * float(np.exp(-reach)), self.value * float(np.exp(reach)))

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
