"""`bid`: sponsors pay for clicks on some arms, which compete with all others for what a look is worth.

A look at an arm is worth its click rate times what a click is worth: `worth` to the shop by itself, and `worth` plus
the bid where a sponsor pays.  So the score of a paid arm is multiplied by 1 + bid / worth, and there is one objective
for sponsored and organic arms.  An arm whose own score, without any bid, is below the share `floor` of what the last
slot would get by scores alone is not lifted: relevance is not for sale.  Of several bids for an arm the highest counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from policy.arrays import Bools, Floats
from policy.rules.constraint import Constraint, label
from policy.rules.kind import Kind, PageContext
from schemas import rules as declared


@dataclass(frozen=True, slots=True, eq=False)
class Bid(Constraint):
    """Scores of the arms, bool[A], times `factor` where they are relevant by `floor`; `name` is the rule's."""

    name: str
    arms: Bools
    factor: float
    floor: float


def paying(bids: Sequence[Bid], organic: Floats, slots: int) -> list[Bid]:
    """Each bid with the arms that it lifts alone, by scores without bids, float64[A], 0 for arms that may not be shown.

    An arm is lifted by its highest bid, of equal ones by the first.
    """
    if not bids or not len(organic):
        return list(bids)
    last = np.sort(organic)[-min(slots, len(organic))]
    relevant = np.array([bid.arms & (organic > 0.0) & (organic >= bid.floor * last) for bid in bids])
    offers = np.where(relevant, np.array([[bid.factor] for bid in bids]), 0.0)
    winner = offers.argmax(axis=0)
    return [replace(bid, arms=relevant[at] & (winner == at)) for at, bid in enumerate(bids)]


def _bind(rule: declared.Bid, page: PageContext) -> Iterator[Bid]:
    factor = 1.0 + rule.amount / rule.worth
    effect = f"score times {factor:g} by the bid {rule.name} where it is relevant"
    yield Bid(label(rule), effect, rule.name, page.arms.matching(rule.match), factor, rule.floor)


KIND = Kind(declared.Bid, _bind)
