"""How an experiment stands: uplifts, whether the split can be trusted, and which guard-rails it crossed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from policy.defaults import LEVEL
from policy.experiments.sample_ratio import SampleRatio, sample_ratio
from policy.experiments.sequence import METRICS, Sides, Uplift, uplift, uplifts_of

GUARD_LEVEL = 0.99


class Health(NamedTuple):
    """`crossed` maps an outcome to the uplift whose upper bound is below the loss that is tolerated.

    `uplifts` has net revenue, too, where something was returned; no guard-rail is on that.
    """

    uplifts: dict[str, Uplift]
    sample_ratio: SampleRatio
    crossed: dict[str, Uplift]

    @property
    def guard_rail(self) -> str:
        """Which guard-rails were crossed, in words; empty: none."""
        return "; ".join(
            f"{name} {interval.low:+.1%} to {interval.high:+.1%}" for name, interval in self.crossed.items()
        )


def health(
    sides: Sides,
    holdout_share: float,
    tolerated: Mapping[str, float],
    level: float = LEVEL,
    before: Sides | None = None,
) -> Health:
    """The health of an experiment; `tolerated` says for each outcome which relative loss is tolerated (1: any).

    A guard-rail is crossed with evidence: when at a level of `GUARD_LEVEL` the
    always-valid interval of the uplift is wholly below the loss, and not while the
    split itself is in doubt.
    """
    split = sample_ratio(sides, holdout_share)
    uplifts = uplifts_of(sides, level, before)
    certain = {name: uplift(sides, column, GUARD_LEVEL, before) for name, column in METRICS.items()}
    crossed = {
        name: interval
        for name, interval in certain.items()
        if not split.alarm and interval.high < -tolerated.get(name, 1.0)
    }
    return Health(uplifts, split, crossed)
