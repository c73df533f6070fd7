"""Slates, propensities and whole compositions: laws first."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from policy.hashes import arm_hashes
from policy.model.posteriors import Beta, Prior, posterior
from policy.model.reward import ClickValue
from policy.slates.arrangement import propensities, slates
from policy.slates.composition import Statistics, compose
from policy.slates.sampling import click_normals
from policy.slates.scoring import POLICIES, Belief, Random
from schemas.messages.pages import PolicyChoice, PolicyName
from tests.policy.arms_page import LOOKED_AT, NAMES, PRIOR, SLOTS, a_page


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
