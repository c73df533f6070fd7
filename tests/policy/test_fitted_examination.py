"""How much slots are looked at, fitted from clicks and views."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.arrays import Counts, Floats
from policy.model.examination import LEAST, VisibleTimes, examination, fit_examination
from tests.policy.fitted_world import SEEDS


@settings(max_examples=15)
@given(SEEDS, st.integers(2, 10))
def test_examination_is_found_again_from_many_views(seed: int, slots: int) -> None:
    rng = np.random.default_rng(seed)
    looks = np.sort(rng.uniform(0.2, 1.0, slots))[::-1]
    looks /= looks[0]
    attraction = rng.uniform(0.005, 0.05, 80)
    shown = rng.poisson(20_000, (80, slots))
    clicked = rng.binomial(shown, attraction[:, None] * looks)
    start = examination([str(n) for n in range(slots)], {})
    assert np.abs(fit_examination(shown, clicked, start) - looks).max() < 0.06


@given(st.floats(0.5, 2.0), st.integers(4, 12))
def test_few_clicks_tell_how_steep_the_curve_is(steepness: float, slots: int) -> None:
    start = examination([str(n) for n in range(slots)], {})
    looks = start**steepness
    attraction = np.linspace(0.01, 0.05, 40)
    shown = np.full((40, slots), 40.0)
    found = fit_examination(shown, shown * attraction[:, None] * looks, start)
    assert np.abs(found / looks - 1.0).max() < 0.15


@given(SEEDS)
def test_arms_that_never_change_their_slot_leave_the_curve_as_it_was(seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = examination(["a", "b", "c", "d"], {})
    shown = np.diag(rng.integers(1_000, 100_000, 4))
    clicked = rng.binomial(shown, 0.03 * start)
    assert fit_examination(shown, clicked, start) == pytest.approx(start, abs=0.12)


@pytest.mark.parametrize("slots", [0, 1, 3])
def test_without_clicks_the_curve_is_the_one_started_from(slots: int) -> None:
    start = examination([str(n) for n in range(slots)], {})
    assert fit_examination(np.zeros((0, slots)), np.zeros((0, slots)), start) == pytest.approx(start)
    assert fit_examination(np.full((2, slots), 10), np.zeros((2, slots)), start) == pytest.approx(start)


@given(SEEDS, st.sampled_from([0, 1, 1e9]))
def test_absurd_counts_give_a_curve_all_the_same(seed: int, most: float) -> None:
    rng = np.random.default_rng(seed)
    shown, clicked = rng.uniform(0, most, (3, 4)), rng.uniform(0, 2 * most, (3, 4))
    times = VisibleTimes(rng.uniform(0, most, 4) * rng.integers(0, 2, 4), rng.uniform(0, 60_000 * most, 4))
    curve = fit_examination(
        shown, clicked, examination(["a", "b", "c", "d"], {}), visible=times if rng.integers(2) else None
    )
    assert np.isfinite(curve).all()
    assert curve.min() >= LEAST
    assert curve.max() <= 1.0


SLOTS = 12
LOG = examination([str(n) for n in range(SLOTS)], {})
SHAPES = {
    "steeper": LOG**1.6,
    "flatter": LOG**0.6,
    "two rows": np.repeat([1.0, 0.7, 0.5], 4) * np.tile([1.0, 1.0, 0.35, 0.35], 3),
    "a fold": np.repeat([1.0, 0.3], [4, 8]),
}
"""Looks at twelve slots."""


def page(seed: int, looks: Floats, clicks: float) -> tuple[Counts, Counts, Floats]:
    """Impressions and about so many clicks of 40 items, better ones higher up; how good those of a slot are."""
    rng = np.random.default_rng(seed)
    attraction = np.sort(rng.beta(2, 60, 40))[::-1]
    apart = np.arange(40)[:, None] - np.arange(SLOTS) * 40 / SLOTS
    placed = np.exp(-np.square(apart / 24))
    placed /= placed.sum(axis=0)
    shown = rng.poisson(placed * clicks / (placed * attraction[:, None] * looks).sum())
    quality = attraction @ placed
    return shown, rng.binomial(shown, attraction[:, None] * looks), quality / quality.mean()


@cache
def error_without_times(name: str, seed: int, clicks: float) -> float:
    """How far off the curve is that is fitted to clicks alone: the same whatever visible times say."""
    shown, clicked, _ = page(seed, SHAPES[name], clicks)
    return float(np.log(fit_examination(shown, clicked, LOG) / SHAPES[name]).std())


def errors(clicks: float, times: Callable[[np.random.Generator, Floats, Floats], Floats]) -> tuple[float, float]:
    """How far off fitted curves are on average, without visible times and with these: deviations of logarithms."""
    found = np.zeros((len(SHAPES), 8, 2))
    for row, (name, looks) in enumerate(SHAPES.items()):
        for seed in range(8):
            shown, clicked, quality = page(seed, looks, clicks)
            mean = times(np.random.default_rng(seed), looks, quality)
            visible = VisibleTimes(np.full(SLOTS, 20_000.0), 20_000.0 * mean)
            apart = np.log(fit_examination(shown, clicked, LOG, visible=visible) / looks)
            found[row, seed] = error_without_times(name, seed, clicks), apart.std()
    without, with_times = found.mean(axis=(0, 1)).tolist()
    return without, with_times


TELLING = {
    "looks fade": lambda rng, looks, quality: -np.log(1.0 - 0.9 * looks) * 2_000,
    "looks go with time": lambda rng, looks, quality: 6_000 * looks,
    "every view lasts": lambda rng, looks, quality: 1_000 + 5_000 * looks,
    "long views": lambda rng, looks, quality: 20_000 * looks,
    "good items hold": lambda rng, looks, quality: 6_000 * looks * quality**0.5 * np.exp(rng.normal(0, 0.1, SLOTS)),
}


@pytest.mark.parametrize("times", TELLING.values(), ids=TELLING)
@pytest.mark.parametrize(("clicks", "share"), [(0, 0.95), (30, 0.92), (100, 0.85), (300, 0.75), (3_000, 0.95)])
def test_visible_times_help_most_where_clicks_are_few(clicks: float, share: float, times: Any) -> None:
    without, with_times = errors(clicks, times)
    assert with_times < share * without


IDLE = {
    "all the same": lambda rng, looks, quality: np.full(SLOTS, 5_000.0),
    "chance": lambda rng, looks, quality: 5_000 * np.exp(rng.normal(0, 0.4, SLOTS)),
    "items alone": lambda rng, looks, quality: 5_000 * quality,
}


@pytest.mark.parametrize("times", IDLE.values(), ids=IDLE)
@pytest.mark.parametrize(("clicks", "share"), [(0, 1.4), (30, 1.05), (100, 1.05), (300, 1.05), (3_000, 1.15)])
def test_visible_times_that_say_nothing_of_looks_do_little_harm(clicks: float, share: float, times: Any) -> None:
    without, with_times = errors(clicks, times)
    assert with_times < share * without


@given(SEEDS)
def test_no_visible_times_leave_the_fit_as_it_is(seed: int) -> None:
    shown, clicked, _ = page(seed, LOG, 100)
    none = VisibleTimes(np.zeros(SLOTS), np.zeros(SLOTS))
    assert fit_examination(shown, clicked, LOG, visible=none).tolist() == fit_examination(shown, clicked, LOG).tolist()


@given(SEEDS, st.integers(0, SLOTS - 1))
def test_a_slot_with_few_visible_times_keeps_its_place_in_the_curve(seed: int, slot: int) -> None:
    """And a few anywhere change little."""
    rng = np.random.default_rng(seed)
    nothing = np.zeros((1, SLOTS))
    few = VisibleTimes(np.full(SLOTS, 4.0), 4.0 * rng.uniform(1_000, 10_000, SLOTS))
    assert fit_examination(nothing, nothing, LOG, visible=few) == pytest.approx(LOG, rel=0.05)
    timed = np.where(np.arange(SLOTS) == slot, 2.0, 1e6)
    telling = -5_000 * np.log(1.0 - 0.8 * LOG)
    odd = np.where(np.arange(SLOTS) == slot, rng.uniform(1_000, 60_000), telling)
    curve = fit_examination(nothing, nothing, LOG, visible=VisibleTimes(timed, timed * odd))
    assert curve == pytest.approx(LOG, rel=0.05)
