"""Click rates move: what is forgotten, by whom and how much."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.arrays import Floats
from policy.model.features import Features
from policy.model.fitting import Described, PageCounts, fit_page
from policy.model.posteriors import DayCounts, Prior, Remembered, interval, posterior_of, remembered

BASE = 0.02, 50.0
counted = st.lists(st.tuples(st.integers(1, 9), st.floats(0, 1e6), st.floats(0, 1e5)), min_size=2, max_size=8)


def days_of(rows: list[tuple[int, float, float]]) -> tuple[Floats, Remembered]:
    gaps, examined, clicks = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return np.cumsum(gaps), Remembered(examined[:, None], clicks[:, None])


@given(counted)
def test_nothing_is_forgotten_where_nothing_moves_or_nothing_is_clicked_on(
    rows: list[tuple[int, float, float]],
) -> None:
    days, counts = days_of(rows)
    for rate, drift in ((0.1, 0.0), (0.0, 0.5)):
        found = remembered(days, counts, np.array([rate]), drift)
        assert [each[0] for each in found] == pytest.approx([each.sum() for each in counts])


@given(counted, st.floats(0, 1), st.floats(1e-6, 1), st.integers(1, 7))
def test_days_may_be_added_up_in_parts(
    rows: list[tuple[int, float, float]], drift: float, rate: float, at: int
) -> None:
    (days, counts), rates, at = days_of(rows), np.array([rate]), min(at, len(rows) - 1)
    first = remembered(days[:at], Remembered(*(each[:at] for each in counts)), rates, drift)
    rest = Remembered(*(np.concatenate([one[None], each[at:]]) for one, each in zip(first, counts, strict=True)))
    whole = remembered(days, counts, rates, drift)
    parts = remembered(days[at - 1 :], rest, rates, drift)
    assert [each.tolist() for each in parts] == [each.tolist() for each in whole]


@given(st.floats(1e-3, 1e6), st.integers(1, 90), st.floats(0, 1))
def test_what_is_kept_is_as_doubtful_as_a_rate_that_moved(clicks: float, age: int, drift: float) -> None:
    days, counts = np.array([0.0, age]), Remembered(np.array([[10.0 * clicks], [0.0]]), np.array([[clicks], [0.0]]))
    found = remembered(days, counts, np.array([0.1]), drift)
    assert 1.0 / found.clicks[0] == pytest.approx(1.0 / clicks + drift * age)
    assert found.examined[0] == pytest.approx(10.0 * found.clicks[0])


def test_a_rate_that_moves_is_followed_and_its_intervals_hold() -> None:
    random, drift, days, arms, looks = np.random.default_rng(1), 0.02, 40, 2_000, 500.0
    steps = random.normal(0.0, np.sqrt(drift), (days, arms))
    rates = 0.05 * np.exp(np.cumsum(steps, axis=0))
    counts = Remembered(np.full((days, arms), looks), random.poisson(looks * rates).astype(np.float64))
    prior = Prior(0.05, 40.0)
    errors, held = [], []
    for drifts in (drift, 0.0):
        beta = posterior_of(*remembered(np.arange(float(days)), counts, np.full(arms, 0.05), drifts), prior)
        low, high = interval(beta.a, beta.b)
        errors.append(np.abs(np.log(beta.mean / rates[-1])).mean())
        held.append(((low <= rates[-1]) & (rates[-1] <= high)).mean())
    assert errors[0] < 0.6 * errors[1]
    assert 0.9 < held[0] < 0.98
    assert held[1] < 0.3


def page_of(old: Floats, new: Floats) -> PageCounts:
    """Two days of 30 items in one segment and slot: clicks of each, of 1,000 impressions a day."""
    impressions, clicks = np.full((2, 1, 30, 1), 1_000.0), np.stack([old, new])[:, None]
    by_day = DayCounts(np.array([0.0, 9.0]), impressions.astype(np.float32), clicks)
    items = [f"i{number}" for number in range(30)]
    return PageCounts(["s"], items, ["p"], impressions.sum(axis=0), clicks.sum(axis=0)[..., None], by_day=by_day)


def test_of_the_parameters_only_the_arms_own_clicks_are_forgotten() -> None:
    """What is shown lately are good arms: spreads and rates of all are still made from all counts."""
    random = np.random.default_rng(2)
    counts = page_of(*(random.poisson(1_000 * random.gamma(4.0, 0.01, 30)).astype(np.float64) for _ in range(2)))
    nothing = Described(Features((), np.zeros((30, 0))), {})
    steady, moving = (fit_page("home", counts, nothing, 1, BASE, drift=drift) for drift in (0.0, 0.05))
    assert moving.click_rate == steady.click_rate
    assert (moving.arm_strength, moving.segment_strength) == (steady.arm_strength, steady.segment_strength)
    assert moving.examination == steady.examination
    assert all(moving.arms[item][1] < expected for item, (_, expected) in steady.arms.items())
    assert moving.segments["s"].examined < steady.segments["s"].examined
    ratio = {item: clicks / expected for item, (clicks, expected) in moving.arms.items()}
    best = max(ratio, key=lambda item: ratio[item])
    assert best == counts.items[int((counts.by_day.clicks[1, 0] + 1e-3 * counts.by_day.clicks[0, 0]).argmax())]  # type: ignore[union-attr]


def test_what_counts_for_less_was_looked_at_less() -> None:
    impressions = np.arange(24, dtype=np.float32).reshape(2, 1, 3, 4)
    days, curve = DayCounts(np.arange(2.0), impressions, np.zeros((2, 1, 3))), np.array([1.0, 0.5, 0.25, 0.1])
    whole = days.examined(impressions.sum(axis=0).astype(np.float64), curve)
    assert whole == pytest.approx(impressions @ curve, rel=1e-6)
    assert days.examined(impressions.sum(axis=0) / 2.0, curve) == pytest.approx(whole / 2.0, rel=1e-6)
