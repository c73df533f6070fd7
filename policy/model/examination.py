"""How likely a slot is looked at: a sensible curve to start from, and the one that clicks tell.

The position-based model (Richardson, Dominowska and Ragno 2007) says that a
click is a look times an attraction: clicks of row r in slot s are about
impressions[r, s] * look[s] * attraction[r].  Only products are seen, so looks
are distinguished from attractions by arms that stand in several slots: the variants
of a layout see to that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Counts, Floats

CURVE_CLICKS = 30.0
"""Expected clicks in a slot that weigh as much as the curve started from."""
ROW_CLICKS = 2.0
STEEPER = 0.5
"""How far the curve may be steeper than the one started from, or less steep: the spread of the logarithm of a power."""
_POWERS = np.exp(np.linspace(-1.5, 1.5, 61))
ROUNDS = 200
CLOSE = 1e-6
LEAST = 1e-3
"""No slot is taken to be looked at less: a slot without clicks would make its arms' clicks priceless."""


def examination(slots: Sequence[str], fitted: Mapping[str, float]) -> NDArray[np.float64]:
    """Probability that each of `slots` (in rendered order) is looked at, float64[S] in [0, 1].

    A slot that was not fitted gets 1 / log2(2 + position): the logarithmic
    discount of Järvelin and Kekäläinen (2002), "Cumulated gain-based evaluation
    of IR techniques", shifted so that the first slot is always looked at.  It
    falls more gently than a power law: too flat a curve only slows learning
    down, too steep a one lets the last slots' few clicks look like quality.
    """
    curve: NDArray[np.float64] = 1.0 / np.log2(2.0 + np.arange(len(slots)))
    for position, slot in enumerate(slots):
        if slot in fitted:
            curve[position] = fitted[slot]
    np.clip(curve, 0.0, 1.0, out=curve)
    return curve


def fit_examination(impressions: Counts, clicks: Counts, start: Floats, weight: float = CURVE_CLICKS) -> Floats:
    """The curve, float64[S] with largest value 1, from counts [R, S] of any rows (arms of segments, say).

    Maximises the Poisson likelihood of the model with a Gamma prior around
    `start` that weighs `weight` expected clicks in each slot, and one around the
    mean for each row, in turns: given one factor the other has a closed form.
    Curves differ most in how steep they are, and a few clicks show that, so the
    prior is around that power of `start` which all slots together make likely.
    EM over the hidden looks (Chuklin, Markov and de Rijke 2015, "Click models for
    web search", section 4.1.2) climbs to the same place, but moves by the share
    of looks that end in a click, so takes hundreds of times as many rounds at
    click rates of a percent.  Where no arm changes its slot, `start` is the answer.
    """
    views, clicked = np.asarray(impressions, dtype=np.float64), np.asarray(clicks, dtype=np.float64)
    first = np.clip(np.asarray(start, dtype=np.float64), LEAST, 1.0)
    curve = first / first.max() if len(first) else first
    total = clicked.sum()
    if total <= 0.0 or not len(first):
        return curve
    first, powers = curve, curve ** _POWERS[:, None]
    by_row, by_slot = clicked.sum(axis=1), clicked.sum(axis=0)
    for _ in range(ROUNDS):
        examinations = views @ curve
        mean = total / max(examinations.sum(), 1e-12)
        attraction = (by_row + ROW_CLICKS) / (examinations + ROW_CLICKS / mean)
        expected = attraction @ views
        likely = np.maximum(first ** _steepness(powers, by_slot, expected), LEAST)
        moved = (by_slot + weight) / (expected + weight / likely)
        moved = np.clip(moved / moved.max(), LEAST, 1.0)
        near = np.abs(moved - curve).max() < CLOSE
        curve = moved
        if near:
            break
    return curve


def _steepness(powers: Floats, clicks: Floats, expected: Floats) -> float:
    """The mean, by logarithm, of `_POWERS` whose curves [P, S] these are.

    It is estimated from clicks [S] and how many full examination would give: which slots they are in is multinomial.
    """
    shares, logs = powers * expected, np.log(_POWERS)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    score = np.log(np.maximum(shares, 1e-300)) @ clicks - 0.5 * np.square(logs / STEEPER)
    likely = np.exp(score - score.max())
    return float(np.exp((likely @ logs) / likely.sum()))
