"""Slates, propensities and whole compositions: laws first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from policy.hashes import arm_hashes
from policy.model.examination import examination
from policy.model.posteriors import Beta, Prior, posterior
from policy.model.reward import ClickValue
from policy.rules.compiled import compile_rules
from policy.rules.matching import Arms
from policy.slates.arrangement import propensities, slates
from policy.slates.composition import Statistics, compose
from policy.slates.sampling import click_normals
from policy.slates.scoring import POLICIES, Belief, Random, baseline
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules, PolicyChoice, PolicyName
from schemas.rules import Boost, Match, Spacing

PRIOR = Prior(0.02, 50.0)
SLOTS = ["top", "left", "right", "foot"]
LOOKED_AT = examination(SLOTS, {"right": 0.9})
NAMES: list[PolicyName] = ["thompson", "greedy", "uniform", "ucb", "epsilon-greedy", "baseline"]


def a_page(arms: int, seed: int = 0, slots: list[str] = SLOTS) -> Statistics:
    random = np.random.default_rng(seed)
    impressions = random.integers(0, 500, (arms, len(slots)))
    clicks = random.binomial(impressions, random.beta(2, 60, (arms, 1)))
    items = [f"item-{number}" for number in range(arms)]
    return replace(
        Statistics.empty(items, slots, examination(slots, {}), PRIOR),
        impressions=impressions,
        clicks=clicks,
        holdout_impressions=impressions // 7,
        holdout_clicks=clicks // 7,
        holdout_conversions=clicks.sum(axis=1) // 20,
    )


def reordered(page: Statistics, order: list[int]) -> Statistics:
    return replace(
        page,
        items=[page.items[row] for row in order],
        hashes=page.hashes[order],
        impressions=page.impressions[order],
        clicks=page.clicks[order],
        holdout_impressions=page.holdout_impressions[order],
        holdout_clicks=page.holdout_clicks[order],
        holdout_conversions=page.holdout_conversions[order],
    )


FEW_VALUES = st.sampled_from([0.0, -0.0, 0.25, 1.0, np.inf, -np.inf, np.nan])
SCORES = st.tuples(st.integers(0, 9), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=FEW_VALUES)
)


def by_sorting(scores: NDArray[np.float64], hashes: NDArray[np.uint64]) -> list[list[int]]:
    """Slates for `LOOKED_AT`, one variant at a time with Python's sort."""
    found = []
    for column in scores.T:
        usable = [arm for arm in range(len(column)) if column[arm] > -np.inf]
        best = sorted(usable, key=lambda arm: (-column[arm], hashes[arm]))[: len(SLOTS)]
        slots = sorted(range(len(SLOTS)), key=lambda slot: -LOOKED_AT[slot])
        found.append([dict(zip(slots, best, strict=False)).get(slot, -1) for slot in range(len(SLOTS))])
    return found


@given(SCORES)
def test_slates_are_what_plain_sorting_gives(scores: NDArray[np.float64]) -> None:
    hashes = arm_hashes([str(arm) for arm in range(len(scores))])
    assert slates(scores, LOOKED_AT, hashes).tolist() == by_sorting(scores, hashes)


@given(SCORES)
def test_propensities_are_shares_that_add_up_in_filled_slots(scores: NDArray[np.float64]) -> None:
    filled = slates(scores, LOOKED_AT, arm_hashes([str(arm) for arm in range(len(scores))]))
    for column, shares in zip(filled.T.tolist(), propensities(filled), strict=True):
        assert shares == {arm: column.count(arm) / len(column) for arm in set(column) - {-1}}
        if -1 not in column:
            assert sum(shares.values()) == pytest.approx(1.0)


@given(
    st.sampled_from(NAMES),
    st.integers(0, 12),
    st.integers(1, 20),
    st.integers(0, 99),
    st.randoms(use_true_random=False),
)
def test_a_composition_does_not_depend_on_the_order_of_items(
    name: PolicyName, arms: int, variants: int, seed: int, random: object
) -> None:
    page, choice = a_page(arms, seed), PolicyChoice(name=name, variants=variants)
    order = list(range(arms))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert compose(reordered(page, order), choice, "home", "*", 1) == compose(page, choice, "home", "*", 1)


