"""By which factor clicks fall below a click, and below an item of the same category.

In a slot an item of a segment is clicked at a rate of item times slot times g to the power of the clicks above
times b to the power of the like items above.  With g = 1 and b = 1 that is the position-based model; g is the
dependent click model's chance of going on after a click over that without one (Guo, Liu and Wang
2009, "Efficient multiple-click models in web search"), and 0 the cascade of a single click.  Rates are low, so clicks
are counted as Poisson; given how often an item of a segment was clicked at all, its own rate drops out of the
likelihood (Hausman, Hall and Griliches 1984, "Econometric models for count data"), so no
error about items can be taken for an effect of what stands above them.  Items are compared with themselves within a
layout alone, whose slates visitors get by chance: what is shown in the next one depends on luck in this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from policy.arrays import Bools, Floats, Ints
from policy.model.visits.cells import EFFECTS, Cells

ROUNDS = 25
CLOSE = 1e-7
SLOT_SPREAD = 2.0
"""How far the logarithms of two slots' rates may be apart, about."""
EFFECT_SPREAD = 1.0
"""How far the logarithm of an effect may be from 0, about: without data both are 1."""
FURTHEST = 1.0
LEAST, MOST = 0.05, 20.0
FEWEST_CLICKS = 100.0
"""Clicks of a sample below which nothing is said."""
CERTAIN = 0.95
SURE = 0.8


class Effect(NamedTuple):
    """The factor for each click, or each like item, above: fitted to the whole sample, with a 95 % interval.

    `gain` is by how much the logarithm of the likelihood of page views grew that the factor was not fitted to,
    and `surely` what it exceeds with a chance of 80 %.
    """

    factor: float
    low: float
    high: float
    gain: float
    surely: float

    def holds(self, before: bool) -> bool:
        """Whether the effect is there: it takes a gain beyond chance, or, where it was there before, any."""
        return self.factor < 1.0 and self.gain > 0.0 and (before or (self.surely > 0.0 and self.high < 1.0))


class LogEffects(NamedTuple):
    """What is said of the logarithms of effects beforehand: means [K], and how many times more exact than nothing."""

    means: Floats
    weights: Floats


NOTHING = LogEffects(np.zeros(len(EFFECTS)), np.zeros(len(EFFECTS)))


class Effects(NamedTuple):
    """The effects of a page, and what they were fitted to."""

    after_click: Effect
    after_alike: Effect
    clicks: float
    shown: float


class _Fit(NamedTuple):
    """Logarithms of the effects [K] with their covariance, and the log-likelihood by pair [P]."""

    logs: Floats
    covariance: Floats
    likelihood: Floats


def fit_effects(halves: Sequence[Cells], whole: Cells, earlier: LogEffects = NOTHING) -> Effects | None:
    """The effects on a page from all of its sample, judged on each of two halves by what the other and `earlier` say.

    None where there are too few clicks.
    """
    clicks, shown = float(whole.clicks.sum()), float(whole.shown.sum())
    if clicks < FEWEST_CLICKS:
        return None
    cells = whole.of_clicked_pairs()
    even, odd = (half.of_clicked_pairs() for half in halves)
    free = np.ones(len(EFFECTS), dtype=np.bool_)
    every = _fit(cells, free)
    crossed = ((odd, _expected_of(_fit(even, free), earlier)), (even, _expected_of(_fit(odd, free), earlier)))
    gains = (np.concatenate([_gains(judged, logs, at) for judged, logs in crossed]) for at in range(len(EFFECTS)))
    after_click, after_alike = (_effect(every, at, of_pairs) for at, of_pairs in enumerate(gains))
    return Effects(after_click, after_alike, clicks, shown)


def _effect(fit: _Fit, at: int, gains: Floats) -> Effect:
    reach = float(ndtri((1.0 + CERTAIN) / 2.0) * np.sqrt(fit.covariance[at, at]))
    factor, low, high = np.clip(np.exp(fit.logs[at] + np.array([0.0, -reach, reach])), LEAST, MOST).tolist()
    gain, error = float(gains.sum()), float(np.sqrt(np.square(gains).sum()))
    return Effect(factor, low, high, gain, gain - float(ndtri(SURE)) * error)


