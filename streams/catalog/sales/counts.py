"""Orders and returns by candidate, weighted by the age of their bucket.

What a table has none of costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Floats, Indices, Ints
from policy.model.chain.returns import Returned, Returns
from policy.model.reward import Sold
from schemas.messages.parameters import ReturnFit, Sales
from streams.catalog.candidates import CandidateSet
from streams.fold.deltas import Traffic
from streams.state.arrays.packed import converted_clicks, counts_of
from streams.state.arrays.tables import Table


class CandidateRows(NamedTuple):
    """A table's counts of candidates: which of its rows they are, and their places; all its clicks, and its orders.

    Orders are clicks that were followed by one, whatever it was of.
    """

    table: Table
    rows: Indices
    places: Indices
    clicks: Ints
    orders: Ints

    @property
    def span(self) -> range:
        """The buckets of its clicks."""
        return self.table.buckets

    def add(self, sums: Floats, weight: float, numbers: NDArray[Any] | None) -> None:
        """Add a measure of the table [items] to sums [A], where there is some of it."""
        if numbers is not None:
            sums[self.places] += weight * numbers[self.rows]


class Sums(Protocol):
    """Sums by candidate over tables, weighted by their age."""

    def add(self, counts: CandidateRows, weight: float) -> None:
        """Add one table."""


class SoldSums:
    """Orders, one for a click whatever it bought, and clicks by their maturity; what was returned is in it."""

    def __init__(self, sales: Sales, candidates: CandidateSet) -> None:
        self._maturity = sales.maturity
        self._sums = np.zeros((4, len(candidates.items)))

    def add(self, counts: CandidateRows, weight: float) -> None:
        table, young = counts.table, maturity_of(self._maturity, counts.span)
        for sums, numbers in zip(
            self._sums, (counts.orders, table.revenue, _squares(table), counts.clicks * young), strict=True
        ):
            counts.add(sums, weight, numbers)

    @property
    def sold(self) -> Sold:
        return Sold(*self._sums)


class ReturnedSums:
    """Returns, and orders old enough for theirs.

    A click that bought several lines is one order: returns of these count as shares of it.
    """

    def __init__(self, maturity: Mapping[str, float], candidates: CandidateSet) -> None:
        self._maturity = maturity
        self._lines, self._amounts, self._matured = np.zeros((3, len(candidates.items)))

    def add(self, counts: CandidateRows, weight: float) -> None:
        counts.add(self._matured, weight * maturity_of(self._maturity, counts.span), counts.orders)
        lines = counts_of(counts.table, "returns")
        if lines is not None:
            counts.add(self._lines, weight, lines * _orders_per_line(counts))
            counts.add(self._amounts, weight, counts_of(counts.table, "returned"))

    @property
    def returned(self) -> Returned:
        return Returned(self._lines, self._amounts, self._matured)


def add_up(
    tables: Iterable[Table], weight_of: Mapping[range, float], candidates: CandidateSet, sums: Sequence[Sums]
) -> None:
    """Add the tables of learned traffic to sums, in one order whatever the order of these."""
    for table in sorted(tables, key=lambda table: (table.bucket, table.segment)):
        if table.traffic is Traffic.LEARNED:
            counts = CandidateRows(
                table, *candidates.rows(table.items), table.clicks.sum(axis=1), converted_clicks(table)
            )
            for each in sums:
                each.add(counts, weight_of[table.buckets])


def sold(tables: Iterable[Table], weight_of: Mapping[range, float], sales: Sales, candidates: CandidateSet) -> Sold:
    """Orders of learned traffic by candidate, and its clicks by maturity."""
    sums = SoldSums(sales, candidates)
    add_up(tables, weight_of, candidates, [sums])
    return sums.sold


def returned(
    tables: Iterable[Table], weight_of: Mapping[range, float], maturity: Mapping[str, float], candidates: CandidateSet
) -> Returned:
    """Returns of learned traffic by candidate, and orders old enough for theirs."""
    sums = ReturnedSums(maturity, candidates)
    add_up(tables, weight_of, candidates, [sums])
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


def maturity_of(maturity: Mapping[str, float], span: range) -> float:
    """The share that has come for the clicks of a span's buckets, on average.

    A bucket that is not named is as young as the youngest.
    """
    youngest = min(maturity.values(), default=1.0)
    return sum(maturity.get(str(bucket), youngest) for bucket in span) / len(span)


def _squares(table: Table) -> Ints:
    """Of what each click brought."""
    cross_products = counts_of(table, "cross_products")
    return table.squares if cross_products is None else table.squares + cross_products


def _orders_per_line(counts: CandidateRows) -> Floats:
    lines = counts.table.conversions
    return np.divide(counts.orders, lines, out=np.ones(len(lines)), where=lines > 0)
