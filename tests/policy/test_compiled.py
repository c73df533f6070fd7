"""The compiled code gives what numpy gives, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.hashes import arm_hashes
from policy.slates.arrangement import slates
from policy.slates.compiled import BUILT
from policy.slates.sampling import beta_draws

pytestmark = pytest.mark.skipif(not BUILT, reason="no C compiler was at hand when this was installed")
seeds = st.integers(0, 2**32 - 1)


@given(st.integers(0, 40), st.integers(1, 9), st.sampled_from([0.0, 0.25, 1.0, 3.0]), seeds)
def test_draws_are_the_same(arms: int, variants: int, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = 10.0 ** rng.uniform(-9, 9, (2, arms))
    z = rng.normal(scale=2.0, size=(2, arms, variants))
    assert np.array_equal(beta_draws(a, b, z, scale, built=True), beta_draws(a, b, z, scale, built=False))


@given(st.integers(0, 40), st.integers(0, 12), st.integers(1, 9), seeds)
def test_slates_are_the_same_with_equals_and_what_is_no_number(arms: int, slots: int, variants: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.choice([0.0, 0.5, 1.0, 2.0, np.nan, -np.inf, np.inf], (arms, variants))
    looks, hashes = rng.choice([0.2, 0.5, 0.9], slots), arm_hashes([f"i{seed}-{arm}" for arm in range(arms)])
    assert np.array_equal(slates(scores, looks, hashes, built=True), slates(scores, looks, hashes, built=False))
