"""Off-policy estimators: exact where the truth can be summed, merging, refusing, and equal to other implementations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.evaluation.decisions import Decisions, compare
from policy.evaluation.estimators import ESTIMATORS, Evidence
from policy.evaluation.ratio import Ratio
from policy.evaluation.reward_model import FOLDS, expected_reward
from tests.policy.random_decisions import (
    CURVE,
    SEEDS,
    SLOTS,
    Floats,
    Ints,
    bandit_rows,
    chances,
    permutations,
    value,
    views_of,
)


@given(SEEDS)
def test_weighted_by_their_chances_all_slates_give_the_target_value_exactly(seed: int) -> None:
    """The sum over what may be shown of its chance and its weighted reward is the target's value: no noise at all."""
    random = np.random.default_rng(seed)
    logged = permutations(random, 12, 4)
    target = logged[random.integers(0, 12, 5)]
    chance, target_chance = chances(random, 12), chances(random, 5)
    found = compare(logged, chance, target, target_chance, CURVE)
    assert max(map(float, found.lacking)) == 0.0
    own = random.random((4, SLOTS))
    behind = random.random((4, 4, SLOTS))
    places = np.arange(SLOTS)

    def additive(slates: Ints) -> Floats:
        found: Floats = own[slates, places]
        return found

    def cascading(slates: Ints) -> Floats:
        before = np.concatenate([slates[:, :1], slates[:, :-1]], axis=1)
        found: Floats = own[slates, places] + behind[before, slates, places]
        return found

    def looked_at(slates: Ints) -> Floats:
        found: Floats = own[slates, 0] * CURVE
        return found

    for name, reward in (
        ("position-based", looked_at),
        ("item-position", additive),
        ("interaction", cascading),
        ("ips", cascading),
    ):
        decisions = views_of(found, np.arange(12), random, reward(logged))
        terms = ESTIMATORS[name].rule(decisions)
        assert chance @ terms.numerator == pytest.approx(target_chance @ reward(target).sum(axis=1))
        if name != "position-based":
            assert chance @ terms.weight == pytest.approx(1.0)


@given(SEEDS)
def test_a_doubly_robust_estimate_is_right_with_any_model(seed: int) -> None:
    random = np.random.default_rng(seed)
    logged, chance = permutations(random, 10, 4), chances(random, 10)
    target, target_chance = logged[:3], chances(random, 3)
    found = compare(logged, chance, target, target_chance, CURVE)
    truth, model, places = random.random((4, SLOTS)), random.random((4, SLOTS)), np.arange(SLOTS)
    base = views_of(found, np.arange(10), random, truth[logged, places])
    by_slot = target_chance @ model[target, places]
    decisions = replace(base, expected=model[logged, places], expected_target=np.tile(by_slot, (10, 1)))
    expected = target_chance @ truth[target, places].sum(axis=1)
    assert chance @ ESTIMATORS["doubly-robust"].rule(decisions).numerator == pytest.approx(expected)


@given(SEEDS)
def test_what_is_lacking_is_what_plain_sets_say(seed: int) -> None:
    random = np.random.default_rng(seed)
    logged, target = permutations(random, 4, 5), permutations(random, 6, 5)
    found = compare(logged, chances(random, 4), target, np.full(6, 1 / 6), CURVE)
    prefixes = {tuple(slate[:length]) for slate in logged.tolist() for length in range(1, SLOTS + 1)}
    items = [{slate[slot] for slate in logged.tolist()} for slot in range(SLOTS)]
    wanted = target.tolist()
    assert found.lacking.items == pytest.approx(
        np.mean([slate[slot] not in items[slot] for slate in wanted for slot in range(SLOTS)])
    )
    assert found.lacking.prefixes == pytest.approx(
        np.mean([tuple(slate[: slot + 1]) not in prefixes for slate in wanted for slot in range(SLOTS)])
    )
    shown = {item for slate in logged.tolist() for item in slate}
    looks = [(look, item) for slate in wanted for look, item in zip(CURVE, slate, strict=True)]
    assert found.lacking.anywhere == pytest.approx(
        sum(look for look, item in looks if item not in shown) / sum(look for look, _ in looks)
    )
    assert found.lacking.slates == pytest.approx(np.mean([tuple(slate) not in prefixes for slate in wanted]))


def a_log(random: np.random.Generator, views: int = 400, target: Ints | None = None) -> Decisions:
    logged = permutations(random, 6, 4)
    found = compare(logged, np.full(6, 1 / 6), logged[:2] if target is None else target, np.full(2, 0.5), CURVE)
    shown = random.integers(0, 6, views)
    base = views_of(found, shown, random, random.binomial(1, 0.1, (views, SLOTS)).astype(np.float64))
    tenth = np.full(base.reward.shape, 0.1)
    return replace(base, expected=tenth, expected_target=tenth)


