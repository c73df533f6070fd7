"""Whether units arrive in the holdout as often as they should: a test that may be looked at at any time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import betaln

from policy.experiments.sequence import UNITS, Sides

CONCENTRATION = 200.0
"""Weight of the mixture's prior around the expected share, in units."""
ALARM = 0.01


class SampleRatio(NamedTuple):
    """Units of both sides, the holdout's share that was expected, and the p-value, valid at any time."""

    learned: int
    holdout: int
    expected: float
    p_value: float

    @property
    def alarm(self) -> bool:
        """Whether the split is not what it should be: then no other figure can be trusted."""
        return self.p_value < ALARM


def sample_ratio(sides: Sides, holdout_share: float) -> SampleRatio:
    """The test of the shares, from units by bin.

    The sequential test of multinomial counts of Lindon and Malek (2022),
    "Anytime-valid inference for multinomial count data": the p-value is one over the
    Bayes factor of a Beta mixture around the expected share, here with two sides.  A
    unit that returns after long is counted again, so counts are divided by their
    dispersion between bins, Pearson's X²/(B-1), where that is above 1.
    """
    learned, held = sides.learned[:, UNITS], sides.holdout[:, UNITS]
    totals = int(learned.sum()), int(held.sum())
    if not sum(totals) or not 0.0 < holdout_share < 1.0:
        return SampleRatio(*totals, holdout_share, 1.0)
    return SampleRatio(*totals, holdout_share, mixture_p_value(totals[1], totals[0], holdout_share, _dispersion(sides)))


def mixture_p_value(units: int, others: int, share: float, dispersion: float) -> float:
    """How likely it is at most, looked at at any time, that `units` came where `share` of them all was expected.

    Counts weigh less by their dispersion, 1 or more.
    """
    counts = units / dispersion, others / dispersion
    prior = CONCENTRATION * share, CONCENTRATION * (1.0 - share)
    mixture = betaln(prior[0] + counts[0], prior[1] + counts[1]) - betaln(*prior)
    expected = counts[0] * np.log(share) + counts[1] * np.log1p(-share)
    return float(np.exp(min(0.0, expected - mixture)))


def _dispersion(sides: Sides) -> float:
    """Pearson's X² over its degrees of freedom, for the holdout's share in each bin; at least 1."""
    held = sides.holdout[:, UNITS].astype(np.float64)
    units = held + sides.learned[:, UNITS]
    filled = units > 0.0
    share = held.sum() / units.sum()
    if filled.sum() < 2 or not 0.0 < share < 1.0:
        return 1.0
    squares = (held[filled] - share * units[filled]) ** 2 / (units[filled] * share * (1.0 - share))
    return max(1.0, float(squares.sum() / (filled.sum() - 1)))
