"""Laws of holding layouts back: by what they gain under the same scores, and only where counts alone moved."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.slates.renewal import SlateValue, gain, is_enough
from schemas.messages.pages import Branch, PageRules, PolicyChoice
from streams.catalog.candidates import CandidateSet
from streams.catalog.page import Key, Page
from streams.catalog.weighted_counts import WeightedCounts
from streams.fold.deltas import Traffic
from streams.layouts.compose import Composed, compose, compose_valued
from streams.layouts.hysteresis import Basis, Hysteresis, basis_of
from streams.page_settings import LayoutSettings
from streams.state.reader import KeyState
from tests.streams.layout_inputs import table

SLOTS = ("top", "left", "right")
ITEMS = tuple(f"i{number}" for number in range(8))
KEY, MARKS, NEVER = Key("home", "new"), {"events-clicks": [3]}, 2**40
GREEDY = Branch("trial", 0.25, PolicyChoice(name="greedy", variants=2))


def page(*branches: Branch) -> Page:
    rules = PageRules("home", 7, list(SLOTS), policy=PolicyChoice(variants=4), branches=list(branches))
    return Page(rules, CandidateSet(ITEMS), [5])


def state(seed: int) -> KeyState:
    return KeyState((table(0, Traffic.LEARNED, ITEMS, SLOTS, seed),), MARKS)


def composed(counts: KeyState, of: Page) -> tuple[Composed, Basis]:
    made = compose_valued("new", counts, of, LayoutSettings(), 3, WeightedCounts(of.candidates, SLOTS))
    return made, basis_of(of, made.layout, NEVER)


@given(st.integers(0, 500), st.integers(0, 500), st.booleans())
def test_the_gain_is_that_of_the_slates_over_others_under_the_scores_that_they_were_made_from(
    seed: int, other: int, branched: bool
) -> None:
    of = page(GREEDY) if branched else page()
    (new, _), (old, _) = composed(state(seed), of), composed(state(other), of)
    assert new.layout == compose("new", state(seed), of, LayoutSettings(), 3)
    rows = [slate for value in new.values for slate in value.slates.tolist()]
    assert [[ITEMS[arm] for arm in row] for row in rows] == [
        [slate[slot] for slot in SLOTS] for slate in new.layout.slates
    ]
    published = [value.slates for value in old.values]
    gained = gain(new.values, published)
    assert gained >= -1e-12, "no slates are worth more under the scores that slates were made from"
    assert gain(new.values, [value.slates for value in new.values]) == 0.0
    after, before = (
        sum(
            value.scores[arm, variant] * value.examination[slot]
            for value, slates in zip(new.values, some, strict=True)
            for variant, row in enumerate(slates.tolist())
            for slot, arm in enumerate(row)
        )
        for some in ([value.slates for value in new.values], published)
    )
    assert gained == pytest.approx((after - before) / before)


@given(st.integers(0, 200), st.integers(0, 200), st.sampled_from([0.0, 0.001, 0.01, 0.1, 1.0]))
def test_what_gains_no_more_than_the_threshold_is_held_and_a_threshold_of_nothing_holds_nothing(
    seed: int, other: int, threshold: float
) -> None:
    of, hysteresis = page(), Hysteresis(threshold)
    (old, basis), (new, _) = composed(state(other), of), composed(state(seed), of)
    assert not hysteresis.holds(KEY, new, basis, 1), "nothing is known of what renderers have"
    hysteresis.published(KEY, old, basis, 1)
    gained = gain(new.values, [value.slates for value in old.values])
    assert hysteresis.holds(KEY, new, basis, 1) == (threshold > 0.0 and gained <= threshold)


def test_nothing_is_held_where_more_than_the_counts_changed() -> None:
    of, hysteresis = page(), Hysteresis(1.0)
    made, basis = composed(state(1), of)
    hysteresis.published(KEY, made, basis, 5)
    assert hysteresis.holds(KEY, made, basis, 5)
    assert not hysteresis.holds(KEY, made, basis, 6), "another worker's layout came"
    others = [
        page(GREEDY),
        Page(of.rules, CandidateSet(ITEMS), [5]),
        Page(of.rules, of.candidates, [6], revision=1),
    ]
    for other in others:
        assert not hysteresis.holds(KEY, made, basis_of(other, made.layout, NEVER), 5)
    assert hysteresis.holds(KEY, made, basis_of(Page(of.rules, of.candidates, [9]), made.layout, NEVER), 5)
    for changed in ({"epoch": 4}, {"experiment_since": 9}, {"guard_rail": "clicks -9 %"}):
        layout = msgspec.structs.replace(made.layout, **changed)
        assert not hysteresis.holds(KEY, made, basis_of(of, layout, NEVER), 5)
    assert not hysteresis.holds(KEY, made, basis_of(of, made.layout, NEVER - 1), 5), "a campaign ends earlier"
    hysteresis.keep(lambda key: False)
    assert not hysteresis.holds(KEY, made, basis, 5)


def test_a_page_that_fell_back_to_its_baseline_is_published_as_it_is() -> None:
    of, hysteresis = page(), Hysteresis(1.0)
    made, basis = composed(state(1), of)
    hysteresis.published(KEY, made, basis, 5)
    fell = made._replace(layout=msgspec.structs.replace(made.layout, guard_rail="clicks -9 %"))
    hysteresis.published(KEY, fell, basis, 5)
    assert not hysteresis.holds(KEY, made, basis, 5)


def test_slates_with_empty_slots_and_pages_without_items_have_a_value() -> None:
    slates = np.array([[0, -1]], dtype=np.int32)
    value = SlateValue(slates, np.array([[0.5], [0.25]]), np.array([1.0, 0.5]))
    assert value.of(slates) == 0.5
    assert gain([value], [np.array([[1, -1]], dtype=np.int32)]) == 1.0
    nothing = SlateValue(np.full((1, 2), -1, dtype=np.int32), np.zeros((0, 1)), np.array([1.0, 0.5]))
    assert gain([nothing], [nothing.slates]) == np.inf


def test_growth_is_by_a_share_and_by_one_at_least() -> None:
    assert is_enough((0, 1), (1e6, 3), 0.03) and not is_enough((0, 0), (0, 0), 0.03)
    assert is_enough((30, 0), (1_000, 10), 0.03) and not is_enough((29, 0), (1_000, 10), 0.03)


def test_a_key_that_was_taken_down_leaves_nothing_behind() -> None:
    of, hysteresis = page(), Hysteresis(1.0)
    made, basis = composed(state(1), of)
    hysteresis.published(KEY, made, basis, 5)
    hysteresis.forget(KEY)
    assert not hysteresis._published and not hysteresis.holds(KEY, made, basis, 5)
