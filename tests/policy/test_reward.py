"""What a click is worth: laws of its stages, and the delays of purchases from counts that were cut off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.hashes import arm_hashes
from policy.model.reward import SECOND_MS, Sold, click_value, delay_curve, fit_sales, matured
from policy.slates.sampling import click_value_draws, sale_normals
from schemas.messages.parameters import Sales

USUAL = Sales(conversion_rate=0.05, strength=40.0, amount=5_000.0, deviation=2_000.0)
NONE = np.zeros(1)


def sold(lines: float = 0.0, amount: float = 0.0, clicks: float = 0.0, squares: float | None = None) -> Sold:
    total = lines * amount
    return Sold(
        np.array([lines]),
        np.array([total]),
        np.array([total * amount if squares is None else squares]),
        np.array([clicks]),
    )


def test_without_purchases_a_click_is_worth_what_is_usual() -> None:
    found = click_value(sold(), USUAL, 2.0, np.ones(1))
    assert found.mean == pytest.approx([2.0 + 0.05 * 5_000.0])


@given(st.floats(0, 500), st.floats(0, 5_000), st.floats(0, 1e6))
def test_a_worth_is_finite_and_not_below_a_clicks_own(lines: float, clicks: float, amount: float) -> None:
    found = click_value(sold(lines, amount, clicks), USUAL, 3.0, np.ones(1))
    z = sale_normals("home", "s", arm_hashes(["a"]), 8, 1)
    for values in (found.mean, click_value_draws(found, z, 1, 10.0)):
        assert np.isfinite(values).all()
        assert (values >= 3.0).all()


def test_one_large_order_does_not_rule() -> None:
    large = click_value(sold(1.0, 1_000_000.0, 40.0), USUAL, 0.0, np.ones(1))
    assert large.amount[0] < 0.3 * 1_000_000
    assert large.error[0] > 50 * click_value(sold(100.0, 5_000.0, 2_000.0), USUAL, 0.0, np.ones(1)).error[0]


def test_many_purchases_speak_for_themselves() -> None:
    found = click_value(sold(10_000.0, 800.0, 100_000.0), USUAL, 0.0, np.array([0.5]))
    assert found.mean == pytest.approx([0.1 * 800.0 * 0.5], rel=0.01)
    z = sale_normals("home", "s", arm_hashes(["a"]), 64, 1)
    assert click_value_draws(found, z, 1, 10.0) == pytest.approx(np.full((1, 64), 40.0), rel=0.1)


def test_squared_amounts_are_the_spread_of_lines() -> None:
    rng = np.random.default_rng(1)
    amounts = rng.normal(5_000.0, 1_500.0, 900)
    found = click_value(
        Sold(np.array([900.0]), np.array([amounts.sum()]), np.array([np.square(amounts).sum()]), np.array([9_000.0])),
        USUAL,
        0.0,
        np.ones(1),
    )
    assert found.error == pytest.approx([1_500.0 / 30.0], rel=0.1)


def test_clicks_that_cannot_have_been_followed_yet_are_not_failures() -> None:
    young, old = (click_value(sold(0.0, 0.0, clicks), USUAL, 0.0, np.ones(1)).mean[0] for clicks in (0.0, 500.0))
    assert young > 5 * old


@given(st.integers(0, 2**32 - 1))
def test_delays_are_found_again_although_young_clicks_show_the_short_ones_only(seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = SECOND_MS * np.exp2(np.arange(20))
    ages = np.sort(rng.uniform(2 * SECOND_MS, 4 * edges[-1], 30))
    ages[-5:] = 4 * edges[-1]
    counts = np.zeros((30, 20))
    for row, age in enumerate(ages):
        delays = rng.exponential(edges[14], 4_000)
        seen = delays[delays < age]
        bins = np.minimum(19, np.ceil(np.log2(np.maximum(seen / SECOND_MS, 0.5))).astype(int).clip(0))
        counts[row] = np.bincount(bins, minlength=20)
    truth = 1.0 - np.exp(-edges / edges[14])
    assert delay_curve(counts, ages) == pytest.approx(truth, abs=0.03)


def test_without_purchases_every_click_counts_at_once() -> None:
    assert delay_curve(np.zeros((0, 4)), np.zeros(0)).tolist() == [1.0] * 4
    assert matured(np.ones(4), 10_000.0, 5_000.0) == pytest.approx(1.0)
    assert fit_sales(sold(), np.ones(4), {}).conversion_rate == Sales().conversion_rate


def test_the_longer_ago_the_more_has_matured() -> None:
    curve = np.array([0.0, 0.1, 0.4, 0.8, 1.0])
    shares = [matured(curve, age + 1_000.0, age) for age in (0.0, 2_000.0, 8_000.0, 60_000.0)]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_what_is_usual_is_found_from_all_items() -> None:
    rng = np.random.default_rng(2)
    clicks = rng.integers(500, 3_000, 60).astype(float)
    lines = rng.binomial(clicks.astype(int), 0.04).astype(float)
    found = fit_sales(Sold(lines, lines * 3_000.0, lines * 3_000.0**2 * 1.25, clicks), np.ones(4), {"0": 1.0})
    assert found.conversion_rate == pytest.approx(0.04, rel=0.1)
    assert found.amount == pytest.approx(3_000.0)
    assert found.deviation == pytest.approx(1_500.0, rel=0.01)
    assert found.strength > 200.0
