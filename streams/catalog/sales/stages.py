"""Everything that the value of a click is made from: orders, and the stages that were fitted for the page.

Sums are moved along with the tables that changed, and equal those made anew, to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from policy.arrays import Floats
from policy.model.chain.value import ReturnStage, SignalStage, chain_value
from policy.model.reward import ClickValue, Sold
from schemas.messages.parameters import PolicyParameters, Sales, SignalFit
from streams.catalog.candidates import CandidateSet
from streams.catalog.sales.counts import CandidateRows, ReturnedSums, SoldSums, Sums, net, returns_of
from streams.catalog.sales.maturity import NOTHING, SpanWeight, span_weights
from streams.catalog.sales.signals import Coverage, FollowedSums, chain_of
from streams.fold.deltas import Traffic
from streams.state.arrays.changes import HeldTables
from streams.state.arrays.tables import Table

ROWS = 16
"""Sums of each candidate: 6 of what was sold, 4 of what was returned, 6 of what followed clicks."""


class Stages(NamedTuple):
    """Orders of A candidates, with the averages of the page and the stages that were fitted for it."""

    sold: Sold
    sales: Sales
    signals: SignalStage | None = None
    returns: ReturnStage | None = None

    def click_value(self, click: float, earned: Floats) -> ClickValue:
        """The value of a click on each candidate (`policy.model.chain.value.chain_value`)."""
        return chain_value(self.sold, self.sales, click, earned, self.signals, self.returns)


class _Scope(NamedTuple):
    """Which signals are added up: the place of their kind, None for none, and what is left out of them."""

    place: int | None = None
    left_out: frozenset[tuple[str, int]] = frozenset()


class StageSums:
    """Orders, returns and signals by candidate, over the tables that they were moved to last."""

    def __init__(self, candidates: CandidateSet) -> None:
        self._candidates = candidates
        self._begin(_Scope(), Coverage(()))
        self._weighed: tuple[object, object, Mapping[range, SpanWeight]] | None = None

    def move_to(
        self,
        tables: Sequence[Table],
        weight_of: Mapping[range, int],
        parameters: PolicyParameters | None,
        kinds: Sequence[str],
    ) -> Stages:
        """The stages behind the clicks on candidates; `kinds` of signals are those of the namespace, by place.

        Tables that are the same, and weigh and have matured the same, cost nothing.  What is left out of signals
        anew has all of them added anew.  Where returns were not fitted yet, amounts are net of what went back so far.
        """
        fit = _signals_of(parameters, kinds)
        coverage = Coverage(fit.left_out if fit else ())
        scope = _Scope(kinds.index(fit.kind) if fit else None, coverage.names)
        if scope != self._scope:
            self._begin(scope, coverage)
        for gone, came in self._held.move_to(tables, self._weights(weight_of, parameters, fit)):
            if gone and came and gone.table is came.table:
                self._add(came.table, came.weight.less(gone.weight))
                continue
            if gone:
                self._add(gone.table, -gone.weight)
            if came:
                self._add(*came)
        return self._stages(parameters, fit)

    def _begin(self, scope: _Scope, coverage: Coverage) -> None:
        self._scope, self._held = scope, HeldTables[SpanWeight]([Traffic.LEARNED])
        self._sold, self._returned = SoldSums(self._candidates), ReturnedSums(self._candidates)
        place = scope.place
        self._followed = None if place is None else FollowedSums(place, coverage, self._candidates)

    def _weights(
        self, weight_of: Mapping[range, int], parameters: PolicyParameters | None, fit: SignalFit | None
    ) -> Mapping[range, SpanWeight]:
        """As long as ages and parameters are the same objects, so are they."""
        if self._weighed is None or self._weighed[0] is not weight_of or self._weighed[1] is not parameters:
            orders = parameters.sales.maturity if parameters else NOTHING
            returns = parameters.returns if parameters else None
            shares = span_weights(weight_of, orders, returns.maturity if returns else NOTHING, fit)
            self._weighed = weight_of, parameters, shares
        return self._weighed[2]

    def _add(self, table: Table, weight: SpanWeight) -> None:
        counts = CandidateRows(table, self._candidates)
        sums: list[Sums | None] = [self._sold, self._returned, self._followed]
        for each in sums:
            if each is not None:
                each.add(counts, weight)

    def _stages(self, parameters: PolicyParameters | None, fit: SignalFit | None) -> Stages:
        sold, back = self._sold.sold, self._returned
        returns = parameters.returns if parameters else None
        return Stages(
            sold=sold if returns or not back else net(sold, back.returned.amounts),
            sales=parameters.sales if parameters else Sales(),
            signals=SignalStage(self._followed.followed, chain_of(fit)) if fit and self._followed else None,
            returns=ReturnStage(back.returned, returns_of(returns)) if returns else None,
        )


def _signals_of(parameters: PolicyParameters | None, kinds: Sequence[str]) -> SignalFit | None:
    """None where nothing was fitted, or where the namespace does not count the kind."""
    fit = parameters.signals if parameters else None
    return fit if fit and fit.kind in kinds else None