def _expected_of(fit: _Fit, earlier: LogEffects) -> Floats:
    """What a fit and what was said before it let expect, each weighted by how exact it is."""
    own = 1.0 / np.diagonal(fit.covariance)
    logs: Floats = (own * fit.logs + earlier.weights * earlier.means) / (own + earlier.weights)
    return logs


def _gains(judged: Cells, logs: Floats, at: int) -> Floats:
    """By how much an effect that was fitted elsewhere makes the clicks of each pair likelier, float64[P]."""
    none = np.zeros(len(logs), dtype=np.bool_)
    without = np.where(np.arange(len(logs)) == at, 0.0, logs)
    gains: Floats = _fit(judged, none, logs).likelihood - _fit(judged, none, without).likelihood
    return gains


def _fit(cells: Cells, free: Bools, start: Floats | None = None) -> _Fit:
    """Slots, and those effects that are `free`, by Newton's method; others stay as `start` has them."""
    slots, pairs, effects = int(cells.slots.max(initial=-1)) + 1, cells.size, len(EFFECTS)
    totals = _sums(cells.pairs, cells.clicks, pairs)
    values = np.concatenate([np.zeros(slots), np.zeros(effects) if start is None else start])
    ridge = np.concatenate([np.full(slots, SLOT_SPREAD**-2), np.full(effects, EFFECT_SPREAD**-2)])
    moving = np.concatenate([np.ones(slots, dtype=np.bool_), free])
    for _ in range(ROUNDS):
        expected = _expected(cells, values, totals)
        slope, curvature = _derivatives(cells, expected, totals, slots)
        slope -= ridge * values
        curvature += np.diag(ridge)
        step = np.linalg.solve(curvature[np.ix_(moving, moving)], slope[moving])
        values[moving] += step * min(1.0, FURTHEST / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < CLOSE:
            break
    expected = _expected(cells, values, totals)
    shares = np.log(np.maximum(expected, 1e-300) / np.maximum(totals[cells.pairs], 1e-300))
    likelihood = _sums(cells.pairs, cells.clicks * shares, pairs)
    _, curvature = _derivatives(cells, expected, totals, slots)
    covariance = np.linalg.inv(curvature + np.diag(ridge))[slots:, slots:]
    return _Fit(values[slots:], np.asarray(covariance, dtype=np.float64), likelihood)


def _sums(places: Ints, weights: Floats, size: int) -> Floats:
    return np.bincount(places, weights, size).astype(np.float64)


def _expected(cells: Cells, values: Floats, totals: Floats) -> Floats:
    """Each pair's clicks as they are expected in its cells, float64[C]."""
    effects = cells.above.shape[1]
    scores = values[cells.slots] + cells.above @ values[len(values) - effects :]
    rates = cells.shown * np.exp(scores)
    sums = np.bincount(cells.pairs, rates, len(totals))
    expected: Floats = rates * (totals / np.maximum(sums, 1e-300))[cells.pairs]
    return expected


def _derivatives(cells: Cells, expected: Floats, totals: Floats, slots: int) -> tuple[Floats, Floats]:
    """Slope [S + K] of the log-likelihood and curvature [S + K, S + K]."""
    effects, missed = cells.above.shape[1], cells.clicks - expected
    size = slots + effects
    slope, curvature, of_pairs = np.zeros(size), np.zeros((size, size)), np.zeros((len(totals), size))
    slope[:slots] = np.bincount(cells.slots, missed, slots)
    slope[slots:] = missed @ cells.above
    curvature[range(slots), range(slots)] = np.bincount(cells.slots, expected, slots)
    weighted = expected[:, None] * cells.above
    of_pairs[:, :slots] = np.bincount(cells.pairs * slots + cells.slots, expected, len(totals) * slots).reshape(
        -1, slots
    )
    for at in range(effects):
        by_slot = np.bincount(cells.slots, weighted[:, at], slots)
        curvature[slots + at, :slots] = curvature[:slots, slots + at] = by_slot
        of_pairs[:, slots + at] = np.bincount(cells.pairs, weighted[:, at], len(totals))
    curvature[slots:, slots:] = cells.above.T @ weighted
    return slope, curvature - of_pairs.T @ (of_pairs / np.maximum(totals, 1e-300)[:, None])
