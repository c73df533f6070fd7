"""What goes together is what is bought together more often than by chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from policy.model.complements import LEAST_ORDERS, MOST, Baskets, complements, log_likelihood_ratio

ORDERS = st.lists(st.lists(st.sampled_from("abcdefg"), max_size=6), max_size=60)


def counted(orders: list[list[str]]) -> Baskets:
    """The orders added one after another."""
    baskets = Baskets()
    for order in orders:
        baskets.add(order)
    return baskets


@given(ORDERS, st.randoms())
def test_the_order_of_orders_and_of_lines_does_not_matter(orders: list[list[str]], chance: object) -> None:
    turned = [chance.sample(order, len(order)) for order in chance.sample(orders, len(orders))]  # type: ignore[attr-defined]
    assert counted(orders) == counted(turned)
    assert complements(counted(orders), "abcdefg") == complements(counted(turned), "abcdefg")


@given(ORDERS, st.sets(st.sampled_from("abcdefg")))
def test_complements_are_mutual_known_and_bought_together(orders: list[list[str]], among: set[str]) -> None:
    found = complements(counted(orders), among, most=9)
    for one, those in found.items():
        assert one in among
        assert those
        assert one not in those
        for other in those:
            assert one in found[other]
            assert sum({one, other} <= set(order) for order in orders) >= LEAST_ORDERS
    assert all(len(those) <= MOST for those in complements(counted(orders), among).values())


@given(st.integers(1, 40), st.integers(0, 40), st.integers(0, 40), st.integers(1, 200))
def test_surprise_is_the_g_statistic(both: int, one: int, other: int, neither: int) -> None:
    table = np.array([[both, one], [other, neither]])
    if 0 in table.sum(axis=0) or 0 in table.sum(axis=1):
        return
    expected = chi2_contingency(table, correction=False, lambda_="log-likelihood").statistic
    together, ones, others = (np.array([float(count)]) for count in (both, both + one, both + other))
    assert log_likelihood_ratio(together, ones, others, float(table.sum()))[0] == pytest.approx(
        expected, rel=1e-9, abs=1e-9
    )


def test_what_everybody_buys_goes_with_nothing() -> None:
    rng = np.random.default_rng(1)
    orders = [
        [name for name, often in zip("abcd", (0.9, 0.8, 0.3, 0.1), strict=True) if rng.random() < often]
        for _ in range(3_000)
    ]
    assert complements(counted(orders), "abcd") == {}


def test_of_many_pairs_that_chance_made_none_is_taken_and_one_that_it_did_not_is() -> None:
    rng = np.random.default_rng(2)
    chances = 1.0 / np.arange(1, 301)
    names = [f"i{number}" for number in range(300)]
    drawn = (rng.choice(300, size=rng.integers(1, 6), p=chances / chances.sum()) for _ in range(10_000))
    orders = [[names[number] for number in order] for order in drawn]
    assert complements(counted(orders), names) == {}
    orders += [["i200", "i250"]] * 12
    assert complements(counted(orders), names) == {"i200": ["i250"], "i250": ["i200"]}


def test_the_surest_come_first_and_very_large_orders_say_nothing() -> None:
    orders = [["a", "b"]] * 20 + [["a", "c"]] * 8 + [["x"], ["y"]] * 100
    found = complements(counted(orders), ["a", "b", "c", "x", "y"])
    assert found == {"a": ["b", "c"], "b": ["a"], "c": ["a"]}
    large = [[f"i{number}" for number in range(100)]] * 9 + [["x"]] * 100
    assert complements(counted(large), [f"i{number}" for number in range(100)]) == {}
