"""Everything that the value of a click is made from: orders, and the stages that were fitted for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from policy.arrays import Floats
from policy.model.chain.value import ReturnStage, SignalStage, chain_value
from policy.model.reward import ClickValue, Sold
from schemas.messages.parameters import PolicyParameters, ReturnFit, Sales, SignalFit
from streams.catalog.candidates import CandidateSet
from streams.catalog.sales.counts import has_returns, net, returned, returns_of, sold
from streams.catalog.sales.signals import chain_of, followed
from streams.state.arrays.tables import Table


class Stages(NamedTuple):
    """Orders of A candidates, with the averages of the page and the stages that were fitted for it."""

    sold: Sold
    sales: Sales
    signals: SignalStage | None = None
    returns: ReturnStage | None = None

    def click_value(self, click: float, earned: Floats) -> ClickValue:
        """The value of a click on each candidate (`policy.model.chain.value.chain_value`)."""
        return chain_value(self.sold, self.sales, click, earned, self.signals, self.returns)


def stages_of(
    tables: Sequence[Table],
    weight_of: Mapping[range, float],
    parameters: PolicyParameters | None,
    kinds: Sequence[str],
    candidates: CandidateSet,
) -> Stages:
    """The stages behind the clicks on candidates; `kinds` of signals are those of the namespace, by place.

    Where returns were not fitted yet, amounts are net of what went back so far.
    """
    sales = parameters.sales if parameters else Sales()
    orders = sold(tables, weight_of, sales, candidates)
    signals = _signal_stage(tables, weight_of, parameters, kinds, candidates)
    fit = parameters.returns if parameters else None
    if isinstance(fit, ReturnFit):
        back = returned(tables, weight_of, fit.maturity, candidates)
        return Stages(orders, sales, signals, ReturnStage(back, returns_of(fit)))
    if has_returns(tables):
        orders = net(orders, returned(tables, weight_of, {}, candidates).amounts)
    return Stages(orders, sales, signals)


def _signal_stage(
    tables: Sequence[Table],
    weight_of: Mapping[range, float],
    parameters: PolicyParameters | None,
    kinds: Sequence[str],
    candidates: CandidateSet,
) -> SignalStage | None:
    """None where nothing was fitted, or where the namespace does not count the kind."""
    fit = parameters.signals if parameters else None
    if not parameters or not isinstance(fit, SignalFit) or fit.kind not in kinds:
        return None
    place = kinds.index(fit.kind)
    return SignalStage(followed(tables, weight_of, place, fit, parameters.sales, candidates), chain_of(fit))
