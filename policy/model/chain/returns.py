"""The last stage: which orders are kept, and what a kept one earns.

An order that is too young to have been returned is pending: it counts as kept with the item's chance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from policy.arrays import Floats
from policy.model.posteriors import SMALLEST, Beta
from policy.model.reward import Sold
from policy.model.strength import fit_strength
from schemas.messages.parameters import Sales

PRIOR_LINES = 50.0
"""Lines without a return that a page's return rate starts from."""


class Returned(NamedTuple):
    """Returns of A items: lines, their amounts (minor units), and order lines old enough for theirs; float64[A]."""

    lines: Floats
    amounts: Floats
    matured: Floats


class Returns(NamedTuple):
    """What is known of a page's returns before an item's own: the share of lines, and its prior weight in lines.

    `cost` is the mean amount of a returned line over that of its item's lines; `amount` and `deviation` those of
    the lines that are kept, in minor units.
    """

    rate: float
    strength: float
    cost: float
    amount: float
    deviation: float

    def sales(self, sales: Sales) -> Sales:
        """The page's averages with the amounts of lines that are kept."""
        return replace(sales, amount=self.amount, deviation=self.deviation)


def fit_returns(sold: Sold, returned: Returned) -> Returns | None:
    """The averages of a page, from the returns of all its items; None where there are none."""
    lines = float(returned.lines.sum())
    if lines <= 0.0:
        return None
    matured = np.maximum(returned.matured, returned.lines)
    rate = min(lines / (float(matured.sum()) + PRIOR_LINES), 0.95)
    shape = fit_strength(returned.lines, matured * rate)
    expected = float((returned.lines * _mean_amount(sold)).sum())
    cost = float(returned.amounts.sum()) / expected if expected > 0.0 else 1.0
    returns = Returns(rate, max(1.0, shape / rate), cost, 0.0, 0.0)
    net = net_of_returns(sold, returned, returns)
    total = float(net.lines.sum())
    if total <= 0.0:
        return returns
    amount = float(net.amounts.sum()) / total
    deviation = float(np.sqrt(max(0.0, float(net.squares.sum()) / total - amount**2)))
    return returns._replace(amount=amount, deviation=max(deviation, amount / 2.0))


def keep_chance(returned: Returned, returns: Returns) -> Beta:
    """How likely an order line of each item is kept."""
    lost = returns.rate * returns.strength + returned.lines
    stayed = (1.0 - returns.rate) * returns.strength + np.maximum(0.0, returned.matured - returned.lines)
    return Beta(np.maximum(stayed, SMALLEST), np.maximum(lost, SMALLEST))


def net_of_returns(sold: Sold, returned: Returned, returns: Returns) -> Sold:
    """Lines and amounts less those returned, and less those that will be of the lines too young for it."""
    rate = 1.0 - keep_chance(returned, returns).mean
    pending = rate * np.maximum(0.0, sold.lines - np.maximum(returned.matured, returned.lines))
    lines = np.maximum(0.0, sold.lines - returned.lines - pending)
    amounts = np.maximum(0.0, sold.amounts - returned.amounts - pending * returns.cost * _mean_amount(sold))
    share = np.divide(lines, sold.lines, out=np.zeros_like(lines), where=sold.lines > 0.0)
    return Sold(lines, np.where(lines > 0.0, amounts, 0.0), sold.squares * share, sold.clicks)


def _mean_amount(sold: Sold) -> Floats:
    return np.divide(sold.amounts, sold.lines, out=np.zeros_like(sold.amounts), where=sold.lines > 0.0)
