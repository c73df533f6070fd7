"""What is tried is what was declared."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.simulation.search import Among, Between, drawn, grid

NUMBERS = st.floats(1e-3, 1e3)
AMONG = st.lists(st.one_of(st.integers(0, 9), st.sampled_from(["ucb", "greedy"])), min_size=1, max_size=4, unique=True)
RANGES = st.tuples(NUMBERS, NUMBERS, st.booleans()).filter(lambda one: one[0] < one[1])
SPACES = st.dictionaries(
    st.sampled_from("abcd"),
    st.one_of(AMONG.map(lambda values: Among(tuple(values))), RANGES.map(lambda one: Between(*one))),
    min_size=1,
)


@given(st.dictionaries(st.sampled_from("abcd"), AMONG.map(lambda values: Among(tuple(values)))))
def test_a_grid_has_each_combination_once(space: dict[str, Among]) -> None:
    trials = grid(space)
    assert len(set(trials)) == len(trials) == math.prod(len(among.values) for among in space.values())
    for trial in trials:
        assert [name for name, _ in trial] == list(space)
        assert all(value in space[name].values for name, value in trial)


@given(SPACES, st.integers(0, 20), st.integers(0, 2**32 - 1))
def test_draws_stay_within_bounds_and_follow_the_seed(
    space: dict[str, Among | Between], samples: int, seed: int
) -> None:
    trials = drawn(space, samples, np.random.default_rng(seed))
    assert trials == drawn(space, samples, np.random.default_rng(seed))
    assert len(set(trials)) == len(trials) <= samples
    for trial in trials:
        for name, value in trial:
            choice = space[name]
            if isinstance(choice, Among):
                assert value in choice.values
            elif choice.whole:
                assert isinstance(value, int) and choice.low - 0.5 <= value <= choice.high + 0.5
            else:
                assert isinstance(value, float) and 0.999 * choice.low <= value <= 1.001 * choice.high


def test_each_doubling_of_a_range_is_as_likely() -> None:
    trials = drawn({"a": Between(1.0, 16.0)}, 1_000, np.random.default_rng(1))
    values = np.array([float(trial[0][1]) for trial in trials])
    assert np.histogram(np.log2(values), bins=4, range=(0, 4))[0] / len(values) == pytest.approx(
        np.full(4, 0.25), abs=0.06
    )
