"""Random slates, their chances, and page views that were shown them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from policy.evaluation.decisions import Comparison, Decisions
from policy.evaluation.estimators import Terms
from policy.evaluation.ratio import Ratio

Floats = NDArray[np.float64]

Ints = NDArray[np.int64]

SLOTS = 3

CURVE = np.array([1.0, 0.5, 0.4])

SEEDS = st.integers(0, 2**32 - 1)


def permutations(random: np.random.Generator, slates: int, items: int) -> Ints:
    return np.stack([random.permutation(items)[:SLOTS] for _ in range(slates)]).astype(np.int64)


def chances(random: np.random.Generator, slates: int) -> Floats:
    found: Floats = random.dirichlet(np.ones(slates))
    return found


def views_of(comparison: Comparison, shown: Ints, random: np.random.Generator, reward: Floats) -> Decisions:
    """Page views that were shown the slates `shown`."""
    unknown = np.full(reward.shape, np.nan)
    return Decisions(random.integers(0, 256, len(shown)), reward, comparison.at(shown), unknown, unknown)


def bandit_rows(seed: int) -> tuple[Ints, Ints, Floats, Floats, Floats, Floats]:
    """Bins, actions, rewards, logging and target distributions, and a model: N rows, 5 actions."""
    random = np.random.default_rng(seed)
    logging, target = random.dirichlet(np.ones(5), 700), random.dirichlet(np.ones(5), 700)
    actions = (logging.cumsum(axis=1) > random.random(700)[:, None]).argmax(axis=1)
    rewards = random.binomial(1, 0.2, 700).astype(np.float64)
    return random.integers(0, 256, 700), actions, rewards, logging, target, random.random((700, 5))


def value(terms: Terms) -> float:
    return Ratio.of(np.zeros(len(terms.numerator), dtype=np.int64), *terms).value
