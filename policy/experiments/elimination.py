"""Which policies on trial are worse than the best for certain, at whatever moment that is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from policy.arrays import Ints
from policy.assignment import branches_of_bins
from policy.defaults import LEVEL
from policy.experiments.sample_ratio import SampleRatio
from policy.experiments.sequence import VIEWS, Sides, Uplift, enough, rate_of, uplift
from policy.experiments.trial import sample_ratio


class Standing(NamedTuple):
    """A branch in the race: its page views and outcome per page view, and how it does against the best.

    Both are None for the best itself, and where too little is known of all.
    """

    views: int
    rate: float
    against_best: Uplift | None
    sample_ratio: SampleRatio | None

    @property
    def dropped(self) -> bool:
        """Whether the interval against the best is below 0, and the split can be trusted."""
        if self.against_best is None or self.sample_ratio is None or self.sample_ratio.alarm:
            return False
        return self.against_best.high < 0.0


def pair_level(level: float, branches: int) -> float:
    """The level of the interval of one pair, so that those of all pairs hold together with `level`: Bonferroni."""
    return 1.0 - (1.0 - level) / max(1, branches * (branches - 1) // 2)


def standings(
    learned: Ints, salt: str, shares: Mapping[str, float], race: Sequence[str], column: int, level: float = LEVEL
) -> tuple[str | None, dict[str, Standing]]:
    """The best branch in the race, None where too little is known of all, and how each stands, by name.

    `learned` are the counts of the units outside the holdout, int64[256, 6], since each branch had its bins and its
    policy; `shares` are those of all branches of the trial.  Intervals of all pairs hold at all times
    together with probability `level`, so a branch that is the best is never dropped, with that
    probability, whichever looked best meanwhile: the elimination of Even-Dar, Mannor and
    Mansour (2006), "Action elimination and stopping conditions", with confidence sequences.
    """
    of_bins, names = np.array(branches_of_bins(salt, tuple(shares.values()))), list(shares)
    bins = {name: learned[of_bins == names.index(name)] for name in race}
    informative = [name for name in race if enough(bins[name], column)]
    best = max(informative, key=lambda name: rate_of(bins[name], column), default=None)
    certain = pair_level(level, len(shares))

    def standing(name: str) -> Standing:
        own = bins[name]
        pair = None if best is None or best == name else Sides(own, bins[best])
        return Standing(
            int(own[:, VIEWS].sum()),
            rate_of(own, column),
            uplift(pair, column, certain) if pair else None,
            sample_ratio(pair) if pair else None,
        )

    return best, {name: standing(name) for name in race}
