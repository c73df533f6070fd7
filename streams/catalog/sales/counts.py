"""Orders and returns by candidate, weighted by the age of their bucket.

Sums are integers, as those of `streams.catalog.weighted_counts` are: exact in any order.  What a table has none of
costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Floats, Ints
from policy.model.chain.returns import Returned, Returns
from policy.model.reward import Sold
from schemas.messages.parameters import ReturnFit, Sales
from streams.catalog.candidates import CandidateSet
from streams.catalog.sales.maturity import SpanWeight, span_weights
from streams.catalog.weights import ONE
from streams.fold.deltas import Traffic
from streams.state.arrays.packed import converted_clicks, counts_of
from streams.state.arrays.tables import Table

HALF_BITS = 32
"""Amounts and their squares have up to 63 bits, as many as their sums: each half is added up by itself."""
SHARE = 2**16
"""Returned lines are counted in shares of an order."""


class CandidateRows:
    """A table's counts of candidates: which of its rows they are, and their places."""

    def __init__(self, table: Table, candidates: CandidateSet) -> None:
        self.table = table
        self._rows, self._places = candidates.rows(table.items)

    @cached_property
    def clicks(self) -> Ints:
        """All clicks by item."""
        clicks: Ints = self.table.clicks.sum(axis=1)
        return clicks

    @cached_property
    def orders(self) -> Ints:
        """Clicks that were followed by an order, whatever it was of."""
        return converted_clicks(self.table)

    def add(self, sums: Ints, weight: int, numbers: NDArray[Any] | None) -> None:
        """Add a measure of the table [items] to sums [A], where there is some of it and it weighs something."""
        if weight and numbers is not None:
            sums[self._places] += weight * numbers[self._rows]

    def add_halves(self, sums: Ints, weight: int, numbers: Iterable[Ints | None]) -> None:
        """Add measures of the table with numbers of any size to sums [2, A], the high halves first."""
        for each in numbers:
            if each is not None:
                high = each >> HALF_BITS
                self.add(sums[0], weight, high if high.any() else None)
                self.add(sums[1], weight, each & (2**HALF_BITS - 1))


class Sums(Protocol):
    """Sums by candidate over tables, weighted by their age."""

    def add(self, counts: CandidateRows, weight: SpanWeight) -> None:
        """Add one table."""


class SoldSums:
    """Orders, one for a click whatever it bought, and clicks by their maturity; what was returned is in it."""

    def __init__(self, candidates: CandidateSet) -> None:
        arms = len(candidates.items)
        self._lines, self._clicks = np.zeros((2, arms), dtype=np.int64)
        self._amounts, self._squares = np.zeros((2, 2, arms), dtype=np.int64)

    def add(self, counts: CandidateRows, weight: SpanWeight) -> None:
        counts.add(self._clicks, weight.to_order, counts.clicks)
        if weight.age and counts_of(counts.table, "conversions") is not None:
            counts.add(self._lines, weight.age, counts.orders)
            counts.add_halves(self._amounts, weight.age, [counts_of(counts.table, "revenue")])
            squares = [counts_of(counts.table, name) for name in ("squares", "cross_products")]
            counts.add_halves(self._squares, weight.age, squares)

    @property
    def sold(self) -> Sold:
        return Sold(self._lines / ONE, whole(self._amounts), whole(self._squares), self._clicks / ONE)


class ReturnedSums:
    """Returns, and orders old enough for theirs.

    A click that bought several lines is one order: returns of these count as shares of it.
    """

    def __init__(self, candidates: CandidateSet) -> None:
        arms = len(candidates.items)
        self._lines, self._matured = np.zeros((2, arms), dtype=np.int64)
        self._amounts = np.zeros((2, arms), dtype=np.int64)

    def add(self, counts: CandidateRows, weight: SpanWeight) -> None:
        if counts_of(counts.table, "conversions") is not None:
            counts.add(self._matured, weight.to_return, counts.orders)
        if weight.age and (lines := counts_of(counts.table, "returns")) is not None:
            counts.add(self._lines, weight.age, _shares(lines, counts))
            counts.add_halves(self._amounts, weight.age, [counts_of(counts.table, "returned")])

    def __bool__(self) -> bool:
        """Whether anything was returned."""
        return bool(self._lines.any())

    @property
    def returned(self) -> Returned:
        return Returned(self._lines / (ONE * SHARE), whole(self._amounts), self._matured / ONE)


def add_up(
    tables: Iterable[Table], weight_of: Mapping[range, SpanWeight], candidates: CandidateSet, sums: Sequence[Sums]
) -> None:
    """Add the tables of learned traffic to sums."""
    for table in tables:
        if table.traffic is Traffic.LEARNED:
            counts = CandidateRows(table, candidates)
            for each in sums:
                each.add(counts, weight_of[table.buckets])


def sold(tables: Iterable[Table], weight_of: Mapping[range, int], sales: Sales, candidates: CandidateSet) -> Sold:
    """Orders of learned traffic by candidate, and its clicks by maturity; weights are multiples of 2**-20."""
    sums = SoldSums(candidates)
    add_up(tables, span_weights(weight_of, sales.maturity), candidates, [sums])
    return sums.sold


def returned(
    tables: Iterable[Table], weight_of: Mapping[range, int], maturity: Mapping[str, float], candidates: CandidateSet
) -> Returned:
    """Returns of learned traffic by candidate, and orders old enough for theirs."""
    sums = ReturnedSums(candidates)
    add_up(tables, span_weights(weight_of, {}, maturity), candidates, [sums])
    return sums.returned


def net(sold: Sold, amounts: Floats) -> Sold:
    """The same less the amounts that were returned [A], where nothing else is known of returns."""
    left = np.maximum(0.0, sold.amounts - amounts)
    share = np.divide(left, sold.amounts, out=np.ones_like(left), where=sold.amounts > 0.0)
    return Sold(sold.lines, left, sold.squares * share, sold.clicks)


def has_returns(tables: Iterable[Table]) -> bool:
    """Whether something was returned that had been bought by learned traffic."""
    return any(counts_of(table, "returns") is not None for table in tables if table.traffic is Traffic.LEARNED)


def returns_of(fit: ReturnFit) -> Returns:
    """What was fitted, as the chain takes it."""
    return Returns(fit.rate, fit.strength, fit.cost, fit.amount, fit.deviation)


def whole(halves: Ints) -> Floats:
    """What both halves [2, A] of weighted sums come to."""
    whole: Floats = (halves[0] * 2.0**HALF_BITS + halves[1]) / ONE
    return whole


def _shares(lines: Ints, counts: CandidateRows) -> Ints:
    """Lines as shares of orders, in units of 2**-16."""
    bought, orders = counts.table.conversions, counts.orders
    several = np.flatnonzero((bought != orders) & (lines > 0))
    shares = lines * SHARE
    shares[several] = (shares[several] * orders[several] + bought[several] // 2) // bought[several]
    return shares
