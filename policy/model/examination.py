"""How likely a slot is looked at: a sensible curve to start from, and the one that clicks and visible times tell.

The position-based model (Richardson, Dominowska and Ragno 2007) says that a
click is a look times an attraction: clicks of row r in slot s are about
impressions[r, s] * look[s] * attraction[r].  Only products are seen, so looks
are distinguished from attractions by arms that stand in several slots: the variants
of a layout see to that.  For how long slots were visible says something about looks before there are
clicks: where people look on a page goes with what is in view, and for how long (Lagun, Hsieh, Webster and
Navalpakkam 2014, "Towards better measurement of attention and satisfaction in mobile search").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Counts, Floats
from policy.model.attraction import begin, fit_levels

CURVE_CLICKS = 30.0
"""Expected clicks in a slot that weigh as much as the curve started from."""
STEEPER = 0.5
"""How far the curve may be steeper than the one started from, or less steep: the spread of the logarithm of a power."""
TIMED_STEEPER = 0.25
"""The same where visible times have a part in that curve: they say themselves how steep it is."""
TIME_SHARES = (0.0, 0.5, 1.0)
"""The parts, equally likely at first, that visible times may have in a curve; clicks tell which."""
LOOK_MS = 5_000.0
"""A slot that is in view for so long is looked at by 63 % of those who look at all: more time adds ever less."""
TIMED_IMPRESSIONS = 200.0
"""Impressions of a slot with a visible time that weigh as much as the curve started from."""
_POWERS = np.exp(np.linspace(-1.5, 1.5, 61))
TURNS = 12
"""Turns of the curve and of what is expected of arms, at most."""
SETTLED = 1e-3
"""The turns end when none of the curve's values moved further."""
ROUNDS = 200
CLOSE = 1e-6
LEAST = 1e-3
"""No slot is taken to be looked at less: a slot without clicks would make its arms' clicks priceless."""


class VisibleTimes(NamedTuple):
    """For how long slots were visible, float64[S] each: how many impressions say so, and the sum in milliseconds."""

    timed: Floats
    visible_ms: Floats


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


def fit_examination(
    impressions: Counts,
    clicks: Counts,
    start: Floats,
    weight: float = CURVE_CLICKS,
    visible: VisibleTimes | None = None,
) -> Floats:
    """The curve, float64[S] with largest value 1, from counts [G, A, S] of segments and arms, or [A, S] of arms.

    Maximises the Poisson likelihood of the model with a Gamma prior around
    `start` that weighs `weight` expected clicks in each slot, and one for each pair of arm and
    segment around what is expected of it (`policy.model.attraction`), in turns: given one factor the
    other has a closed form.  Around the mean over impressions instead, which good arms make, slots
    where weak arms are tried would seem not to be looked at.
    Curves differ most in how steep they are, and a few clicks show that, so the
    prior is around that power of `start` which all slots together make likely.
    Where visible times are there, the prior is around such powers of `start`, of the curve that they make
    likely, and of one between both, each as much as clicks make it likely: so times that say
    nothing about looks have no say any more after some tens of clicks.
    EM over the hidden looks (Chuklin, Markov and de Rijke 2015, "Click models for
    web search", section 4.1.2) climbs to the same place, but moves by the share
    of looks that end in a click, so takes hundreds of times as many rounds at
    click rates of a percent.  Where no arm changes its slot, `start` is the answer.
    """
    views, clicked = (np.asarray(counts, dtype=np.float64) for counts in (impressions, clicks))
    if views.ndim == 2:
        views, clicked = views[None], clicked[None]
    first = np.clip(np.asarray(start, dtype=np.float64), LEAST, 1.0)
    if not len(first):
        return first
    shapes = _shapes(first / first.max(), visible)
    curve = _mean(shapes.curves, np.full(len(shapes.curves), 1.0 / len(shapes.curves)))
    curve /= curve.max()
    by_pair, by_slot = clicked.sum(axis=2), clicked.sum(axis=(0, 1))
    if by_pair.sum() <= 0.0:
        return curve
    levels = begin(by_pair, views @ curve)
    for _ in range(TURNS):
        before = curve
        levels = fit_levels(by_pair, views @ curve, levels)
        for _ in range(ROUNDS):
            attraction = (by_pair + levels.strength) / (views @ curve + levels.strength / levels.expected)
            expected = np.tensordot(attraction, views, axes=2)
            moved = _moved(shapes, by_slot, expected, weight)
            largest = float(moved.max())
            levels = levels._replace(mean=levels.mean * largest)
            moved = np.clip(moved / largest, LEAST, 1.0)
            near = np.abs(moved - curve).max() < CLOSE
            curve = moved
            if near:
                break
        if np.abs(curve - before).max() < SETTLED:
            break
    return curve


