"""Orders and returns by candidate, weighted by the age of their bucket.

What a table has none of costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from policy.arrays import Floats, Ints
from policy.model.chain.returns import Returned, Returns
from policy.model.reward import Sold
from schemas.messages.parameters import ReturnFit, Sales
from streams.catalog.candidates import CandidateSet
from streams.fold.deltas import Traffic
from streams.state.arrays.packed import converted_clicks, counts_of
from streams.state.arrays.tables import Table


def sold(tables: Sequence[Table], weight_of: Mapping[range, float], sales: Sales, candidates: CandidateSet) -> Sold:
    """Orders of learned traffic by candidate, one for a click whatever it bought; clicks by maturity.

    What was returned is in it.
    """
    sums = np.zeros((4, len(candidates.items)))
    for table in learned(tables):
        rows, places = candidates.rows(table.items)
        young = maturity_of(sales.maturity, table.buckets)
        counts = converted_clicks(table), table.revenue, _squares(table), table.clicks.sum(axis=1) * young
        for at, numbers in enumerate(counts):
            sums[at][places] += weight_of[table.buckets] * numbers[rows]
    return Sold(*sums)


def returned(
    tables: Iterable[Table], weight_of: Mapping[range, float], maturity: Mapping[str, float], candidates: CandidateSet
) -> Returned:
    """Returns of learned traffic by candidate, and orders old enough for theirs.

    A click that bought several lines is one order: its lines' returns count as shares of it.
    """
    sums = np.zeros((3, len(candidates.items)))
    for table in learned(tables):
        lines, amounts, orders = counts_of(table, "returns"), counts_of(table, "returned"), converted_clicks(table)
        rows, places = candidates.rows(table.items)
        weight = weight_of[table.buckets]
        sums[2][places] += weight * maturity_of(maturity, table.buckets) * orders[rows]
        if lines is not None and amounts is not None:
            sums[0][places] += weight * (lines * _per_line(table, orders))[rows]
            sums[1][places] += weight * amounts[rows]
    return Returned(*sums)


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


def learned(tables: Iterable[Table]) -> Iterator[Table]:
    """The tables of learned traffic, in one order whatever the order of these."""
    return (
        table
        for table in sorted(tables, key=lambda table: (table.bucket, table.segment))
        if table.traffic is Traffic.LEARNED
    )


def _squares(table: Table) -> Ints:
    """Of what each click brought."""
    cross_products = counts_of(table, "cross_products")
    return table.squares if cross_products is None else table.squares + cross_products


def _per_line(table: Table, orders: Ints) -> Floats:
    lines = table.conversions
    return np.divide(orders, lines, out=np.ones(len(lines)), where=lines > 0)
