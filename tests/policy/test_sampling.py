"""Common random numbers and draws: fixed by name, and distributed as they should be."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaincinv
from scipy.stats import kstest

from policy.hashes import arm_hashes
from policy.slates.sampling import USUAL_DEVIATION, beta_draws, click_normals, normals, spread, uniforms

ITEMS = [f"item-{number}" for number in range(2_000)]
HASHES = arm_hashes(ITEMS)
PINNED = [
    [0.8462258351881796, 0.2995264148479423, 0.8253016808818151],
    [0.080349009085532, 0.808912557612368, 0.9874076589088957],
]
ABOVE_MEDIAN = np.array([0.55, 0.75, 0.9, 0.95, 0.99])


@given(st.lists(st.sampled_from(ITEMS[:50]), unique=True))
def test_an_arms_numbers_do_not_depend_on_the_other_arms(items: list[str]) -> None:
    alone = [normals("home", "*", arm_hashes([item]), "click", 5, 3)[0].tolist() for item in items]
    assert normals("home", "*", arm_hashes(items), "click", 5, 3).tolist() == alone


def test_more_variants_leave_the_first_ones_alone() -> None:
    assert (normals("home", "*", HASHES, "click", 16, 3)[:, :5] == normals("home", "*", HASHES, "click", 5, 3)).all()


@pytest.mark.parametrize(
    ("page", "segment", "stage", "epoch"),
    [("cart", "*", "click", 3), ("home", "new", "click", 3), ("home", "*", "buy", 3), ("home", "*", "click", 4)],
)
def test_another_page_segment_stage_or_epoch_has_numbers_of_its_own(
    page: str, segment: str, stage: str, epoch: int
) -> None:
    one, other = uniforms("home", "*", HASHES, "click", 16, 3), uniforms(page, segment, HASHES, stage, 16, epoch)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02
    assert not (one == other).any()


def test_numbers_are_independent_standard_normals() -> None:
    drawn = normals("home", "*", HASHES, "click", 16, 3)
    assert kstest(drawn.ravel(), "norm").pvalue > 0.001
    between_variants = np.corrcoef(drawn.T) - np.eye(16)
    assert np.abs(between_variants).max() < 0.1
    assert abs(np.corrcoef(*(stage.ravel() for stage in click_normals("home", "*", HASHES, 16, 3)))[0, 1]) < 0.02


def test_numbers_are_finite_at_the_ends_of_the_range() -> None:
    ends = [0, 2**64 - 1]
    drawn = uniforms("home", "*", np.array(ends, dtype=np.uint64), "click", 256, 0)
    assert ((drawn > 0) & (drawn < 1)).all()
    assert (2**52 - 1 + 0.5) * 2.0**-52 < 1.0


def test_the_uniforms_are_the_same_on_every_machine() -> None:
    drawn = uniforms("home", "Stammkunden", arm_hashes(["shoe", "Hüte"]), "click", 3, 20_780)
    assert drawn.tolist() == PINNED
    script = (
        "from policy.hashes import arm_hashes;from policy.slates.sampling import uniforms;"
        "print(uniforms('home', 'Stammkunden', arm_hashes(['shoe', 'H\\u00fcte']), 'click', 3, 20_780).tolist())"
    )
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(PINNED)


@pytest.mark.parametrize(
    ("a", "b"), [(1, 20), (1, 49), (1, 99), (1, 300), (3, 97), (10, 200), (100, 1900), (5, 20), (20, 20)]
)
def test_quantiles_above_the_median_are_within_three_percent_of_the_exact_ones(a: float, b: float) -> None:
    z = np.random.default_rng(1).standard_normal((2, 1, 1_000_000))
    draws = beta_draws(np.array([a], float), np.array([b], float), z)[0]
    exact = betaincinv(a, b, ABOVE_MEDIAN)
    assert np.quantile(draws, ABOVE_MEDIAN) == pytest.approx(exact, rel=0.03)


@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9), st.floats(-9, 9), st.floats(-9, 9), st.floats(0, 10))
def test_every_draw_is_a_probability(a: float, b: float, hit: float, miss: float, scale: float) -> None:
    draw = beta_draws(np.array([a]), np.array([b]), np.array([[[hit]], [[miss]]]), scale)
    assert draw.shape == (1, 1)
    assert 0.0 <= draw[0, 0] <= 1.0


@given(st.floats(0.01, 1e4), st.floats(1, 1e4), st.floats(-3, 3), st.floats(-3, 3))
def test_no_exploration_gives_the_mean_to_all_variants(a: float, b: float, hit: float, miss: float) -> None:
    z = np.array([[[hit, -hit]], [[miss, 0.0]]])
    drawn = beta_draws(np.array([a]), np.array([b]), z, 0.0)[0]
    assert drawn[0] == drawn[1]
    assert drawn[0] == pytest.approx(a / (a + b))


@pytest.mark.parametrize("scale", [0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize(("a", "b"), [(1, 49), (4, 200), (40, 1_000)])
def test_exploration_scales_the_deviation_and_leaves_the_mean(a: float, b: float, scale: float) -> None:
    z = np.random.default_rng(2).standard_normal((2, 1, 200_000))
    draws = beta_draws(np.array([a], float), np.array([b], float), z, scale)[0]
    mean, deviation = a / (a + b), np.sqrt(a * b / (a + b + 1)) / (a + b)
    assert draws.mean() == pytest.approx(mean, rel=0.01)
    assert draws.std() == pytest.approx(scale * deviation, rel=0.04)


def test_no_arms_have_no_numbers() -> None:
    assert click_normals("home", "*", arm_hashes([]), 16, 0).shape == (2, 0, 16)


DEVIATIONS = st.lists(st.floats(1e-6, 50.0), min_size=1, max_size=20)


@given(DEVIATIONS, st.integers(0, 12), st.floats(0, 10))
def test_the_doubtful_are_drawn_more_widely(deviations: list[float], slots: int, most: float) -> None:
    scale = spread(np.sort(deviations), slots, most)
    assert ((scale >= 0.0) & (scale <= 1.0)).all()
    assert (np.diff(scale) >= 0.0).all()
    assert (spread(np.sort(deviations), slots, 0.0) == 0.0).all()
    both = spread(np.array([deviations, deviations[::-1]]), slots, most)
    assert np.array_equal(both[0], both[1][::-1])


def test_more_traffic_than_arms_need_is_for_those_that_are_hardly_known() -> None:
    few, plenty = (np.array([0.7, USUAL_DEVIATION, *[clicks**-0.5] * 3]) for clicks in (30.0, 30_000.0))
    assert spread(few, 3, 0.3)[1] == pytest.approx(0.3)
    assert 0.3 < spread(few, 3, 0.3)[0] < 1.0
    assert spread(plenty, 3, 0.3)[:2].tolist() == [1.0, 1.0]
    assert (spread(plenty, 3, 0.3)[2:] < 0.5).all()
