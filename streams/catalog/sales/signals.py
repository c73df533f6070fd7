"""Signals by candidate, of the tables that log them as the page does, weighted by the age of their bucket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from policy.model.chain.fitting import Chain
from policy.model.chain.stages import Followed
from schemas.messages.parameters import LeftOut, Sales, SignalFit
from streams.catalog.candidates import CandidateSet
from streams.catalog.sales.counts import learned, maturity_of
from streams.state.arrays.packed import converted_clicks, counts_of
from streams.state.arrays.tables import Table


class Coverage:
    """Which tables log signals as their page does."""

    def __init__(self, left_out: Iterable[LeftOut]) -> None:
        self._parts = {(part.segment, part.bucket): part for part in left_out}

    def part_of(self, table: Table) -> LeftOut | None:
        """What is left out that the table is in; None where its signals count."""
        names = (table.segment, table.bucket), (table.segment, -1), ("", table.bucket)
        return next((self._parts[name] for name in names if name in self._parts), None) if self._parts else None


class SignalMaturity:
    """How far the signals of clicks, and the orders behind these, have matured, by time bucket."""

    def __init__(self, maturity: Mapping[str, tuple[float, float]]) -> None:
        self._signals = {bucket: shares[0] for bucket, shares in maturity.items()}
        self._via = {bucket: shares[1] for bucket, shares in maturity.items()}

    def signals(self, span: range) -> float:
        """The share of signals that has come for the clicks of a span."""
        return maturity_of(self._signals, span)

    def via(self, span: range) -> float:
        """The share of orders behind a signal that has come for them."""
        return maturity_of(self._via, span)

    def after_signals(self, span: range) -> float:
        """The share of orders that has come for the signals that have come."""
        signals = self.signals(span)
        return min(1.0, self.via(span) / signals) if signals > 0.0 else 0.0


def followed(
    tables: Iterable[Table],
    weight_of: Mapping[range, float],
    place: int,
    fit: SignalFit,
    sales: Sales,
    candidates: CandidateSet,
) -> Followed:
    """What followed the learned clicks on each candidate, of the kind of signals at this place."""
    sums = np.zeros((6, len(candidates.items)))
    coverage, maturity = Coverage(fit.left_out), SignalMaturity(fit.maturity)
    for table in learned(tables):
        if coverage.part_of(table) is not None:
            continue
        rows, places = candidates.rows(table.items)
        weight, span = weight_of[table.buckets], table.buckets
        clicks, orders = table.clicks.sum(axis=1), converted_clicks(table)
        signals, via = (counts_of(table, f"{name}_{place}") for name in ("signals", "via"))
        parts = [(0, maturity.signals(span), clicks), (4, maturity_of(sales.maturity, span), clicks), (5, 1.0, orders)]
        if signals is not None:
            parts += [(1, 1.0, signals), (2, maturity.after_signals(span), signals)]
        if via is not None:
            parts.append((3, 1.0, np.minimum(via, orders)))
        for at, share, numbers in parts:
            sums[at][places] += weight * share * numbers[rows]
    return Followed(*sums)


def chain_of(fit: SignalFit) -> Chain:
    """What was fitted, as the chain takes it."""
    return Chain(
        fit.signal_rate,
        fit.signal_strength,
        fit.order_rate,
        fit.direct_rate,
        fit.hidden,
        fit.weight,
        fit.shape,
        fit.evidence,
    )
