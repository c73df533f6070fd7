"""A mixture of tastes: each visitor has one of G, and each taste its own frequencies of items.

Fitted by expectation and maximisation (Dempster, Laird and Rubin 1977; for words of documents: Nigam, McCallum, Thrun
and Mitchell 2000).  What a taste says of an item is the ratio of its frequency to that among all visitors, drawn to 1,
or to what is foretold of the item, as if `PRIOR_VOTES` more votes had said so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from policy.arrays import Floats
from policy.segments.votes import Votes

PRIOR_VOTES = 4.0
ROUNDS = 40
ENOUGH = 1e-4
"""Fitting ends when the logarithm of the likelihood grows by less than this for each unit."""
STARTS, START_ROUNDS = 10, 15
"""Random starts, and how far each of them is fitted before the best one is chosen."""


@dataclass(frozen=True)
class Mixture:
    """Logarithms of shares of tastes, float64[G], and of ratios of items, float64[M, G].

    `counts` are the votes of each taste for each item, float64[M, G], and `likelihood` is the mean over units of the
    logarithm of the likelihood, against that of their items' popularity.
    """

    shares: Floats
    ratios: Floats
    counts: Floats
    likelihood: float = -np.inf

    @property
    def size(self) -> int:
        """G."""
        return len(self.shares)


def joint(mixture: Mixture, votes: Votes) -> Floats:
    """Logarithms of the chance of each taste together with a unit's items, against these' popularity, float64[N, G]."""
    sums: Floats = votes.matrix @ mixture.ratios
    return sums + mixture.shares


def chances(mixture: Mixture, votes: Votes) -> Floats:
    """The chance of each taste for each unit, float64[N, G]."""
    return _normalized(joint(mixture, votes))[0]


def _normalized(sums: Floats) -> tuple[Floats, Floats]:
    """Chances from logarithms that are known up to a constant of the row, and these constants."""
    top = sums.max(axis=1, keepdims=True)
    weights = np.exp(sums - top)
    totals = weights.sum(axis=1, keepdims=True)
    return weights / totals, (top + np.log(totals))[:, 0]


def maximized(votes: Votes, units: Floats, foretold: Floats | None = None) -> Mixture:
    """The mixture of units whose chances of tastes are `units`, float64[N, G].

    `foretold` are logarithms of ratios that items are taken to have before they are looked at, 0 by default.
    """
    counts: Floats = votes.matrix.T @ units
    expected = votes.popularity[:, None] * counts.sum(axis=0)
    before = PRIOR_VOTES if foretold is None else PRIOR_VOTES * np.exp(foretold)
    ratios = np.log((counts + before) / (expected + PRIOR_VOTES))
    ratios -= logsumexp(ratios, axis=0, b=votes.popularity[:, None])
    shares = units.sum(axis=0) + 1.0
    return Mixture(np.log(shares / shares.sum()), ratios, counts)


def fit_from(
    votes: Votes, mixture: Mixture, rounds: int = ROUNDS, foretold: Floats | None = None, enough: float = ENOUGH
) -> Mixture:
    """The mixture that a start leads to: its tastes stay in their order."""
    before = -np.inf
    for _ in range(rounds):
        units, logs = _normalized(joint(mixture, votes))
        likelihood = float(logs.mean())
        mixture = maximized(votes, units, foretold)
        if likelihood - before < enough:
            break
        before = likelihood
    return Mixture(mixture.shares, mixture.ratios, mixture.counts, likelihood)


def fit_anew(votes: Votes, size: int, rng: np.random.Generator) -> Mixture:
    """The best of some random starts, fitted to the end; the taste with most units is the first."""
    starts = (fit_from(votes, _random(votes, size, rng), START_ROUNDS) for _ in range(STARTS))
    best = fit_from(votes, max(starts, key=lambda start: start.likelihood))
    order = np.argsort(-best.shares, kind="stable")
    return Mixture(best.shares[order], best.ratios[:, order], best.counts[:, order], best.likelihood)


def _random(votes: Votes, size: int, rng: np.random.Generator) -> Mixture:
    """A start in which each taste is what some units looked at, and the units that this is likest to."""
    items = len(votes.names)
    ratios = rng.normal(0.0, 1.0, (items, size))
    return Mixture(np.full(size, -np.log(size)), ratios, np.zeros((items, size)))
