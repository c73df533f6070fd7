"""How much slots are looked at, fitted from clicks and views."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.model.examination import LEAST, examination, fit_examination
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
    curve = fit_examination(shown, clicked, examination(["a", "b", "c", "d"], {}))
    assert np.isfinite(curve).all()
    assert curve.min() >= LEAST
    assert curve.max() <= 1.0
