"""Clusters of items: what they hold, the weights that rest on them, and what these are right for."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from policy.evaluation import clusters
from policy.evaluation.clusters import UNSUPPORTED, alone, cluster_chances, ladder_of
from policy.evaluation.decisions import Comparison, compare
from policy.evaluation.estimators import ESTIMATORS, Evidence
from tests.policy.random_decisions import CURVE, SEEDS, SLOTS, Floats, Ints, chances, permutations, views_of

PLACES = np.arange(SLOTS)


def corrected(
    found: Comparison, random: np.random.Generator, reward: Floats, model: Floats, of_target: Floats
) -> Floats:
    """What each slate adds by `cluster-corrected`, with a model's word on it and on the target."""
    base = views_of(found, np.arange(len(reward)), random, reward)
    decisions = replace(base, expected=model, expected_target=np.tile(of_target, (len(reward), 1)))
    return ESTIMATORS["cluster-corrected"].rule(decisions).numerator


@given(SEEDS)
def test_with_each_item_alone_it_is_doubly_robust_and_without_a_model_it_is_by_item_and_position(seed: int) -> None:
    random = np.random.default_rng(seed)
    logged = permutations(random, 8, 4)
    found = compare(logged, chances(random, 8), logged[:3], chances(random, 3), CURVE, ladder=alone(4))
    reward, nothing = random.random(logged.shape), np.zeros(logged.shape)
    base = views_of(found, np.arange(8), random, reward)
    for rule, model in (
        ("item-position", replace(base, expected=nothing, expected_target=nothing)),
        ("doubly-robust", replace(base, expected=random.random(logged.shape), expected_target=nothing + 0.3)),
    ):
        own, other = ESTIMATORS["cluster-corrected"].rule(model), ESTIMATORS[rule].rule(model)
        assert np.stack(own) == pytest.approx(np.stack(other))
    assert found.lacking.clusters == pytest.approx(found.lacking.items)


@given(SEEDS)
def test_it_is_exact_where_a_model_is_right_within_clusters_whatever_the_clusters_earn(seed: int) -> None:
    """The log never shows items that the target shows, but others of their clusters."""
    random = np.random.default_rng(seed)
    logged, target = permutations(random, 12, 4), 4 + permutations(random, 5, 4)
    chance, target_chance = chances(random, 12), chances(random, 5)
    pairs = np.append(np.tile(np.arange(4), 2), 8)
    found = compare(logged, chance, target, target_chance, CURVE, ladder=np.stack([np.arange(9), pairs]))
    assert found.lacking.items == pytest.approx(1.0)
    assume(found.lacking.clusters == 0.0)
    model, cluster = random.random((8, SLOTS)), random.random((4, SLOTS))
    truth = model + np.tile(cluster, (2, 1))
    by_slot = target_chance @ model[target, PLACES]
    added = corrected(found, random, truth[logged, PLACES], model[logged, PLACES], by_slot)
    assert chance @ added == pytest.approx(target_chance @ truth[target, PLACES].sum(axis=1))


def plain_chances(logged: Ints, chance: Floats, target: Ints, weights: Floats, ladder: Ints) -> list[tuple[Any, ...]]:
    """Slot by slot: chances that it shows the cluster, how many clusters there are, and what is lacking."""
    slots = []
    for slot in range(logged.shape[1]):
        for level in ladder:
            own, other = level[logged[:, slot]], level[target[:, slot]]
            lacking = sum(weight for code, weight in zip(other, weights, strict=True) if code not in own)
            if lacking <= UNSUPPORTED:
                break
        by = [
            np.array([weight[codes == code].sum() for code in own])
            for codes, weight in ((own, chance), (other, weights))
        ]
        slots.append((*by, np.float64(len(set(level[:-1]))), np.float64(lacking)))
    return slots


