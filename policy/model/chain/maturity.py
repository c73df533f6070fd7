"""The share of signals, of orders behind them and of returns that has come by now, from curves of delays.

A curve is what `policy.model.reward.delay_curve` answers: the share that comes within 1, 2, 4, ... seconds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policy.arrays import Floats
from policy.model.reward import POINTS, SECOND_MS, delay_curve, matured

LATE = 0.9
"""The share of a first stage that has to have come before its bucket says how long the second one takes."""
_SHARES = (np.arange(32) + 0.5) / 32


class Maturity(NamedTuple):
    """For the clicks of T tables, the shares in [0, 1] that have come by now, float64[T].

    `signals` of all signals; `via` of the orders that a signal precedes, which waited for both stages;
    `orders` of all orders, as in `Sales.maturity`.
    """

    signals: Floats
    via: Floats
    orders: Floats

    @property
    def after_signals(self) -> Floats:
        """The share of orders that has come for the signals that have come, float64[T] in [0, 1]."""
        return np.divide(self.via, self.signals, out=np.zeros_like(self.via), where=self.signals > 0.0).clip(0.0, 1.0)


def second_curve(counts: Floats, first: Floats, ages: Floats) -> Floats:
    """The curve of delays behind a first stage, float64[D], from counts [B, D] by bucket of the click.

    `first` is the curve from the click to the first stage, `ages` [B] how long ago the youngest click of each
    bucket was, in milliseconds.  A second stage began later than its click: buckets are so much younger.
    """
    return delay_curve(counts, np.maximum(0.0, ages - _quantiles(first, np.array([LATE]))[0]))


def stage_maturity(signal: Floats, order: Floats, all_orders: Floats, oldest: Floats, youngest: Floats) -> Maturity:
    """How far the stages have matured for clicks spread evenly over ages from `youngest` to `oldest` [T], milliseconds.

    Curves float64[D]: from the click to the signal, from the signal to the order, and from the click to any order.
    """
    spans = list(zip(oldest.tolist(), youngest.tolist(), strict=True))
    return Maturity(
        np.array([matured(signal, *span) for span in spans]),
        np.array([matured_through(signal, order, *span) for span in spans]),
        np.array([matured(all_orders, *span) for span in spans]),
    )


def matured_through(first: Floats, second: Floats, oldest_ms: float, youngest_ms: float) -> float:
    """The share of second stages that has come by now, both delays being independent, in [0, 1]."""
    ages = np.maximum(youngest_ms + (oldest_ms - youngest_ms) * POINTS, 0.0)
    left = ages[:, None] - _quantiles(first, _SHARES)[None, :]
    curve = np.concatenate([[0.0], second])
    return float(np.clip(np.interp(np.maximum(left, 0.0), _places(second), curve).mean(), 0.0, 1.0))


def return_maturity(order: Floats, returned: Floats, oldest: Floats, youngest: Floats) -> Floats:
    """Of the returns of the orders that have come, the share that has come, too, float64[T]; ages in milliseconds.

    Curves float64[D]: from the click to the order, and from the order to its return.
    """
    spans = zip(oldest.tolist(), youngest.tolist(), strict=True)
    shares = [(matured_through(order, returned, *span), matured(order, *span)) for span in spans]
    return np.array([min(1.0, both / orders) if orders > 0.0 else 0.0 for both, orders in shares])


def _quantiles(curve: Floats, shares: Floats) -> Floats:
    """The delays within which these shares come, milliseconds."""
    rising = np.maximum.accumulate(np.concatenate([[0.0], curve])) + 1e-12 * np.arange(len(curve) + 1)
    return np.interp(shares, rising, _places(curve))


def _places(curve: Floats) -> Floats:
    return np.concatenate([[0.0], SECOND_MS * np.exp2(np.arange(len(curve)))])