@pytest.mark.parametrize("name", list(ESTIMATORS))
@given(seed=SEEDS, cut=st.integers(0, 400))
def test_evidence_of_parts_added_is_that_of_the_whole(name: str, seed: int, cut: int) -> None:
    decisions = a_log(np.random.default_rng(seed))
    parts = [decisions.only(np.arange(cut)), decisions.only(np.arange(cut, 400))]
    merged, whole = Evidence.of(name, parts[0]) + Evidence.of(name, parts[1]), Evidence.of(name, decisions)
    assert merged.ratio.sums == pytest.approx(whole.ratio.sums)
    assert merged.estimate()[1:6] == pytest.approx(whole.estimate()[1:6], nan_ok=True)


def test_a_target_that_the_log_does_not_show_is_refused_with_a_remedy() -> None:
    strange = np.array([[9, 8, 2], [9, 2, 8]])
    decisions = a_log(np.random.default_rng(1), target=strange)
    for name, estimator in ESTIMATORS.items():
        found = Evidence.of(name, decisions).estimate()
        assert found.lacking > 1 / 3 - 1e-9
        if estimator.extrapolates:
            assert found.extrapolated and not found.refused
            assert found.low <= found.value <= found.high
        else:
            assert "exploration_slates" in found.refused
            assert np.isnan(found.value)


def test_without_page_views_there_is_no_estimate() -> None:
    found = Evidence.of("ips", a_log(np.random.default_rng(1)).only(np.arange(0))).estimate()
    assert found.refused
    assert np.isnan(found.value)


def test_a_probability_of_nought_for_what_was_shown_is_an_error() -> None:
    with pytest.raises(ValueError, match="logged_prefix: expected probabilities above 0"):
        Decisions.of_actions(np.zeros(1, dtype=np.int64), *(np.zeros(1),) * 5)


def test_an_estimate_covers_as_often_as_it_says_although_few_units_buy() -> None:
    """Lognormal amounts of 1 in 50 page views, and units that come again and again."""
    random = np.random.default_rng(5)
    covered, bootstrapped = [], []
    mean = 0.02 * np.exp(3.0 + 0.5 * 0.8**2)
    for _ in range(400):
        bins = np.repeat(random.integers(0, 256, 1_500), random.integers(1, 5, 1_500))
        amounts = random.binomial(1, 0.02, len(bins)) * random.lognormal(3.0, 0.8, len(bins))
        ones = np.ones(len(bins))
        ratio = Ratio.of(bins, amounts, ones, ones)
        found, other = ratio.interval(), ratio.bootstrap(random, draws=400)
        covered.append(found.low <= mean <= found.high)
        bootstrapped.append(other.low <= mean <= other.high)
    assert 0.93 <= np.mean(covered) <= 0.975
    assert np.mean(bootstrapped) <= np.mean(covered)


def test_units_that_come_often_are_one_observation_each() -> None:
    random = np.random.default_rng(6)
    bins, clicks = random.integers(0, 256, 2_000), random.binomial(1, 0.1, 2_000).astype(np.float64)
    ones = np.ones(2_000)
    once = Ratio.of(bins, clicks, ones, ones)
    often = Ratio.of(np.tile(bins, 9), np.tile(clicks, 9), np.tile(ones, 9), np.tile(ones, 9))
    assert often.interval() == pytest.approx(once.interval())


def test_the_model_has_not_seen_the_units_that_it_judges() -> None:
    random = np.random.default_rng(7)
    impressions = np.full((FOLDS, 2, SLOTS), 1_000.0)
    reward = random.random((FOLDS, 2, SLOTS)) * 100
    examination = np.array([1.0, 0.5, 0.25])
    found = expected_reward(impressions, reward, examination)
    changed = reward.copy()
    changed[1] *= 7.0
    again = expected_reward(impressions, changed, examination)
    assert again[1] == pytest.approx(found[1])
    assert (again[0] > found[0]).all()
    assert found[:, :, 1] == pytest.approx(found[:, :, 0] * 0.5)


def test_clipped_weights_count_for_at_most_the_clip() -> None:
    _, actions, reward, logging, target, _ = bandit_rows(4)
    rows = np.arange(len(actions))
    logged, wanted = logging[rows, actions], target[rows, actions]
    decisions = Decisions.of_actions(np.zeros_like(actions), reward, logged, wanted, reward, reward)
    weights = [min(10.0, one / other) for one, other in zip(wanted, logged, strict=True)]
    assert max(weights) == 10.0
    assert value(ESTIMATORS["clipped"].rule(decisions)) == pytest.approx(np.dot(weights, reward) / len(rows))
