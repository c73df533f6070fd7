"""The value of a click: its own value, and the chance of a purchase times what that earns.

Two conjugate stages behind the click: a Beta for the share of clicks that end in
a purchase, and a normal for the mean of a purchase line.  Clicks too young to
have been followed by their purchase count only by the share that would have been.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Floats
from policy.model.posteriors import Beta
from policy.model.strength import fit_strength
from schemas.messages.parameters import Sales

PRIOR_SALES = 3.0
"""Purchase lines that the page's mean amount weighs as much as."""
SECOND_MS = 1_000
POINTS = (np.arange(16) + 0.5) / 16


class Sold(NamedTuple):
    """Purchases of A items: lines, their amounts and squared amounts (minor units), and matured clicks; float64[A]."""

    lines: Floats
    amounts: Floats
    squares: Floats
    clicks: Floats


class ClickValue(NamedTuple):
    """What is known of the value of a click on each arm; `amount` and its standard error in minor units, float64[A].

    A click has the value `click`, and a unit of money `earned` float64[A].
    """

    buying: Beta
    amount: Floats
    error: Floats
    click: float
    earned: Floats

    def only(self, eligible: NDArray[np.bool_]) -> ClickValue:
        """The same without the arms where `eligible`, bool[A], is false."""
        buying = Beta(self.buying.a[eligible], self.buying.b[eligible])
        return ClickValue(buying, self.amount[eligible], self.error[eligible], self.click, self.earned[eligible])

    @property
    def mean(self) -> Floats:
        """The expected value of a click, float64[A]."""
        click_value: Floats = self.click + self.buying.mean * self.amount * self.earned
        return click_value


def click_value(sold: Sold, sales: Sales, click: float, earned: Floats) -> ClickValue:
    """The value of a click on each arm, from its own purchases and the averages of the page.

    The mean amount is drawn to the page's with `PRIOR_SALES` lines, and its error
    comes from the spread of lines around both: one large order moves the mean by
    little and widens the error by much.
    """
    hits = sales.conversion_rate * sales.strength + sold.lines
    misses = (1.0 - sales.conversion_rate) * sales.strength + np.maximum(0.0, sold.clicks - sold.lines)
    lines = PRIOR_SALES + sold.lines
    amount = (PRIOR_SALES * sales.amount + sold.amounts) / lines
    own = np.divide(sold.amounts, sold.lines, out=np.zeros_like(amount), where=sold.lines > 0)
    spread = PRIOR_SALES * sales.deviation**2 + np.maximum(0.0, sold.squares - own * sold.amounts)
    spread = spread + PRIOR_SALES * sold.lines / lines * np.square(own - sales.amount)
    return ClickValue(Beta(hits, misses), amount, np.sqrt(spread) / lines, click, earned)


def fit_sales(sold: Sold, delays: Floats, maturity: dict[str, float]) -> Sales:
    """The averages of a page, from the purchases of all its items; the defaults where there are none."""
    lines, clicks = float(sold.lines.sum()), float(np.maximum(sold.clicks, sold.lines).sum())
    default = Sales()
    if lines <= 0.0:
        return Sales(delays=rounded(delays), maturity=maturity)
    rate = (lines + default.conversion_rate * default.strength) / (clicks + default.strength)
    rate = min(max(rate, 1e-6), 0.9)
    shape = fit_strength(sold.lines, np.maximum(sold.clicks, sold.lines) * rate)
    amount = float(sold.amounts.sum()) / lines
    deviation = float(np.sqrt(max(0.0, float(sold.squares.sum()) / lines - amount**2)))
    return Sales(
        conversion_rate=rate,
        strength=max(1.0, shape / rate),
        amount=amount,
        deviation=max(deviation, amount / 2.0),
        delays=rounded(delays),
        maturity=maturity,
    )


def delay_curve(purchases: Floats, ages: Floats) -> Floats:
    """The share of purchases within 1, 2, 4, ... seconds of their click, float64[D] up to 1.

    `purchases` [B, D] are counted by bucket of the click and by delay (bin 0 below a
    second, then one for each doubling), `ages` [B] say how long ago, in
    milliseconds, the youngest click of the bucket was.  A delay longer than that
    cannot have been observed yet, so short delays would be over-represented: the
    reverse-time hazard of Lagakos, Barraj and De Gruttola (1988), "Nonparametric
    analysis of truncated survival data", looks at each delay among buckets that
    were old enough for it.
    """
    curve = np.ones(purchases.shape[1])
    edges = SECOND_MS * np.exp2(np.arange(purchases.shape[1]))
    up_to = np.cumsum(purchases, axis=1)
    for at in range(purchases.shape[1] - 1, 0, -1):
        old = ages >= edges[at]
        among = up_to[old, at].sum()
        hazard = purchases[old, at].sum() / among if among > 0.0 else 0.0
        curve[at - 1] = curve[at] * (1.0 - hazard)
    return curve


def matured(curve: Floats, oldest_ms: float, youngest_ms: float) -> float:
    """The share of purchases that has come by now, for clicks spread evenly over ages between the two, in [0, 1]."""
    ages = np.maximum(youngest_ms + (oldest_ms - youngest_ms) * POINTS, 0.0)
    places = np.concatenate([[0.0], SECOND_MS * np.exp2(np.arange(len(curve)))])
    return float(np.clip(np.interp(ages, places, np.concatenate([[0.0], curve])).mean(), 0.0, 1.0))


def half_within(curve: Sequence[float]) -> float:
    """Within how many milliseconds half of all come, of the shares that come within 1, 2, 4, ... seconds."""
    places = [0.0, *(SECOND_MS * 2.0**at for at in range(len(curve)))]
    return float(np.interp(0.5, np.maximum.accumulate([0.0, *curve]), places))


def rounded(curve: Floats) -> list[float]:
    """A curve as messages have it."""
    return [round(float(share), 5) for share in curve]