@given(st.sampled_from(NAMES), st.integers(0, 12), st.integers(1, 20), st.floats(0, 10))
def test_every_slate_is_as_full_as_it_can_be_and_has_no_item_twice(
    name: PolicyName, arms: int, variants: int, exploration: float
) -> None:
    choice = PolicyChoice(name=name, variants=variants, exploration=exploration)
    found = compose(a_page(arms), choice, "home", "*", 1)
    assert len(found.slates) == variants
    for slate in (found.baseline, *found.slates):
        assert set(slate) == set(SLOTS[: min(arms, 4)])
        assert len(set(slate.values())) == len(slate)
    assert set(found.propensities) == set(SLOTS[: min(arms, 4)])
    for slot, shares in found.propensities.items():
        assert sum(shares.values()) == pytest.approx(1.0)
        for item, share in shares.items():
            assert share == sum(slate.get(slot) == item for slate in found.slates) / variants


@given(st.sampled_from(NAMES), arrays(np.bool_, 9))
def test_an_item_that_is_not_eligible_is_as_if_it_were_not_there(name: PolicyName, eligible: NDArray[np.bool_]) -> None:
    page, choice = a_page(9), PolicyChoice(name=name)
    found = compose(page.only(eligible), choice, "home", "*", 1)
    shown = {item for slate in (found.baseline, *found.slates) for item in slate.values()}
    assert shown <= {item for item, kept in zip(page.items, eligible, strict=True) if kept}
    assert len(shown) >= min(4, eligible.sum())


def test_the_contract_and_the_table_name_the_same_policies() -> None:
    named = get_type_hints(PolicyChoice, include_extras=False)["name"]
    assert set(get_args(named)) == set(POLICIES) == set(NAMES)


def test_the_best_item_is_in_the_slot_most_looked_at() -> None:
    page = replace(a_page(4), examination=np.array([0.2, 0.9, 0.5, 0.1]), impressions=np.full((4, 4), 100_000))
    clicks = np.zeros((4, 4), dtype=np.int64)
    clicks[:, 0] = [300, 100, 4_000, 1_000]
    found = compose(replace(page, clicks=clicks), PolicyChoice(name="thompson"), "home", "*", 1)
    expected = {"left": "item-2", "right": "item-3", "top": "item-0", "foot": "item-1"}
    assert found.slates == [expected] * 16
    assert found.propensities == {slot: {item: 1.0} for slot, item in expected.items()}


def test_unseen_items_are_all_tried() -> None:
    page = Statistics.empty([f"item-{number}" for number in range(12)], SLOTS, LOOKED_AT, PRIOR)
    found = compose(page, PolicyChoice(), "home", "*", 1)
    assert {item for slate in found.slates for item in slate.values()} == set(page.items)
    assert len({tuple(slate.items()) for slate in found.slates}) == 16


def test_greedy_shows_one_slate_and_no_exploration_the_middle_of_each_posterior() -> None:
    page = a_page(9, seed=3)
    for choice in (PolicyChoice(name="greedy"), PolicyChoice(name="thompson", exploration=0.0)):
        found = compose(page, choice, "home", "*", 1)
        assert all(slate == found.slates[0] for slate in found.slates)


def test_uniform_gives_every_item_every_slot_equally_often() -> None:
    found = compose(a_page(4), PolicyChoice(name="uniform", variants=256), "home", "*", 1)
    shares = [share for items in found.propensities.values() for share in items.values()]
    assert len(shares) == 16
    assert min(shares) > 0.15
    assert max(shares) < 0.35


def test_slates_rotate_with_the_epoch() -> None:
    page = a_page(12)
    assert compose(page, PolicyChoice(), "home", "*", 1) != compose(page, PolicyChoice(), "home", "*", 2)


def test_a_click_more_changes_few_variants() -> None:
    page, choice = a_page(12), PolicyChoice(variants=256)
    before = compose(page, choice, "home", "*", 1).slates
    changed = []
    for arm in range(12):
        clicks = page.clicks.copy()
        clicks[arm, 0] += 1
        after = compose(replace(page, clicks=clicks), choice, "home", "*", 1).slates
        changed.append(sum(old != new for old, new in zip(before, after, strict=True)))
    assert 0 < max(changed) < 128


@given(st.integers(2, 50))
def test_scaling_all_scores_changes_no_slate(scale: int) -> None:
    page = a_page(6)
    beta = posterior(page.impressions, page.clicks, page.examination, PRIOR)
    z = click_normals("home", "*", page.hashes, 8, 1)
    for name in ("greedy", "uniform"):
        scores = POLICIES[name](Belief(beta), Random(z), PolicyChoice(), len(page.slots))
        assert (slates(scores * scale, LOOKED_AT, page.hashes) == slates(scores, LOOKED_AT, page.hashes)).all()


