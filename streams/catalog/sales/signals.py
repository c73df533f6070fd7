"""Signals by candidate, of the tables that log them as the page does, weighted by the age of their bucket."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from policy.model.chain.fitting import Chain
from policy.model.chain.stages import Followed
from schemas.messages.parameters import LeftOut, SignalFit
from streams.catalog.candidates import CandidateSet
from streams.catalog.sales.counts import CandidateRows
from streams.catalog.sales.maturity import SpanWeight
from streams.catalog.weights import ONE
from streams.state.arrays.packed import counts_of
from streams.state.arrays.tables import Table


class Coverage:
    """Which tables log signals as their page does."""

    def __init__(self, left_out: Iterable[LeftOut]) -> None:
        self._parts = {(part.segment, part.bucket): part for part in left_out}

    @property
    def names(self) -> frozenset[tuple[str, int]]:
        """The segments and buckets that are left out."""
        return frozenset(self._parts)

    def part_of(self, table: Table) -> LeftOut | None:
        """What is left out that the table is in; None where its signals count."""
        names = (table.segment, table.bucket), (table.segment, -1), ("", table.bucket)
        return next((self._parts[name] for name in names if name in self._parts), None) if self._parts else None


class FollowedSums:
    """What followed clicks, of the kind of signals at this place, of the tables that `coverage` does not leave out."""

    def __init__(self, place: int, coverage: Coverage, candidates: CandidateSet) -> None:
        self._names = f"signals_{place}", f"via_{place}"
        self._coverage = coverage
        self._sums = np.zeros((len(Followed._fields), len(candidates.items)), dtype=np.int64)

    def add(self, counts: CandidateRows, weight: SpanWeight) -> None:
        if self._coverage.part_of(counts.table) is not None:
            return
        clicks, signals, matured, via, ordering, lines = self._sums
        sent, led_on = (counts_of(counts.table, name) for name in self._names)
        counts.add(clicks, weight.to_signal, counts.clicks)
        counts.add(signals, weight.age, sent)
        counts.add(matured, weight.signal_to_order, sent)
        counts.add(via, weight.age, None if led_on is None else np.minimum(led_on, counts.orders))
        counts.add(ordering, weight.to_order, counts.clicks)
        counts.add(lines, weight.age, counts.orders)

    @property
    def followed(self) -> Followed:
        return Followed(*(self._sums / ONE))


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
