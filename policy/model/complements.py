"""Which items go together: learned from what is bought in one order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypeVar

import numpy as np
from scipy.special import chdtri

from policy.arrays import Floats

T = TypeVar("T")

MOST_ITEMS = 32
"""Items of an order that are looked at: larger orders say little of what goes with what."""
LEAST_ORDERS = 3
"""Orders that two items have to share."""
DOUBT = 0.01
"""Chance that any pair of items is taken for complements although all are bought independently."""
MOST = 4
"""Complements of an item."""


@dataclass(slots=True)
class Baskets:
    """In how many orders each item and each pair of items was; the order of adding does not matter."""

    orders: int = 0
    items: Counter[str] = field(default_factory=Counter)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, items: Iterable[str]) -> None:
        """Count one order."""
        names = sorted(set(items))
        self.orders += 1
        self.items.update(names)
        if len(names) <= MOST_ITEMS:
            self.pairs.update(combinations(names, 2))

    def halve(self) -> None:
        """Let all counts weigh half, rounded down."""
        self.orders //= 2
        self.items, self.pairs = _halved(self.items), _halved(self.pairs)


def complements(baskets: Baskets, among: Collection[str], most: int = MOST) -> dict[str, list[str]]:
    """For each of these items those of them that it is bought with more often than by chance, the surest first.

    Two items go together where they share at least `LEAST_ORDERS` orders, more than if
    they were bought independently, and the likelihood ratio of that (`log_likelihood_ratio`) is above
    the quantile of chi-squared that leaves `DOUBT` over all pairs of these items together
    (Bonferroni).  Items without any are left out.
    """
    candidates = set(among)
    counted_pairs = [
        (item, other, both)
        for (item, other), both in baskets.pairs.items()
        if both >= LEAST_ORDERS and item in candidates and other in candidates
    ]
    both, ones, others = (
        np.array(counts, dtype=np.float64)
        for counts in (
            [count for _, _, count in counted_pairs],
            [baskets.items[item] for item, _, _ in counted_pairs],
            [baskets.items[other] for _, other, _ in counted_pairs],
        )
    )
    sure = log_likelihood_ratio(both, ones, others, float(baskets.orders))
    sure[both * baskets.orders <= ones * others] = 0.0
    certain = chdtri(1.0, DOUBT / max(1, len(candidates) * (len(candidates) - 1) // 2))
    beside: dict[str, list[tuple[float, str]]] = {}
    for (item, other, _), much in zip(counted_pairs, sure.tolist(), strict=True):
        if much > certain:
            beside.setdefault(item, []).append((-much, other))
            beside.setdefault(other, []).append((-much, item))
    return {item: [name for _, name in sorted(those)[:most]] for item, those in sorted(beside.items())}


def _halved(counts: Counter[T]) -> Counter[T]:
    return Counter({name: count // 2 for name, count in counts.items() if count > 1})


def log_likelihood_ratio(both: Floats, ones: Floats, others: Floats, orders: float) -> Floats:
    """How far pairs are from independence, float64[P]: twice the log likelihood ratio.

    From orders with both, with the one and with the other; in the table of an order
    having each or not, G² = 2 Σ observed · log(observed / expected) (Dunning 1993,
    "Accurate methods for the statistics of surprise and coincidence").
    """
    total = np.zeros_like(both)
    for observed, row, column in (
        (both, ones, others),
        (ones - both, ones, orders - others),
        (others - both, orders - ones, others),
        (orders - ones - others + both, orders - ones, orders - others),
    ):
        expected = row * column / max(orders, 1.0)
        held = observed > 0.0
        total[held] += observed[held] * np.log(observed[held] / expected[held])
    return np.asarray(2.0 * total, dtype=np.float64)
