"""The averages of a page's stages, and how far signals foretell its orders (empirical Bayes; Robbins 1956)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, logsumexp

from policy.arrays import Floats
from policy.model.chain.stages import Followed
from policy.model.reward import Sold
from policy.model.strength import DEFAULT, DOUBT, fit_strength
from schemas.messages.parameters import Sales

PRIOR_SIGNALS = 20.0
"""Signals that are taken to be followed by no more orders than clicks are, beside those of the page."""
PRIOR_CLICKS = 50.0
CAUTION = 4.0
"""Logarithm of how much likelier a page's orders have to be by its signals than without, for signals to count half."""
_WEIGHTS = np.linspace(0.0, 1.0, 21)
_SHAPES = np.exp(np.linspace(np.log(0.3), np.log(1_000.0), 36))


class Chain(NamedTuple):
    """What is known of a page's stages before an item's own counts are looked at.

    `signal_rate` signals per click, with a prior weight of `signal_strength` clicks; `order_rate` order lines per
    signal; `direct_rate` order lines without a signal per click.  `weight` in [0, 1] is how far the stages count
    against the page's conversion rate, and `shape` the prior weight of what both let expect, in order lines.
    `evidence` is the logarithm of how much likelier the page's orders are with signals than without.
    """

    signal_rate: float
    signal_strength: float
    order_rate: float
    direct_rate: float
    weight: float
    shape: float
    evidence: float = 0.0


class Expected(NamedTuple):
    """What signals let expect of A items: order lines per click, their relative variance, and lines by now; float64[A].

    `besides` is the relative variance of `lines` that comes from clicks whose signals do not count.
    """

    rate: Floats
    variance: Floats
    lines: Floats
    besides: Floats


def fit_chain(sold: Sold, followed: Followed, sales: Sales) -> Chain | None:
    """The averages of a page from all its items; None where no signal says anything of orders.

    `weight` and `shape` are those under which the orders of the items are likely (negative binomial), on average
    over the posterior: where items' signals do not foretell their orders, for whatever reason, the weight is near 0
    and matured clicks decide.
    """
    signals, clicks = float(followed.signals.sum()), float(np.maximum(followed.clicks, followed.signals).sum())
    if signals <= 0.0 or float(followed.via.sum()) <= 0.0:
        return None
    rate = sales.conversion_rate
    signal_rate = min(max(signals / clicks, 1e-6), 0.99)
    matured, ordering = float(followed.matured.sum()), float(followed.ordering.sum())
    order_rate = (float(followed.via.sum()) + PRIOR_SIGNALS * rate) / (matured + PRIOR_SIGNALS)
    direct = max(0.0, float((followed.lines - followed.via).sum()))
    shape = fit_strength(followed.signals, np.maximum(followed.clicks, followed.signals) * signal_rate)
    chain = Chain(
        signal_rate=signal_rate,
        signal_strength=shape / signal_rate,
        order_rate=min(order_rate, 0.99),
        direct_rate=min(direct / (ordering + PRIOR_CLICKS), 0.99),
        weight=0.0,
        shape=rate * sales.strength,
    )
    return _weighed(sold, followed, sales, chain)


def choose_kind(sold: Sold, by_kind: Mapping[str, Followed], sales: Sales) -> tuple[str, Chain] | None:
    """The kind of signal that foretells a page's orders best, with its averages; None where none says anything.

    Kinds are not added up: a visitor who puts an item into the cart has viewed it, too.
    """
    chains = {kind: fit_chain(sold, followed, sales) for kind, followed in sorted(by_kind.items())}
    telling = [(kind, chain) for kind, chain in chains.items() if chain is not None]
    return max(telling, key=lambda pair: pair[1].evidence, default=None)


def expect(sold: Sold, followed: Followed, sales: Sales, chain: Chain) -> Expected:
    """What the signals of each item let expect, with the page's conversion rate for the rest of the weight.

    Clicks whose signals count were followed by so many orders as their signals have had time for; all others
    by the item's rate.
    """
    behind, part = chain.order_rate, chain.weight
    trials = chain.signal_strength + np.maximum(followed.clicks, followed.signals)
    signalled = (chain.signal_rate * chain.signal_strength + followed.signals) / trials
    rate = part * (signalled * behind + chain.direct_rate) + (1.0 - part) * sales.conversion_rate
    variance = np.square(part * behind / rate) * signalled * (1.0 - signalled) / (trials + 1.0)
    aside = _aside(sold, followed)
    stages = behind * followed.matured + chain.direct_rate * followed.ordering
    lines = part * stages + (1.0 - part) * sales.conversion_rate * followed.ordering + aside * rate
    return Expected(rate, variance, lines, _besides(sold, followed, sales, chain))


def _besides(sold: Sold, followed: Followed, sales: Sales, chain: Chain) -> Floats:
    """The relative variance of the lines expected of clicks whose signals do not count, for the share they are.

    That is as on the page: an item's own signals are not looked at, so that they move what is expected alone.
    """
    aside = _aside(sold, followed)
    share = np.divide(aside, sold.clicks, out=np.zeros_like(aside), where=sold.clicks > 0.0)
    by_signals = chain.weight * chain.signal_rate * chain.order_rate
    rest = chain.weight * chain.direct_rate + (1.0 - chain.weight) * sales.conversion_rate
    trials = chain.signal_strength + followed.clicks
    besides: Floats = np.square(share * by_signals / (by_signals + rest)) / (chain.signal_rate * trials)
    return besides


def _aside(sold: Sold, followed: Followed) -> Floats:
    """Matured clicks of the cells whose signals do not count."""
    return np.maximum(0.0, sold.clicks - followed.ordering)


def _weighed(sold: Sold, followed: Followed, sales: Sales, chain: Chain) -> Chain:
    """The same with the mean of weight and of log shape under the likelihood of all items' orders."""
    doubt = -0.5 * np.square((np.log(_SHAPES) - np.log(DEFAULT)) / DOUBT)
    weighed = (expect(sold, followed, sales, chain._replace(weight=weight)) for weight in _WEIGHTS.tolist())
    likelihoods = np.array([_log_likelihood(sold.lines, expected) for expected in weighed])
    score = likelihoods + doubt - CAUTION * _WEIGHTS[:, None]
    total = float(logsumexp(score))
    posterior = np.exp(score - total)
    return chain._replace(
        weight=float((posterior.sum(axis=1) * _WEIGHTS).sum()),
        shape=float(np.exp((posterior.sum(axis=0) * np.log(_SHAPES)).sum())),
        evidence=total - float(logsumexp(score[0]) + logsumexp(-CAUTION * _WEIGHTS)),
    )


def _log_likelihood(lines: Floats, expected: Expected) -> Floats:
    """That of order lines [A] under each of `_SHAPES`, up to a constant."""
    positive = expected.lines > 0.0
    c, m = lines[positive], expected.lines[positive]
    k = 1.0 / (1.0 / _SHAPES[:, None] + expected.besides[positive])
    likelihood = gammaln(k + c) - gammaln(k) + k * np.log(k) - (k + c) * np.log(k + m) + c * np.log(m)
    total: Floats = likelihood.sum(axis=1)
    return total
