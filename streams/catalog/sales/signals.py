"""Signals by candidate, of the tables that log them as the page does, weighted by the age of their bucket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from policy.model.chain.fitting import Chain
from policy.model.chain.stages import Followed
from schemas.messages.parameters import LeftOut, Sales, SignalFit
from streams.catalog.candidates import CandidateSet
from streams.catalog.sales.counts import CandidateRows, maturity_of
from streams.state.arrays.packed import counts_of
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


class FollowedSums:
    """What followed clicks, of the kind of signals at this place."""

    def __init__(self, place: int, fit: SignalFit, sales: Sales, candidates: CandidateSet) -> None:
        self._names = f"signals_{place}", f"via_{place}"
        self._coverage, self._maturity, self._orders = (
            Coverage(fit.left_out),
            SignalMaturity(fit.maturity),
            sales.maturity,
        )
        self.chain = chain_of(fit)
        self._sums = Followed(*np.zeros((6, len(candidates.items))))

    def add(self, counts: CandidateRows, weight: float) -> None:
        if self._coverage.part_of(counts.table) is not None:
            return
        sums, maturity, span = self._sums, self._maturity, counts.span
        signals, via = (counts_of(counts.table, name) for name in self._names)
        counts.add(sums.clicks, weight * maturity.signals(span), counts.clicks)
        counts.add(sums.ordering, weight * maturity_of(self._orders, span), counts.clicks)
        counts.add(sums.lines, weight, counts.orders)
        counts.add(sums.signals, weight, signals)
        counts.add(sums.matured, weight * maturity.after_signals(span), signals)
        counts.add(sums.via, weight, None if via is None else np.minimum(via, counts.orders))

    @property
    def followed(self) -> Followed:
        return self._sums


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