@given(SEEDS, st.integers(1, 6), st.integers(3, 12))
def test_a_slot_goes_by_the_finest_clusters_that_the_log_supports(seed: int, slates: int, items: int) -> None:
    random = np.random.default_rng(seed)
    logged, target = permutations(random, slates, items), permutations(random, 4, items)
    logged[random.random(logged.shape) < 0.1] = target[random.random(target.shape) < 0.1] = -1
    ladder = ladder_of(random.normal(size=(items, 3)), [""] * items)
    chance, weights = chances(random, slates), chances(random, 4)
    found = cluster_chances(logged, chance, target, weights, ladder)
    for slot, (own, other, number, lacking) in enumerate(plain_chances(logged, chance, target, weights, ladder)):
        assert found.logged[:, slot] == pytest.approx(own)
        assert found.target[:, slot] == pytest.approx(other)
        assert (found.number[slot], found.lacking[slot]) == pytest.approx((number, lacking))


def test_a_target_whose_clusters_the_log_does_not_show_is_refused_with_a_remedy() -> None:
    random = np.random.default_rng(1)
    logged, target = permutations(random, 6, 4), 4 + permutations(random, 2, 4)
    even = np.full(6, 1 / 6), target, np.full(2, 0.5)
    found = compare(logged, *even, CURVE, ladder=np.stack([np.arange(9), np.array([0, 0, 1, 1, 2, 2, 3, 3, 8])]))
    shown = random.integers(0, 6, 400)
    decisions = views_of(found, shown, random, random.binomial(1, 0.1, (400, SLOTS)).astype(np.float64))
    estimate = Evidence.of("cluster-corrected", decisions).estimate()
    assert estimate.lacking == pytest.approx(1.0)
    assert "of what the policy would show (clusters of items in slots; at most 1% may lack)" in estimate.refused


def nested(ladder: Ints) -> bool:
    """Whether items that are together stay so."""
    return all(
        len({(one, other) for one, other in zip(fine, coarse, strict=True)}) == len(set(fine))
        for fine, coarse in pairwise(ladder)
    )


@given(SEEDS, st.integers(0, 40), st.floats(0.0, 1.0))
def test_levels_of_a_ladder_are_nested_and_what_has_no_vector_stays_alone(seed: int, items: int, lost: float) -> None:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(items, 4))
    without = random.random(items) < lost
    vectors[without] = np.nan
    ladder = ladder_of(vectors, [""] * items)
    assert ladder[0].tolist() == list(range(items + 1))
    assert (ladder[:, -1] == items).all()
    assert nested(ladder)
    for level in ladder[:, :-1]:
        assert set(level) == set(range(len(set(level))))
        assert all((level == level[item]).sum() == 1 for item in np.flatnonzero(without))


def test_what_is_alike_is_together_and_without_vectors_it_is_the_category() -> None:
    random = np.random.default_rng(2)
    topics = random.integers(0, 4, 40)
    vectors = np.eye(4)[topics] + random.normal(0.0, 0.01, (40, 4))
    together = topics[:, None] == topics
    assert any(((level[:, None] == level) == together).all() for level in ladder_of(vectors, [""] * 40)[:, :-1])
    for nothing in (np.full((3, 2), np.nan), np.empty((3, 0))):
        assert ladder_of(nothing, ["shoes", "", "shoes"]).tolist() == [[0, 1, 2, 3], [0, 1, 0, 3]]
        assert ladder_of(nothing, ["", "", ""]).tolist() == [[0, 1, 2, 3]]


def test_many_items_are_brought_into_groups_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "MOST_JOINED", 50)
    random = np.random.default_rng(3)
    vectors = random.normal(size=(200, 3))
    vectors[:100] = vectors[100:]
    ladder = ladder_of(vectors, [""] * 200)
    assert nested(ladder)
    assert (ladder[1:, :100] == ladder[1:, 100:200]).all()
    assert ladder[1, :-1].max() < 50
    assert (ladder == ladder_of(vectors, [""] * 200)).all()
