"""The value of a click from all stages, in the place of `policy.model.reward.click_value`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policy.arrays import Floats
from policy.model.chain.fitting import Chain, expect
from policy.model.chain.returns import Returned, Returns, keep_chance, net_of_returns
from policy.model.chain.stages import Followed
from policy.model.posteriors import SMALLEST, Beta
from policy.model.reward import ClickValue, Sold, click_value
from schemas.messages.parameters import Sales

FEWEST_TRIALS = 0.01
"""The least weight of a Beta distribution, in clicks: moments that no Beta has are as uncertain as one can be."""


class SignalStage(NamedTuple):
    """What followed the clicks of A items, with the page's averages."""

    followed: Followed
    chain: Chain


class ReturnStage(NamedTuple):
    """What was returned of A items, with the page's averages."""

    returned: Returned
    averages: Returns


def chain_value(
    sold: Sold,
    sales: Sales,
    click: float,
    earned: Floats,
    signals: SignalStage | None = None,
    returns: ReturnStage | None = None,
) -> ClickValue:
    """The value of a click on each arm: that of an order that is kept, times its chance.

    Without `signals` and `returns` it is `policy.model.reward.click_value`, to the last bit.  With them, `buying`
    is the Beta distribution with mean and variance of all stages together, and amounts are net of returns.
    """
    value = click_value(sold, sales, click, earned)
    if signals is not None:
        value = value._replace(buying=order_chance(sold, signals.followed, sales, signals.chain))
    if returns is None:
        return value
    net = click_value(net_of_returns(sold, *returns), returns.averages.sales(sales), click, earned)
    return net._replace(buying=_product(value.buying, keep_chance(*returns)))


def order_chance(sold: Sold, followed: Followed, sales: Sales, chain: Chain) -> Beta:
    """Order lines per click of each item, as a Beta distribution with the mean and variance of the stages.

    The item's signals say what to expect: signals per click, times orders per signal, plus orders without a
    signal.  Its own orders, whether by a signal or not, are compared with those that its signals let expect by
    now, and correct that by a factor (Gamma distributed, conjugate).  So an item whose tier sends few signals is
    put right by its own orders, and orders of clicks whose signals do not count have their weight, too.
    """
    expected = expect(sold, followed, sales, chain)
    shape = 1.0 / (1.0 / chain.shape + expected.besides)
    mean = np.clip(expected.rate * (shape + sold.lines) / (shape + expected.lines), SMALLEST, 1.0 - SMALLEST)
    variance = np.square(mean) * (expected.variance + 1.0 / (shape + sold.lines))
    return _matched(mean, variance)


def _product(one_stage: Beta, next_stage: Beta) -> Beta:
    """The Beta distribution with mean and variance of the product of two that are independent."""
    means, squares = zip(*(_moments(stage) for stage in (one_stage, next_stage)), strict=True)
    mean = means[0] * means[1]
    return _matched(mean, squares[0] * squares[1] - np.square(mean))


def _moments(beta: Beta) -> tuple[Floats, Floats]:
    """The mean, and the mean of the square."""
    total = beta.a + beta.b
    return beta.mean, beta.mean * (beta.a + 1.0) / (total + 1.0)


def _matched(mean: Floats, variance: Floats) -> Beta:
    total = np.maximum(mean * (1.0 - mean) / np.maximum(variance, 1e-18) - 1.0, FEWEST_TRIALS)
    return Beta(np.maximum(mean * total, SMALLEST), np.maximum((1.0 - mean) * total, SMALLEST))
