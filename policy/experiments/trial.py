"""Policies on trial against the page's own: each branch has whole bins of units, so bins are what is compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from policy.arrays import Ints
from policy.assignment import branches_of_bins
from policy.defaults import LEVEL
from policy.experiments.sample_ratio import SampleRatio, mixture_p_value
from policy.experiments.sequence import UNITS, VIEWS, Sides, Uplift, uplifts_of


class Trial(NamedTuple):
    """A branch against the page's own policy (`holdout` of an uplift is that of the latter), over its bins."""

    views: int
    uplifts: dict[str, Uplift]
    sample_ratio: SampleRatio


def trials(
    learned: Ints, salt: str, shares: Sequence[float], level: float = LEVEL, before: Ints | None = None
) -> list[Trial]:
    """How each branch but the first does against the first.

    `learned` are the counts of the units outside the holdout, int64[256, 6]; `shares`
    are those of all branches.  Units were given to branches by bin (see
    `policy.assignment.branch_of`), so two branches never share one, and the variance of
    a rate over its own bins is that of a trial randomised by cluster.  `before` holds
    the same bins in a time in which all were served alike.  With few bins nothing is said.
    """
    branches = np.array(branches_of_bins(salt, tuple(shares)))
    results = []
    for at in range(1, len(shares)):
        own, first = branches == at, branches == 0
        past = None if before is None else Sides(before[own], before[first])
        sides = Sides(learned[own], learned[first])
        views = int(learned[own][:, VIEWS].sum())
        results.append(Trial(views, uplifts_of(sides, level, past), sample_ratio(sides)))
    return results


def sample_ratio(sides: Sides) -> SampleRatio:
    """Whether units arrive in a branch as often as its bins say; valid at any time.

    As `policy.experiments.sample_ratio.sample_ratio`, but a bin is on one side alone:
    the dispersion is that of units over the bins of a side.
    """
    units = [side[:, UNITS].astype(np.float64) for side in sides]
    own, first = (int(side.sum()) for side in units)
    share = len(units[0]) / (len(units[0]) + len(units[1])) if any(map(len, units)) else 0.0
    if not own + first or not 0.0 < share < 1.0:
        return SampleRatio(own, first, share, 1.0)
    dispersion = max(1.0, *(_dispersion(side) for side in units))
    return SampleRatio(own, first, share, mixture_p_value(own, first, share, dispersion))


def _dispersion(units: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Variance of the units of a bin over their mean."""
    if len(units) < 2 or not units.mean() > 0.0:
        return 1.0
    return float(units.var(ddof=1) / units.mean())
