"""What a page's visitors, and those of each segment, are interested in: ridge regression of clicks on features.

On the logit scale the interest in an arm is offset + x·w.  Counts come as clicks
and examined impressions of each arm.  Arms differ by more than their features
say, so an arm with very many views must not rule the fit: its weight is that of
an overdispersed count (Williams 1982, "Extra-binomial variation in logistic
linear models"), with the factor around 1 that `policy.model.strength` fits.  How far
weights are drawn to 0 is fitted too, for each group of features by itself, by
maximising the evidence (MacKay 1992, "Bayesian interpolation", equation 4.4).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from policy.arrays import Floats, Indices

NEWTON_ROUNDS = 8
RIDGE_ROUNDS = 4
FURTHEST_STEP = 2.0
PRIOR_FEATURES = 0.5
PRIOR_SQUARE = 0.025
"""The ridge starts as if there had been this many weights, whose squares add up to this sum."""
STEEPEST = 50.0
CLOSE = 1e-2
AFFINITY_DEVIATION = 0.5
"""The weight of affinities is about 0, give or take this, before any clicks."""
AFFINITY_STEP = 0.5
AFFINITY_ROUNDS = 4
TOGETHER = 32
"""Rows that are fitted at once: as many as keep their arrays small."""


class Interest(NamedTuple):
    """Weights per row of counts, float64[G, F], the ridge of each group of features, and `variance`, float64[G].

    `variance` is that of the scores that the weights give, over all arms.
    """

    weights: Floats
    ridge: Floats
    variance: Floats


class AffinityWeight(NamedTuple):
    """By how much the score of an item is more for each unit of its affinity, and the variance of that."""

    weight: float
    variance: float


NO_WEIGHT = AffinityWeight(0.0, AFFINITY_DEVIATION**2)


def fit_interest(
    values: Floats, groups: Indices, clicks: Floats, trials: Floats, offset: Floats, strength: Floats | float
) -> Interest:
    """Weights of features [A, F] for rows of counts [G, A] around `offset` [G, A], logit scale.

    Rows share the ridge of each group of features, numbered from 0 in `groups`,
    int[F]; that is what the segments of a page know of each other.
    `strength` is the shape of an arm's own factor, in expected clicks: of all, or [G, A].
    """
    ridge = np.full(int(groups.max(initial=-1)) + 1, PRIOR_FEATURES / PRIOR_SQUARE)
    weights, variance = np.zeros((len(clicks), values.shape[1])), np.zeros(len(clicks))
    if not values.size:
        return Interest(weights, ridge, variance)
    products, strengths = values.T @ values / len(values), np.broadcast_to(strength, clicks.shape)
    for _ in range(RIDGE_ROUNDS):
        certain = np.zeros_like(weights)
        for first in range(0, len(clicks), TOGETHER):
            rows = slice(first, first + TOGETHER)
            weights[rows], spread = _newton(
                values, clicks[rows], trials[rows], offset[rows], ridge[groups], strengths[rows], weights[rows]
            )
            certain[rows] = 1.0 - ridge[groups] * np.diagonal(spread, axis1=1, axis2=2)
            variance[rows] = np.einsum("gfh,fh->g", spread, products)
        for group in range(len(ridge)):
            those = groups == group
            information, square = certain[:, those].sum(), np.square(weights[:, those]).sum()
            ridge[group] = (max(information, 0.0) + PRIOR_FEATURES) / (square + PRIOR_SQUARE)
    return Interest(weights, ridge, variance)


def fit_affinity(
    affinity: Floats, clicks: Floats, trials: Floats, score: Floats, strength: Floats, start: AffinityWeight
) -> AffinityWeight:
    """The weight under which clicks [G, A] of examined impressions [G, A] are the likeliest, from near `start`.

    `score` is what else is known of each pair, on the logit scale, and `strength` the shape of its own factor, in
    expected clicks, both [G, A].
    """
    weight, curvature = start.weight, 0.0
    for _ in range(AFFINITY_ROUNDS):
        rate = expit(score + weight * affinity)
        expected = trials * rate
        damped = damping(expected, strength)
        slope = float((damped * (clicks - expected) * affinity).sum()) - weight / NO_WEIGHT.variance
        curvature = float((damped * expected * (1.0 - rate) * affinity**2).sum()) + 1.0 / NO_WEIGHT.variance
        weight += min(AFFINITY_STEP, max(-AFFINITY_STEP, slope / curvature))
    return AffinityWeight(weight, 1.0 / curvature)


def damping(expected: Floats, strength: Floats | float) -> Floats:
    """How much less a count says of what it has in common with others, for having a factor of its own.

    The factor has the shape `strength`: where many clicks show how large it is, more of
    them say nothing more of the rest (Williams 1982).
    """
    return 1.0 / (1.0 + expected / strength)


def _newton(
    values: Floats, clicks: Floats, trials: Floats, offset: Floats, ridge: Floats, strength: Floats, start: Floats
) -> tuple[Floats, Floats]:
    """The weights of some rows [R, F], and their covariances [R, F, F]."""
    weights, curvature = start.copy(), np.broadcast_to(np.diag(ridge), (len(start), len(ridge), len(ridge)))
    for _ in range(NEWTON_ROUNDS):
        rate = expit(np.clip(offset + weights @ values.T, -STEEPEST, STEEPEST))
        expected = trials * rate
        damped = damping(expected, strength)
        slope = (damped * (clicks - expected)) @ values - ridge * weights
        weighted = values.T[None] * (damped * expected * (1.0 - rate))[:, None]
        curvature = weighted @ values + np.diag(ridge)
        step = np.linalg.solve(curvature, slope[..., None])[..., 0]
        furthest = np.abs(step).max(axis=1, keepdims=True)
        weights += step * np.minimum(1.0, FURTHEST_STEP / np.maximum(furthest, 1e-12))
        if furthest.max() < CLOSE:
            break
    return weights, np.asarray(np.linalg.inv(curvature), dtype=np.float64)