def move_curve(clicks: Floats, expected: Floats, start: Floats, weight: float = CURVE_CLICKS) -> Floats:
    """The curve [S] with largest value 1 of which clicks [S] tell, where full examination would give `expected` [S].

    One step of `fit_examination`, for what has several curves: rows, and columns of each kind of shelf.
    """
    first = np.clip(start, LEAST, 1.0)
    moved = _moved(_shapes(first / first.max(), None), clicks, expected, weight)
    return np.asarray(np.clip(moved / moved.max(), LEAST, 1.0), dtype=np.float64)


class _Shapes(NamedTuple):
    """Curves [B, S] that the prior may be around, their powers [B, P, S], and the logarithms of the priors [B, P]."""

    curves: Floats
    powers: Floats
    priors: Floats


def _shapes(first: Floats, visible: VisibleTimes | None) -> _Shapes:
    """The curve started from alone, or mixed with what visible times say."""
    if visible is None or not visible.timed.any():
        shares, curves = np.zeros(1), first[None]
    else:
        shares = np.array(TIME_SHARES)
        curves = np.exp(np.outer(1.0 - shares, np.log(first)) + np.outer(shares, np.log(_timed(first, visible))))
    spreads = np.where(shares > 0.0, TIMED_STEEPER, STEEPER)
    priors = -0.5 * np.square(np.log(_POWERS) / spreads[:, None])
    priors -= np.log(np.exp(priors).sum(axis=1, keepdims=True))
    return _Shapes(curves, curves[:, None, :] ** _POWERS[:, None], priors)


def _timed(first: Floats, visible: VisibleTimes) -> Floats:
    """The curve [S] of visible times, at the level of `first`; slots with few of them keep what they have there."""
    weights = visible.timed / (visible.timed + TIMED_IMPRESSIONS)
    times = visible.visible_ms / np.maximum(visible.timed, 1e-12)
    ratios = np.log(np.maximum(-np.expm1(-times / LOOK_MS), LEAST) / first)
    level = (weights @ ratios) / weights.sum()
    curve = first * np.exp(weights * (ratios - level))
    return np.asarray(np.maximum(curve / curve.max(), LEAST))


def _moved(shapes: _Shapes, clicks: Floats, expected: Floats, weight: float) -> Floats:
    """The curve [S] of clicks [S] and what full examination would give [S], at their scale."""
    likely = np.maximum(_likely(shapes, clicks, expected), LEAST)
    return (clicks + weight) / (expected + weight / likely)


def _likely(shapes: _Shapes, clicks: Floats, expected: Floats) -> Floats:
    """The mean curve [S], by logarithm, of those of `shapes`, each to the mean power by logarithm.

    How likely they are is estimated from clicks [S] and how many full examination would give: which slots
    they are in is multinomial.
    """
    parts = shapes.powers * expected
    parts /= np.maximum(parts.sum(axis=2, keepdims=True), 1e-300)
    score = np.log(np.maximum(parts, 1e-300)) @ clicks + shapes.priors
    likely = np.exp(score - score.max())
    of_shape = likely.sum(axis=1)
    powers = np.exp((likely @ np.log(_POWERS)) / np.maximum(of_shape, 1e-300))
    return _mean(shapes.curves, powers * of_shape / of_shape.sum())


def _mean(curves: Floats, weights: Floats) -> Floats:
    """The mean of curves [B, S] by logarithm."""
    return np.asarray(np.exp(weights @ np.log(curves)))
