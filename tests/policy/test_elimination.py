"""Policies on trial are dropped when they are worse for certain; the best hardly ever is, however often one looks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from policy.assignment import BINS, branches_of_bins
from policy.experiments.elimination import pair_level, standings
from policy.experiments.sequence import CLICKS, METRICS, UNITS, VIEWS

SHARES = {"main": 0.4, "bold": 0.3, "greedy": 0.3}
SALT = "trial-1"
OF_BINS = np.array(branches_of_bins(SALT, tuple(SHARES.values())))
Bins = np.ndarray[tuple[int, int], np.dtype[np.int64]]


def looks(seed: int, gains: tuple[float, ...], number: int = 40, views: int = 60) -> Iterator[Bins]:
    """The counts so far, look by look; bins differ beyond chance and for good, as visitors do."""
    random = np.random.default_rng(seed)
    rates = 0.05 * np.array(gains)[OF_BINS] * random.gamma(400.0, 1 / 400.0, BINS)
    total = np.zeros((BINS, 6), dtype=np.int64)
    for _ in range(number):
        total[:, VIEWS] += random.poisson(views, BINS)
        total[:, UNITS] = total[:, VIEWS] // 3
        total[:, CLICKS] = total[:, CLICKS] + random.poisson(rates * views)
        yield total.copy()


def raced(seed: int, gains: tuple[float, ...]) -> list[str]:
    """The branches that are left after all looks."""
    race = list(SHARES)
    for bins in looks(seed, gains):
        _, results = standings(bins, SALT, SHARES, race, METRICS["clicks"])
        race = [name for name in race if not results[name].dropped]
    return race


def test_of_equal_policies_none_is_dropped() -> None:
    left = [raced(seed, (1.0, 1.0, 1.0)) for seed in range(200)]
    assert np.mean([len(names) < len(SHARES) for names in left]) <= 0.05


def test_the_best_is_left_and_the_others_go() -> None:
    left = [raced(seed, (1.0, 1.3, 0.8)) for seed in range(20)]
    assert all("bold" in names for names in left)
    assert np.mean([names == ["bold"] for names in left]) >= 0.9


def test_of_few_outcomes_nothing_is_said() -> None:
    best, results = standings(np.zeros((BINS, 6), dtype=np.int64), SALT, SHARES, list(SHARES), CLICKS)
    assert best is None
    assert not any(result.dropped or result.against_best for result in results.values())


def test_where_units_are_lost_nothing_is_dropped() -> None:
    *_, bins = looks(1, (1.0, 1.3, 0.8))
    assert standings(bins, SALT, SHARES, list(SHARES), CLICKS)[1]["greedy"].dropped
    bins[OF_BINS == 2, UNITS] = bins[OF_BINS == 2, UNITS] * 9 // 10
    result = standings(bins, SALT, SHARES, list(SHARES), CLICKS)[1]["greedy"]
    assert result.sample_ratio is not None and result.sample_ratio.alarm and not result.dropped


@pytest.mark.parametrize(("branches", "level"), [(2, 0.95), (3, 1 - 0.05 / 3), (8, 1 - 0.05 / 28)])
def test_all_pairs_share_what_may_be_wrong(branches: int, level: float) -> None:
    assert pair_level(0.95, branches) == pytest.approx(level)