@given(st.integers(0, 5), st.integers(1, 50))
def test_the_baseline_ranks_an_item_higher_for_clicks_and_for_conversions(arm: int, more: int) -> None:
    page = a_page(6)
    added = np.zeros(6, dtype=np.int64)
    added[arm] = more

    def rank(clicks: NDArray[Any], conversions: NDArray[Any]) -> int:
        score = baseline(page.holdout_impressions, clicks, conversions, page.examination, PRIOR)
        return int((score > score[arm]).sum())

    plain = rank(page.holdout_clicks, page.holdout_conversions)
    assert rank(page.holdout_clicks, page.holdout_conversions + added) <= plain


def test_the_baseline_looks_at_the_holdout_alone() -> None:
    page = a_page(9)
    other = replace(page, impressions=page.impressions * 3, clicks=page.clicks[::-1] * 2)
    choice = PolicyChoice()
    assert compose(other, choice, "home", "*", 1).baseline == compose(page, choice, "home", "*", 1).baseline


def test_the_baseline_is_smoothed_rates() -> None:
    impressions, clicks = np.array([[200], [100]]), np.array([[10], [4]])
    score = baseline(impressions, clicks, np.array([3, 0]), np.array([1.0]), PRIOR)
    overall = 4 / 64
    expected = [
        11 / 250 * (3 + 50 * overall) / 60,
        5 / 150 * 50 * overall / 54,
    ]
    assert score == pytest.approx(expected)


def test_extreme_counts_still_give_full_slates() -> None:
    page = a_page(5)
    extreme = np.array([[0] * 4, [10**9] * 4, [10**9, 0, 0, 0], [1] * 4, [0] * 4])
    for impressions, clicks in ((extreme, extreme), (extreme * 0, extreme), (extreme, extreme * 0)):
        counted = replace(
            page,
            impressions=impressions,
            clicks=clicks,
            holdout_impressions=impressions,
            holdout_clicks=clicks,
            holdout_conversions=clicks.sum(axis=1),
        )
        for name in NAMES:
            found = compose(counted, PolicyChoice(name=name), "home", "*", 1)
            assert all(len(slate) == 4 for slate in (found.baseline, *found.slates))


def test_arrays_that_do_not_fit_are_refused() -> None:
    page = a_page(3)
    with pytest.raises(ValueError, match=r"clicks: expected shape \(3, 4\), got \(2, 4\)"):
        replace(page, clicks=page.clicks[:2])
    with pytest.raises(ValueError, match="items: expected each once, got 1 repeated"):
        replace(page, items=["a", "b", "a"])


def test_ucb_prefers_what_is_less_known_among_equal_means() -> None:
    beta = Beta(np.array([2.0, 200.0]), np.array([98.0, 9_800.0]))
    z = click_normals("home", "*", arm_hashes(["a", "b"]), 4, 1)
    scores = POLICIES["ucb"](Belief(beta), Random(z), PolicyChoice(), 1)
    assert (scores[0] > scores[1]).all()
    assert POLICIES["ucb"](Belief(beta), Random(z), PolicyChoice(exploration=0.0), 1)[0, 0] < beta.mean[0] * 1.01
    furthest = POLICIES["ucb"](Belief(beta), Random(z), PolicyChoice(exploration=10.0), 1)
    assert (furthest[0] > furthest[1]).all() and furthest.max() < 1.0


@given(st.floats(0, 1), st.integers(1, 30))
def test_epsilon_is_the_share_of_slots_that_are_not_the_best(epsilon: float, arms: int) -> None:
    page = a_page(arms)
    greedy = compose(page, PolicyChoice(name="greedy", variants=1), "home", "*", 1).slates[0]
    found = compose(page, PolicyChoice(name="epsilon-greedy", variants=256, epsilon=epsilon), "home", "*", 1)
    changed = np.mean([slate[slot] != item for slate in found.slates for slot, item in greedy.items()])
    if arms >= 8:
        assert changed == pytest.approx(epsilon, abs=0.08)
    assert all(set(slate) == set(greedy) for slate in found.slates)


