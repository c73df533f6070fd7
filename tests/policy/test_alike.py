"""Slates where items of one category take clicks from each other."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.arrays import Codes, Floats
from policy.hashes import arm_hashes
from policy.model.posteriors import Prior
from policy.rules.compiled import CompiledRules
from policy.slates.alike import Alike
from policy.slates.composition import Statistics, compose
from policy.slates.fill import fill
from policy.slates.renewal import SlateValue
from schemas.messages.pages import PolicyChoice

NAMES = ("home", "s", "1")
SEEDS = st.integers(0, 2**32 - 1)


def filled(scores: Floats, looks: Floats, alike: Alike | None) -> Codes:
    hashes = arm_hashes([str(arm) for arm in range(len(scores))])
    rules = CompiledRules.none(hashes, [str(slot) for slot in range(len(looks))])
    return fill(scores, looks, rules, NAMES, alike).slates


@given(SEEDS, st.integers(1, 60), st.sampled_from([0.5, 0.8, 1.0]))
def test_each_slot_gets_what_is_worth_most_beside_those_before(seed: int, arms: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    scores, codes = rng.uniform(0.01, 1.0, (arms, 3)), rng.integers(-1, 3, arms).astype(np.int32)
    looks = np.sort(rng.uniform(0.1, 1.0, 6))[::-1]
    for slate, own in zip(filled(scores, looks, Alike(codes, factor)), scores.T, strict=True):
        standing: list[int] = []
        for arm in slate.tolist():
            left = own * factor ** np.array([sum(codes[other] == code >= 0 for other in standing) for code in codes])
            left[standing] = -1.0
            assert arm == (int(left.argmax()) if len(standing) < arms else -1)
            standing += [arm] if arm >= 0 else []


@given(SEEDS)
def test_without_a_factor_slates_are_as_they_were(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, looks = rng.uniform(size=(30, 4)), rng.uniform(0.1, 1.0, 5)
    codes = rng.integers(-1, 4, 30).astype(np.int32)
    assert np.array_equal(filled(scores, looks, Alike(codes, 1.0)), filled(scores, looks, None))


@given(SEEDS, st.floats(0.3, 0.95))
def test_slates_are_worth_nearly_as_much_as_the_best(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    scores, codes = rng.uniform(0.01, 0.05, (6, 1)), rng.integers(0, 2, 6).astype(np.int32)
    looks = np.array([1.0, 0.7, 0.5])
    alike = Alike(codes, factor)
    value = SlateValue(filled(scores, looks, alike), scores, looks, alike)
    best = max(value.of(np.array([slate], dtype=np.int32)) for slate in permutations(range(6), 3))
    assert value.of(value.slates) > 0.9 * best


def test_an_arm_below_two_of_its_category_is_worth_the_factor_twice() -> None:
    alike = Alike(np.array([0, 0, 0, -1], dtype=np.int32), 0.5)
    value = SlateValue(np.array([[0, 1, 3, 2]], dtype=np.int32), np.ones((4, 1)), np.ones(4), alike)
    assert value.of(value.slates) == 1.0 + 0.5 + 1.0 + 0.25


@pytest.mark.parametrize("explored", [0, 2])
def test_policies_that_do_not_go_by_worth_are_spared(explored: int) -> None:
    items, slots = [f"i{arm}" for arm in range(20)], ["a", "b", "c"]
    statistics = Statistics.empty(items, slots, np.array([1.0, 0.8, 0.6]), Prior(0.02, 50.0))
    alike = Alike(np.zeros(20, dtype=np.int32), 0.1)
    lowered = Statistics.empty(items, slots, statistics.examination, statistics.prior, alike)
    uniform = PolicyChoice("uniform", variants=4)
    assert compose(lowered, uniform, *NAMES[:2], 1) == compose(statistics, uniform, *NAMES[:2], 1)
    if explored:
        thompson = PolicyChoice("thompson", variants=4, exploration_slates=explored)
        ours, before = (compose(each, thompson, *NAMES[:2], 1).slates for each in (lowered, statistics))
        assert ours[-explored:] == before[-explored:]
    assert compose(lowered, uniform, *NAMES[:2], 1).baseline == compose(statistics, uniform, *NAMES[:2], 1).baseline
