"""How much counts stray from what is expected: nothing where chance alone lets them, and as much as was put in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.evaluation.random_effects import excess_variance


@given(st.lists(st.tuples(st.integers(0, 500), st.just(0.0) | st.floats(0.1, 500.0)), max_size=20), st.integers(0, 20))
def test_it_is_never_negative_and_the_order_of_cells_does_not_matter(
    cells: list[tuple[int, float]], parameters: int
) -> None:
    observed, expected = np.array(cells, dtype=np.float64).reshape(-1, 2).T
    variance = excess_variance(observed, expected, parameters)
    assert 0.0 <= variance < np.inf
    assert excess_variance(observed[::-1], expected[::-1], parameters) == pytest.approx(variance)


@pytest.mark.parametrize("deviation", [0.0, 0.1, 0.3])
def test_the_deviation_of_cells_is_recovered(deviation: float) -> None:
    rng = np.random.default_rng(1)
    expected = rng.uniform(100.0, 3_000.0, 400)
    factors = 1.0 + deviation * rng.choice([-1.0, 1.0], 400)
    observed = rng.poisson(expected * factors).astype(np.float64)
    assert np.sqrt(excess_variance(observed, expected, 0)) == pytest.approx(deviation, abs=0.02)
