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
"""Clicks that are taken to be followed by no order without a signal, beside those of the page."""
CAUTION = 4.0
"""Logarithm of how much likelier a weight of 0 is than 1 before orders are looked at: it takes more than a few orders
for signals to count."""
_WEIGHTS = np.linspace(0.0, 1.0, 11)
_HIDDEN = np.linspace(0.0, 1.0, 6)
_SHAPES = np.exp(np.linspace(np.log(0.3), np.log(1_000.0), 36))


class Chain(NamedTuple):
    """What is known of a page's stages before an item's own counts are looked at.

    `signal_rate` signals per click, with a prior weight of `signal_strength` clicks; `order_rate` order lines per
    signal; `direct_rate` order lines without a signal per click, of which the share `hidden` in [0, 1] goes with
    signals that nobody logged: the more signals an item has, the more of them.  `weight` in [0, 1] is how far the
    stages count against the page's conversion rate, `shape` the prior weight of what both let expect, in order lines.
    `evidence` is the logarithm of how much likelier the page's orders are with signals than without.
    """

    signal_rate: float
    signal_strength: float
    order_rate: float
    direct_rate: float
    hidden: float
    weight: float
    shape: float
    evidence: float = 0.0


class Expected(NamedTuple):
    """What signals let expect of A items: order lines per click, `rate`, and `lines` by now; float64[A].

    Both are uncertain where signals per click are: by the relative variance `besides` the lines, and, beyond what
    they have in common with these, by `variance` the rate.
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
        hidden=0.0,
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
    trials = chain.signal_strength + np.maximum(followed.clicks, followed.signals)
    signalled = (chain.signal_rate * chain.signal_strength + followed.signals) / trials
    part, aside = chain.weight, _aside(sold, followed)
    often = 1.0 - chain.hidden + chain.hidden * signalled / chain.signal_rate
    without = part * chain.direct_rate * often + (1.0 - part) * sales.conversion_rate
    rate = part * chain.order_rate * signalled + without
    lines = part * chain.order_rate * followed.matured + without * followed.ordering + aside * rate
    common, besides = _common(sold, followed, sales, chain)
    by_signals = _per_signal(chain) * (1.0 - common) / rate
    return Expected(rate, np.square(by_signals) * signalled * (1.0 - signalled) / (trials + 1.0), lines, besides)


def _common(sold: Sold, followed: Followed, sales: Sales, chain: Chain) -> tuple[Floats, Floats]:
    """How much of a relative error of signals per click is in lines by now, for each part of it in the rate.

    And the relative variance of these lines that comes of it.  Both float64[A] are as on the page: an item's own
    signals are not looked at, so that they move what is expected alone.
    """
    in_rate = _per_signal(chain) * chain.signal_rate
    if in_rate <= 0.0:
        return np.zeros_like(sold.clicks), np.zeros_like(sold.clicks)
    aside, hidden = _aside(sold, followed), chain.weight * chain.direct_rate * chain.hidden
    clicks = aside + followed.ordering
    in_lines = np.divide(
        aside * in_rate + followed.ordering * hidden, clicks, out=np.zeros_like(clicks), where=clicks > 0.0
    )
    page_rate = chain.weight * (chain.signal_rate * chain.order_rate + chain.direct_rate)
    page_rate += (1.0 - chain.weight) * sales.conversion_rate
    variance = 1.0 / (chain.signal_rate * (chain.signal_strength + followed.clicks))
    return in_lines / in_rate, np.square(in_lines / page_rate) * variance


def _per_signal(chain: Chain) -> float:
    """Order lines that a further signal per click lets expect."""
    return chain.weight * (chain.order_rate + chain.direct_rate * chain.hidden / chain.signal_rate)


def _aside(sold: Sold, followed: Followed) -> Floats:
    """Matured clicks of the tables whose signals do not count."""
    return np.maximum(0.0, sold.clicks - followed.ordering)


def _weighed(sold: Sold, followed: Followed, sales: Sales, chain: Chain) -> Chain:
    """The same with the means of weight, of what is hidden, and of log shape under the likelihood of items' orders."""
    doubt = -0.5 * np.square((np.log(_SHAPES) - np.log(DEFAULT)) / DOUBT)
    prior = -CAUTION * _WEIGHTS - float(logsumexp(-CAUTION * _WEIGHTS)) - np.log(len(_HIDDEN))
    score = np.empty((len(_WEIGHTS), len(_HIDDEN), len(_SHAPES)))
    for at, weight in enumerate(_WEIGHTS.tolist()):
        for row, hidden in enumerate(_HIDDEN.tolist()):
            expected = expect(sold, followed, sales, chain._replace(weight=weight, hidden=hidden))
            score[at, row] = prior[at] + doubt + _log_likelihood(sold.lines, expected)
    total = float(logsumexp(score))
    posterior = np.exp(score - total)
    return chain._replace(
        hidden=float((posterior.sum(axis=(0, 2)) * _HIDDEN).sum()),
        weight=float((posterior.sum(axis=(1, 2)) * _WEIGHTS).sum()),
        shape=float(np.exp((posterior.sum(axis=(0, 1)) * np.log(_SHAPES)).sum())),
        evidence=total - float(logsumexp(score[0, 0] - prior[0])),
    )


def _log_likelihood(lines: Floats, expected: Expected) -> Floats:
    """That of order lines [A] under each of `_SHAPES`, up to a constant."""
    positive = expected.lines > 0.0
    c, m = lines[positive], expected.lines[positive]
    k = 1.0 / (1.0 / _SHAPES[:, None] + expected.besides[positive])
    likelihood = gammaln(k + c) - gammaln(k) + k * np.log(k) - (k + c) * np.log(k + m) + c * np.log(m)
    total: Floats = likelihood.sum(axis=1)
    return total