@pytest.mark.parametrize("factor", [0.0, 0.3, 20.0])
def test_epsilon_is_of_the_slots_as_rules_have_them(factor: float) -> None:
    page = a_page(60)
    catalog = {name: CatalogItem(name, name) for name in page.items}
    best = np.argsort(-page.posterior().mean)
    those = [page.items[arm] for arm in (best[8:12] if factor > 1.0 else best[:12])]
    rules = PageRules("home", 1, SLOTS, rules=[Boost(name="b", match=Match(items=those), factor=factor)])
    compiled = compile_rules(rules, Arms.by_hash(page.items, page.hashes, catalog, 1), "*")

    def made(choice: PolicyChoice) -> list[dict[str, str]]:
        return compose(page, choice, "home", "*", 1, rules=compiled).slates

    greedy = made(PolicyChoice(name="greedy", variants=1))[0]
    for epsilon in (0.5, 1.0):
        slates = made(PolicyChoice(name="epsilon-greedy", variants=256, epsilon=epsilon))
        changed = np.mean([slate[slot] != item for slate in slates for slot, item in greedy.items()])
        assert changed == pytest.approx(epsilon, abs=0.08)


def test_a_rule_that_the_baseline_breaks_is_told() -> None:
    page = replace(
        Statistics.empty(["a1", "a2", "b1"], SLOTS[:3], examination(SLOTS[:3], {}), PRIOR),
        impressions=np.full((3, 3), 1_000),
        clicks=np.array([[90, 90, 90], [80, 80, 80], [1, 1, 1]]),
        holdout_impressions=np.full((3, 3), 1_000),
        holdout_clicks=np.array([[1, 1, 1], [1, 1, 1], [90, 90, 90]]),
    )
    catalog = {name: CatalogItem(name, name, brand=name[0]) for name in page.items}
    rules = PageRules("home", 1, SLOTS[:3], rules=[Spacing(name="mixed", by="brand", distance=2)])
    compiled = compile_rules(rules, Arms.by_hash(page.items, page.hashes, catalog, 1), "*")
    found = compose(page, PolicyChoice(name="greedy"), "home", "*", 1, rules=compiled)
    assert set(found.slates[0].values()) == set(page.items)
    assert found.relaxed == ["spacing mixed: not in the baseline"]


def test_exploration_slates_are_uniform_and_count_in_the_propensities() -> None:
    page = a_page(5)
    choice = PolicyChoice(name="greedy", variants=1, exploration_slates=128)
    found = compose(page, choice, "home", "*", 1)
    assert len(found.slates) == 129
    assert found.slates[0] == compose(page, PolicyChoice(name="greedy", variants=1), "home", "*", 1).slates[0]
    shares = [found.propensities["top"].get(item, 0.0) for item in page.items]
    assert min(shares) > 0.1


@given(st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_a_shadow_is_what_that_policy_would_serve_and_changes_nothing(name: PolicyName, shadow: PolicyName) -> None:
    page = a_page(7)
    alone = compose(page, PolicyChoice(name=name), "home", "*", 1)
    watched = compose(page, PolicyChoice(name=name, shadow=shadow), "home", "*", 1)
    assert watched.shadow == compose(page, PolicyChoice(name=shadow), "home", "*", 1).slates
    assert replace(watched, shadow=[]) == alone


def test_what_a_click_is_worth_decides_among_equals() -> None:
    page = a_page(4)
    alike = replace(page, impressions=np.full((4, 4), 9_000), clicks=np.full((4, 4), 300))
    paid = ClickValue(
        Beta(np.full(4, 50.0), np.full(4, 950.0)), np.array([1.0, 9.0, 1.0, 1.0]), np.zeros(4), 0.0, np.ones(4)
    )
    for name in ("thompson", "greedy", "ucb"):
        found = compose(replace(alike, click_value=paid), PolicyChoice(name=name), "home", "*", 1)
        assert {slate["top"] for slate in found.slates} == {page.items[1]}


def test_each_arm_may_have_a_prior_of_its_own() -> None:
    empty = Statistics.empty([f"item-{n}" for n in range(3)], SLOTS, LOOKED_AT, PRIOR)
    page = replace(empty, prior=Prior(np.array([0.01, 0.2, 0.01]), np.full(3, 1_000.0)))
    assert compose(page, PolicyChoice(), "home", "*", 1).slates[0]["top"] == page.items[1]
    eligible = np.array([False, True, True])
    assert compose(page.only(eligible), PolicyChoice(), "home", "*", 1).slates[0]["top"] == page.items[1]
