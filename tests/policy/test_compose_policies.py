"""What each policy shows: the baseline, greedy, uniform, upper bounds, exploration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from policy.hashes import arm_hashes
from policy.model.examination import examination
from policy.model.posteriors import Beta
from policy.rules.compiled import compile_rules
from policy.rules.matching import Arms
from policy.slates.composition import Statistics, compose
from policy.slates.sampling import click_normals
from policy.slates.scoring import POLICIES, Belief, Random, baseline
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules, PolicyChoice, PolicyName
from schemas.rules import Boost, Match, Spacing
from tests.policy.arms_page import NAMES, PRIOR, SLOTS, a_page


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
