"""How far counts stray from what is expected of them: the strength of a prior, fitted from the data.

A count with expectation m and a factor of its own, Gamma distributed around 1
with shape k, is negative binomial with variance m + m²/k.  The shape is the
prior's weight in expected clicks (empirical Bayes; Robbins 1956).
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from policy.arrays import Floats

DEFAULT = 4.0
DOUBT = 1.0
"""Without data the shape is about this value, give or take a factor e to the power of this."""
LEAST = 0.2
_SHAPES = np.exp(np.linspace(np.log(0.3), np.log(400.0), 40))


def fit_strength(clicks: Floats, expected: Floats, besides: Floats | float = 0.0, default: float = DEFAULT) -> float:
    """The shape k from counts and their expectations, of any equal shape.

    `besides` is the relative variance of the expectations themselves, which is not
    the counts' own: added where they were made from other data, below 0 where they
    were fitted to just these counts, which then stray less than they would elsewhere.
    The answer is the mean of log k under the likelihood of the negative binomial
    distribution and a normal prior of log k around `default`: it moves little while
    data are few.
    """
    positive = expected > 0.0
    c, m = clicks[positive].ravel(), expected[positive].ravel()
    extra = np.broadcast_to(besides, expected.shape)[positive].ravel() if np.ndim(besides) else np.array([besides])
    score = -0.5 * np.square((np.log(_SHAPES) - np.log(default)) / DOUBT)
    if c.size:
        k = 1.0 / np.maximum(1.0 / _SHAPES[:, None] + extra, LEAST / _SHAPES[:, None])
        score = score + (k * np.log(k) - (k + c) * np.log(k + m)).sum(axis=1)
        # Most counts are 0, and say nothing more.
        some = c > 0.0
        k, c = np.broadcast_to(k, (len(_SHAPES), c.size))[:, some], c[some]
        score = score + (gammaln(k + c) - gammaln(k)).sum(axis=1)
    weight = np.exp(score - score.max())
    return float(np.exp((weight * np.log(_SHAPES)).sum() / weight.sum()))
