"""Posteriors: laws of counts, prior and examination; exact intervals; age."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import beta as exact_beta

from policy.model.examination import examination
from policy.model.posteriors import Prior, bucket_weights, interval, posterior

COUNTS = arrays(np.int64, (3, 4), elements=st.integers(0, 10**9))
PRIORS = st.builds(Prior, st.floats(1e-6, 1 - 1e-6), st.floats(1e-3, 1e6))
LOOKED_AT = examination(["a", "b", "c", "d"], {"c": 0.0})


@given(COUNTS, COUNTS, PRIORS)
def test_any_counts_give_a_proper_posterior(
    impressions: NDArray[np.int64], clicks: NDArray[np.int64], prior: Prior
) -> None:
    found = posterior(impressions, clicks, LOOKED_AT, prior)
    assert (found.a > 0).all()
    assert (found.b > 0).all()
    assert ((found.mean > 0) & (found.mean <= 1)).all()


@given(COUNTS, COUNTS, PRIORS, st.integers(0, 2), st.integers(0, 3), st.integers(1, 10**6))
def test_more_clicks_never_lower_the_mean_and_more_impressions_never_raise_it(
    impressions: NDArray[np.int64], clicks: NDArray[np.int64], prior: Prior, arm: int, slot: int, more: int
) -> None:
    added = np.zeros((3, 4), dtype=np.int64)
    added[arm, slot] = more
    before = posterior(impressions, clicks, LOOKED_AT, prior).mean
    rounding = 1 + 1e-12
    assert (posterior(impressions, clicks + added, LOOKED_AT, prior).mean * rounding >= before).all()
    assert (posterior(impressions + added, clicks, LOOKED_AT, prior).mean <= before * rounding).all()


def test_without_counts_the_posterior_is_the_prior() -> None:
    nothing = np.zeros((3, 4), dtype=np.int64)
    found = posterior(nothing, nothing, LOOKED_AT, Prior(0.02, 50.0))
    assert found.a.tolist() == [1.0] * 3
    assert found.b.tolist() == [49.0] * 3


def test_an_impression_counts_by_how_likely_its_slot_is_looked_at() -> None:
    impressions = np.array([[100, 0], [0, 200]])
    clicks = np.array([[4, 0], [0, 4]])
    found = posterior(impressions, clicks, np.array([1.0, 0.5]), Prior(0.02, 50.0))
    assert found.a.tolist() == [5.0, 5.0]
    assert found.b.tolist() == [145.0, 145.0]


def test_with_many_views_the_mean_is_the_attractiveness_whatever_the_slots() -> None:
    random = np.random.default_rng(5)
    attractiveness = np.array([0.01, 0.03, 0.08])
    looked_at = examination(["a", "b", "c", "d"], {})
    impressions = random.integers(50_000, 200_000, (3, 4))
    clicks = random.binomial(impressions, attractiveness[:, None] * looked_at)
    assert posterior(impressions, clicks, looked_at, Prior(0.02, 50.0)).mean == pytest.approx(attractiveness, rel=0.03)


@given(st.floats(0.1, 1e4), st.floats(0.1, 1e4), st.floats(0.5, 0.99))
def test_an_interval_holds_its_level(a: float, b: float, level: float) -> None:
    low, high = interval(np.array([a]), np.array([b]), level)
    assert exact_beta.cdf(high, a, b) - exact_beta.cdf(low, a, b) == pytest.approx(level, abs=1e-6)
    assert exact_beta.cdf(low, a, b) == pytest.approx(exact_beta.sf(high, a, b), abs=1e-6)


def test_an_interval_has_the_closed_form_where_there_is_one() -> None:
    low, high = interval(np.array([1.0]), np.array([99.0]), 0.9)
    assert low == pytest.approx(1 - 0.95 ** (1 / 99))
    assert high == pytest.approx(1 - 0.05 ** (1 / 99))


@given(st.lists(st.integers(0, 10**13), min_size=1), st.integers(0, 10**13), st.integers(1, 10**10))
def test_older_buckets_weigh_no_more(starts: list[int], now: int, half_life: int) -> None:
    weights = bucket_weights(sorted(starts), now, half_life)
    assert (np.diff(weights) >= 0).all()
    assert ((weights > 0) & (weights <= 1)).all()
    assert bucket_weights(starts, now, 0).tolist() == [1.0] * len(starts)


def test_a_weight_halves_with_each_half_life() -> None:
    assert bucket_weights([0, 100, 200, 300], 200, 100).tolist() == [0.25, 0.5, 1.0, 1.0]


@given(st.integers(1, 64), st.dictionaries(st.sampled_from(["0", "1", "2", "63"]), st.floats(0, 1)))
def test_examination_falls_with_position_and_takes_what_was_fitted(count: int, fitted: dict[str, float]) -> None:
    slots = [str(position) for position in range(count)]
    plain = examination(slots, {})
    assert plain[0] == 1.0
    assert (np.diff(plain) < 0).all()
    assert (plain > 0).all()
    expected = [fitted.get(slot, plain[position]) for position, slot in enumerate(slots)]
    assert examination(slots, fitted).tolist() == expected
