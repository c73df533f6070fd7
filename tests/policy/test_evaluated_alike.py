"""Evaluation where items take clicks from each other: looks are those that are left."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from policy.arrays import Floats, Ints
from policy.evaluation.decisions import Decisions, compare
from policy.evaluation.estimators import ESTIMATORS
from policy.slates.alike import Alike

SLOTS, ITEMS = 4, 9
LOOKS = 1.0 / np.log2(2.0 + np.arange(SLOTS))


def slates(random: np.random.Generator, count: int) -> tuple[Ints, Floats]:
    """Slates, some of them with an empty slot, and their chances."""
    drawn = np.argsort(random.random((count, ITEMS)), axis=1)[:, :SLOTS]
    drawn[random.random(drawn.shape) < 0.1] = -1
    return drawn, random.dirichlet(np.ones(count))


def earned(random: np.random.Generator, drawn: Ints, alike: Alike) -> Floats:
    """Expected clicks of each slot, [V, S]."""
    rates = np.append(random.uniform(0.01, 0.1, ITEMS), 0.0)
    return np.asarray(rates[drawn] * LOOKS * alike.shares_of(drawn.astype(np.int32)))


@given(st.integers(0, 10_000), st.floats(0.2, 1.0))
def test_position_based_is_exact_where_items_take_clicks_from_their_like(seed: int, factor: float) -> None:
    random = np.random.default_rng(seed)
    alike = Alike(random.integers(-1, 3, ITEMS).astype(np.int32), factor)
    (logged, chance), (target, wished) = slates(random, 8), slates(random, 3)
    assume(set(target.ravel().tolist()) <= set(logged.ravel().tolist()) | {-1})
    reward, truth = earned(np.random.default_rng(1), logged, alike), earned(np.random.default_rng(1), target, alike)
    value = wished @ truth.sum(axis=1)
    nothing = np.zeros_like(reward)

    def estimate(known: Alike | None) -> float:
        chances = compare(logged, chance, target, wished, LOOKS, alike=known).at(np.arange(len(logged)))
        decisions = Decisions(np.arange(len(logged)), reward, chances, nothing, nothing)
        return float(chance @ ESTIMATORS["position-based"].rule(decisions).numerator)

    np.testing.assert_allclose(estimate(alike), value)
    if factor == 1.0:
        np.testing.assert_allclose(estimate(None), value)
