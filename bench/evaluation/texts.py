"""Texts of simulated items, as vectors that tell much or nothing of how attractive the items are."""

from __future__ import annotations

import numpy as np

from policy.arrays import Floats, Ints
from policy.evaluation.clusters import ladder_of

TEXTS = {"half": 0.5, "nothing": 0.0}
"""How much of the variance of log attractiveness texts predict."""
OTHER_MATTERS, THEIR_SPREAD = 7, 0.3
"""What else texts speak of: dimensions that have nothing to do with clicks, and how much items differ in each."""


def ladders(random: np.random.Generator, attraction: Floats) -> dict[str, Ints]:
    """Clusters of items by texts that tell as much as `TEXTS` says; `attraction` is float64[A]."""
    return {
        name: ladder_of(_vectors(random, attraction, share), [""] * len(attraction)) for name, share in TEXTS.items()
    }


def _vectors(random: np.random.Generator, attraction: Floats, share: float) -> Floats:
    score = np.log(attraction)
    score = (score - score.mean()) / score.std()
    signal = np.sqrt(share) * score + np.sqrt(1.0 - share) * random.normal(size=len(score))
    others = random.normal(0.0, THEIR_SPREAD, (len(score), OTHER_MATTERS))
    return np.column_stack([signal, others])
