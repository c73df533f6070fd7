"""Click rates move: what is forgotten, by whom and how much."""

from __future__ import annotations

from collections.abc import Callable

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


Counted = list[tuple[float, Remembered]]


def days_of(rows: list[tuple[int, float, float]]) -> Counted:
    """Each day with its looks and clicks of one arm."""
    gaps, examined, clicks = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return [
        (day, Remembered(*(np.array([one]) for one in each)))
        for day, *each in zip(np.cumsum(gaps), examined, clicks, strict=True)
    ]


@given(counted)
def test_nothing_is_forgotten_where_nothing_moves_or_nothing_is_clicked_on(
    rows: list[tuple[int, float, float]],
) -> None:
    days = days_of(rows)
    for rate, drift in ((0.1, 0.0), (0.0, 0.5)):
        found = remembered(days, np.array([rate]), drift)
        assert [each[0] for each in found] == pytest.approx([sum(row[at] for row in rows) for at in (1, 2)])


@given(counted, st.floats(0, 1), st.floats(1e-6, 1), st.integers(1, 7))
def test_days_may_be_added_up_in_parts(
    rows: list[tuple[int, float, float]], drift: float, rate: float, at: int
) -> None:
    days, rates, at = days_of(rows), np.array([rate]), min(at, len(rows) - 1)
    first = remembered(days[:at], rates, drift)
    whole = remembered(days, rates, drift)
    parts = remembered([(days[at - 1][0], first), *days[at:]], rates, drift)
    assert [each.tolist() for each in parts] == [each.tolist() for each in whole]


@given(st.floats(1e-3, 1e6), st.integers(1, 90), st.floats(0, 1))
def test_what_is_kept_is_as_doubtful_as_a_rate_that_moved(clicks: float, age: int, drift: float) -> None:
    found = remembered(days_of([(0, 10.0 * clicks, clicks), (age, 0.0, 0.0)]), np.array([0.1]), drift)
    assert 1.0 / found.clicks[0] == pytest.approx(1.0 / clicks + drift * age)
    assert found.examined[0] == pytest.approx(10.0 * found.clicks[0])


def test_a_rate_that_moves_is_followed_and_its_intervals_hold() -> None:
    random, drift, days, arms, looks = np.random.default_rng(1), 0.02, 40, 2_000, 500.0
    steps = random.normal(0.0, np.sqrt(drift), (days, arms))
    rates = 0.05 * np.exp(np.cumsum(steps, axis=0))
    clicks = random.poisson(looks * rates).astype(np.float64)
    counts = [(float(day), Remembered(np.full(arms, looks), clicks[day])) for day in range(days)]
    prior = Prior(0.05, 40.0)
    errors, held = [], []
    for drifts in (drift, 0.0):
        beta = posterior_of(*remembered(counts, np.full(arms, 0.05), drifts), prior)
        low, high = interval(beta.a, beta.b)
        errors.append(np.abs(np.log(beta.mean / rates[-1])).mean())
        held.append(((low <= rates[-1]) & (rates[-1] <= high)).mean())
    assert errors[0] < 0.6 * errors[1]
    assert 0.9 < held[0] < 0.98
    assert held[1] < 0.3


def days_from(days: list[float], impressions: Floats, clicks: Floats) -> Callable[[Floats], Counted]:
    """Counts [T, G, A, S] and [T, G, A] as they are asked for."""
    return lambda curve: [
        (day, Remembered(shown @ curve, clicked)) for day, shown, clicked in zip(days, impressions, clicks, strict=True)
    ]


def page_of(old: Floats, new: Floats) -> PageCounts:
    """Two days of 30 items in one segment and slot: clicks of each, of 1,000 impressions a day."""
    impressions, clicks = np.full((2, 1, 30, 1), 1_000.0), np.stack([old, new])[:, None]
    by_day = DayCounts(impressions.sum(axis=0), days_from([0.0, 9.0], impressions, clicks))
    items = [f"i{number}" for number in range(30)]
    return PageCounts(["s"], items, ["p"], impressions.sum(axis=0), clicks.sum(axis=0)[..., None], by_day=by_day)


def test_of_the_parameters_only_the_arms_own_clicks_are_forgotten() -> None:
    """What is shown lately are good arms: spreads and rates of all are still made from all counts."""
    random = np.random.default_rng(2)
    old, new = (random.poisson(1_000 * random.gamma(4.0, 0.01, 30)).astype(np.float64) for _ in range(2))
    counts = page_of(old, new)
    nothing = Described(Features((), np.zeros((30, 0))), {})
    steady, moving = (fit_page("home", counts, nothing, 1, BASE, drift=drift) for drift in (0.0, 0.05))
    assert moving.click_rate == steady.click_rate
    assert (moving.arm_strength, moving.segment_strength) == (steady.arm_strength, steady.segment_strength)
    assert moving.examination == steady.examination
    assert all(moving.arms[item][1] < expected for item, (_, expected) in steady.arms.items())
    assert moving.segments["s"].examined < steady.segments["s"].examined
    ratio = {item: clicks / expected for item, (clicks, expected) in moving.arms.items()}
    best = max(ratio, key=lambda item: ratio[item])
    assert best == counts.items[int((new + 1e-3 * old).argmax())]


@given(st.floats(0.1, 2.0))
def test_what_counts_for_less_was_looked_at_less_on_each_day(share: float) -> None:
    impressions, clicks = np.arange(24.0).reshape(2, 1, 3, 4), np.arange(6.0).reshape(2, 1, 3)
    curve, rates = np.array([1.0, 0.5, 0.25, 0.1]), np.full((1, 3), 0.1)
    looks = impressions @ curve
    found = DayCounts(impressions.sum(axis=0), days_from([0.0, 3.0], impressions, clicks)).remembered(
        share * looks.sum(axis=0), curve, rates, 0.2
    )
    days = [
        (day, Remembered(share * seen, clicked)) for day, seen, clicked in zip([0.0, 3.0], looks, clicks, strict=True)
    ]
    for one, other in zip(found, remembered(days, rates, 0.2), strict=True):
        assert one == pytest.approx(other)
