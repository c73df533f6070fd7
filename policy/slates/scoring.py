"""How arms are scored, by the name of the policy.

A score is compared within a variant and has no unit of its own.  A further
policy is a function of this shape, a name in the contract and a row in `POLICIES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainccinv, ndtr

from policy.arrays import Counts, Floats, Hashes
from policy.model.posteriors import Beta, Prior, posterior
from policy.model.reward import ClickValue
from policy.slates.sampling import CLICK_STAGES, click_draws, click_value_draws, stage_normals
from schemas.messages.pages import PolicyChoice

HOLDOUT_CLICKS = 50.0
UPPER = 1.645
"""UCB looks at this many standard normal deviations above the middle: with exploration 1, the 95 % quantile."""


class Belief(NamedTuple):
    """What is known of A arms: attractiveness, and the value of a click where that matters.

    `factor`, float64[A], is what rules multiply scores by; 0 where an arm may not be shown.
    """

    beta: Beta
    click_value: ClickValue | None = None
    factor: Floats | None = None

    @property
    def mean(self) -> Floats:
        """Expected value of a look, float64[A]."""
        means: Floats = self.beta.mean if self.click_value is None else self.beta.mean * self.click_value.mean
        return means


class Random(NamedTuple):
    """Standard normals of the stages: `click` float64[2, A, V], `sale` float64[3, A, V] where clicks have a value."""

    click: Floats
    sale: Floats | None = None


def random_of(
    page: str, segment: str, hashes: Hashes, variants: int, epoch: int, z: Floats | None, *, sales: bool
) -> Random:
    """The random numbers of these names; `z` are their `stage_normals` where the caller has kept them.

    Those of sales are made where `sales` asks for them and the caller's are without.
    """
    clicks = len(CLICK_STAGES)
    if z is None or (sales and len(z) == clicks):
        z = stage_normals(page, segment, hashes, variants, epoch, sales=sales)
    return Random(z[:clicks], z[clicks:]) if sales else Random(z[:clicks])


class Policy(Protocol):
    """Scores per arm and variant, float64[A, V], 0 or more, for a page with `slots` slots."""

    def __call__(self, belief: Belief, random: Random, choice: PolicyChoice, slots: int) -> Floats: ...


def thompson(belief: Belief, random: Random, choice: PolicyChoice, slots: int) -> Floats:
    """One draw from each arm's posterior per variant (Thompson 1933), scaled by `policy.slates.sampling.spread`."""
    drawn = click_draws(belief.beta, random.click, slots, choice.exploration)
    if belief.click_value is not None:
        assert random.sale is not None
        drawn *= click_value_draws(belief.click_value, random.sale, slots, choice.exploration)
    return drawn


def greedy(belief: Belief, random: Random, choice: PolicyChoice, slots: int) -> Floats:
    """The posterior mean, the same in every variant."""
    return _broadcast(belief.mean, random)


def ucb(belief: Belief, random: Random, choice: PolicyChoice, slots: int) -> Floats:
    """An upper quantile of the posterior, the same in every variant.

    Bayes-UCB (Kaufmann, Cappé and Garivier 2012) with a fixed level in place of one
    that grows with time: Phi(1.645 * exploration), 95 % for exploration 1.
    """
    above = float(ndtr(-UPPER * choice.exploration))
    upper: Floats = np.asarray(betainccinv(belief.beta.a, belief.beta.b, above), dtype=np.float64)
    return _broadcast(upper if belief.click_value is None else upper * belief.click_value.mean, random)


def epsilon_greedy(belief: Belief, random: Random, choice: PolicyChoice, slots: int) -> Floats:
    """The posterior mean, but each of the best `slots` arms gives way with probability epsilon to a random other.

    The best are those after the factors of rules, which scores are multiplied by later.
    """
    scores = _broadcast(belief.mean, random)
    factor = np.ones(len(scores)) if belief.factor is None else belief.factor
    value, eligible = belief.mean * factor, int((factor > 0.0).sum())
    # Ties are broken by their normals, so that the order of arms in the input does not matter.
    best = np.lexsort((random.click[0, :, 0], -value))[: min(slots, eligible)]
    gives_way = ndtr(random.click[1]) < choice.epsilon
    candidates = np.where(factor[:, None] > 0.0, random.click[0], -np.inf)
    candidates[best] = -np.inf
    for variant in range(scores.shape[1]):
        leaving = best[gives_way[best, variant]]
        coming = np.argsort(-candidates[:, variant], kind="stable")[: min(len(leaving), eligible - len(best))]
        leaving = leaving[: len(coming)]
        scores[coming, variant] = value[leaving] / factor[coming]
        scores[leaving, variant] = 0.0
    return scores


def uniform(belief: Belief, random: Random, choice: PolicyChoice, slots: int) -> Floats:
    """All arms are equal: the numbers drawn for them order them."""
    order: Floats = ndtr(random.click[0])
    return order


def log_rates(belief: Belief, random: Random, choice: PolicyChoice, slots: int) -> Floats:
    """Click rate times conversion rate, the same in every variant: the common ranking, as a policy of its own."""
    rate = belief.beta.mean
    return _broadcast(rate if belief.click_value is None else rate * belief.click_value.buying.mean, random)


POLICIES: Mapping[str, Policy] = {
    "thompson": thompson,
    "greedy": greedy,
    "uniform": uniform,
    "ucb": ucb,
    "epsilon-greedy": epsilon_greedy,
    "baseline": log_rates,
}


def _broadcast(scores: Floats, random: Random) -> Floats:
    repeated: Floats = np.repeat(scores[:, None], random.click.shape[2], axis=1)
    return repeated


def baseline(
    impressions: Counts,
    clicks: Counts,
    conversions: NDArray[np.int64] | Floats,
    examination: Floats,
    prior: Prior,
) -> Floats:
    """The holdout's score per arm, float64[A]: click rate times conversion rate, which orders as log + log does.

    All from the holdout's own counts: impressions and clicks [A, S],
    conversions [A].  Click rates are smoothed to the base rate with the prior's
    strength, conversion rates to the holdout's overall rate with
    `HOLDOUT_CLICKS` clicks.
    """
    clicked = clicks.sum(axis=1, dtype=np.float64)
    overall = (conversions.sum(dtype=np.float64) + 1.0) / (clicked.sum() + HOLDOUT_CLICKS)
    converting = (conversions + overall * HOLDOUT_CLICKS) / (clicked + HOLDOUT_CLICKS)
    clicking = posterior(impressions, clicks, examination, prior).mean
    score: Floats = clicking * converting
    return score
