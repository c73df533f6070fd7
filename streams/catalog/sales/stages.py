"""Everything that the value of a click is made from: orders, and the stages that were fitted for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import UNSET

from policy.arrays import Floats
from policy.model.chain.value import ReturnStage, SignalStage, chain_value
from policy.model.reward import ClickValue, Sold
from schemas.messages.parameters import PolicyParameters, Sales
from streams.catalog.candidates import CandidateSet
from streams.catalog.sales.counts import ReturnedSums, SoldSums, add_up, has_returns, net, returns_of
from streams.catalog.sales.signals import FollowedSums
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
    orders = SoldSums(sales, candidates)
    signals = _signal_sums(parameters, kinds, candidates)
    fit = parameters.returns if parameters else UNSET
    back = ReturnedSums(fit.maturity if fit else {}, candidates) if fit or has_returns(tables) else None
    add_up(tables, weight_of, candidates, [sums for sums in (orders, signals, back) if sums is not None])
    return Stages(
        sold=orders.sold if fit or back is None else net(orders.sold, back.returned.amounts),
        sales=sales,
        signals=SignalStage(signals.followed, signals.chain) if signals else None,
        returns=ReturnStage(back.returned, returns_of(fit)) if fit and back else None,
    )


def _signal_sums(
    parameters: PolicyParameters | None, kinds: Sequence[str], candidates: CandidateSet
) -> FollowedSums | None:
    """None where nothing was fitted, or where the namespace does not count the kind."""
    fit = parameters.signals if parameters else UNSET
    if not parameters or not fit or fit.kind not in kinds:
        return None
    return FollowedSums(kinds.index(fit.kind), fit, parameters.sales, candidates)
