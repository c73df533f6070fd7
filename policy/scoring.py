"""How arms are scored, by the name of the policy.

A score is compared within a variant and has no unit of its own.  A further
policy is a function of this shape and a row in `POLICIES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from policy.posteriors import Beta, Counts, Floats, Prior, posterior
from policy.sampling import beta_draws

HOLDOUT_CLICKS = 50.0


class Policy(Protocol):
    """Scores per arm and variant, float64[A, V], from the posterior and normals z, float64[2, A, V].

    `exploration` scales the posterior's spread; 1 is exact Thompson sampling.
    """

    def __call__(self, beta: Beta, z: Floats, exploration: float) -> Floats: ...


def thompson(beta: Beta, z: Floats, exploration: float) -> Floats:
    """One draw from each arm's posterior per variant (Thompson 1933)."""
    return beta_draws(beta.a, beta.b, z, exploration)


def greedy(beta: Beta, z: Floats, exploration: float) -> Floats:
    """The posterior mean, in every variant alike."""
    means: Floats = np.repeat(beta.mean[:, None], z.shape[2], axis=1)
    return means


def uniform(beta: Beta, z: Floats, exploration: float) -> Floats:
    """All arms alike: the normals themselves order them."""
    order: Floats = z[0]
    return order


POLICIES: Mapping[str, Policy] = {"thompson": thompson, "greedy": greedy, "uniform": uniform}


def baseline(
    impressions: Counts,
    clicks: Counts,
    conversions: NDArray[np.int64] | Floats,
    examination: Floats,
    prior: Prior,
) -> Floats:
    """The holdout's score per arm, float64[A]: log click rate + log conversion rate.

    All from the holdout's own counts: impressions and clicks [A, S],
    conversions [A].  Click rates are smoothed to the base rate with the prior's
    strength, conversion rates to the holdout's overall rate with
    `HOLDOUT_CLICKS` clicks.
    """
    clicked = clicks.sum(axis=1, dtype=np.float64)
    overall = (conversions.sum(dtype=np.float64) + 1.0) / (clicked.sum() + HOLDOUT_CLICKS)
    converting = (conversions + overall * HOLDOUT_CLICKS) / (clicked + HOLDOUT_CLICKS)
    clicking = posterior(impressions, clicks, examination, prior).mean
    score: Floats = np.log(clicking) + np.log(converting)
    return score
