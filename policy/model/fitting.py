"""From the counts of all segments of a page to its parameters: examination, interest, strengths, sales.

One function of arrays; the same counts give the same parameters.  A page with
little data gets parameters that are little more than what it started from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from msgspec import UNSET
from msgspec.structs import replace
from scipy.special import expit, logit

from policy.arrays import Floats, Indices
from policy.model.directions import directions_of
from policy.model.examination import VisibleTimes, examination, fit_examination
from policy.model.features import Features, Scales
from policy.model.interest import NO_WEIGHT, damping, fit_affinity, fit_interest
from policy.model.posteriors import DayCounts
from policy.model.priors import factor_of, factor_weight, packed, strength_of
from policy.model.strength import DEFAULT, fit_strength
from policy.segments.affinity import affinities
from schemas.messages.parameters import AffinityFit, PolicyParameters, Sales, SegmentFit

QUANTITY, LABEL, TEXT, PICTURE, BASE = range(5)
ROUNDS = 4
"""Turns of page and segments: two stop short, and eight order a simulated shop's arms no better."""


@dataclass(frozen=True, slots=True, eq=False)
class PageCounts:
    """Counts of learned traffic: G segments, A items, S slots in rendered order; may be weighted by age.

    `impressions` and `clicks` are [G, A, S]; `visible` is of all segments and items.  `by_day` has the same as it was
    counted, by day; without it all days are taken to tell as much.
    """

    segments: Sequence[str]
    items: Sequence[str]
    slots: Sequence[str]
    impressions: Floats
    clicks: Floats
    visible: VisibleTimes | None = None
    by_day: DayCounts | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """What is known of a page's items: features [A, F] with their scales, vectors [A, D] of texts and of pictures.

    Each kind of vector is of one model, and its weights have a ridge of their own: so the evidence says which of them
    tells more.  The weight of `affinity` is fitted, whatever it is here.
    """

    features: Features
    scales: Scales
    vectors: Floats | None = None
    model: str = ""
    pictures: Floats | None = None
    picture_model: str = ""
    affinity: AffinityFit | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Values [A, K] that weights are fitted for, their groups, and by group the directions in vectors [D, T]."""

    values: Floats
    groups: np.ndarray[tuple[int], np.dtype[np.intp]]
    directions: Mapping[int, Floats]


def fit_page(
    page: str,
    counts: PageCounts,
    described: Described,
    fitted_at: int,
    base: tuple[float, float],
    curve: Mapping[str, float] | None = None,
    sales: Sales | None = None,
    drift: float = 0.0,
) -> PolicyParameters:
    """The parameters of a page; `version` is 0.

    `base` is the click rate to start from and its strength in examined impressions,
    and `curve` the examination to start from (what is known of all pages).  `drift` is the variance by which
    logarithms of click rates move in a day: so much do clicks of older days count less for what is an arm's own.
    """
    start = examination(counts.slots, curve or {})
    slot_examination = fit_examination(counts.impressions, counts.clicks, start, visible=counts.visible)
    trials = counts.impressions @ slot_examination
    clicks = counts.clicks.sum(axis=2)
    default, strength = base
    rate = (clicks.sum() + default * strength) / (trials.sum() + strength)
    rate = _possible(rate)
    affinity = affinities(described.affinity, counts.segments, counts.items)
    levels = _fit_levels(clicks, trials, float(logit(rate)), _table(described), affinity)
    spread = 1.0 / levels.arm_strength + 1.0 / levels.segment_strength + levels.variance
    own = _own_counts(counts, slot_examination, trials, levels, drift)
    return PolicyParameters(
        page=page,
        version=0,
        fitted_at=fitted_at,
        click_rate=_possible(expit(logit(rate) + levels.base)),
        strength=float(strength_of(np.array(rate), spread)),
        examination={slot: round(float(share), 5) for slot, share in zip(counts.slots, slot_examination, strict=True)},
        scales={name: (float(centre), float(width)) for name, (centre, width) in described.scales.items()},
        weights=_named(described.features.names, levels.page),
        text_model=described.model if described.vectors is not None else "",
        text=levels.packed(TEXT, levels.page),
        picture_model=described.picture_model if described.pictures is not None else "",
        picture=levels.packed(PICTURE, levels.page),
        segments=_segment_fits(counts.segments, described.features.names, own.examined, levels),
        arms={
            item: (round(float(arm_clicks), 3), round(float(expected), 3))
            for item, arm_clicks, expected in zip(counts.items, own.clicks, own.expected, strict=True)
            if expected > 0.0
        },
        arm_strength=levels.arm_strength,
        segment_strength=levels.segment_strength,
        variance=levels.variance,
        sales=sales or Sales(),
        affinity=replace(described.affinity, weight=round(levels.affinity, 5)) if described.affinity else UNSET,
    )


class _OwnCounts(NamedTuple):
    """What is remembered: looks [G, A], and an arm's clicks [A] and those expected, in all segments.

    Clicks are damped (`policy.model.interest.damping`), as each pair of segment and arm has a factor of its own,
    and policies show an arm most where that is large.
    """

    examined: Floats
    clicks: Floats
    expected: Floats


def _own_counts(counts: PageCounts, examination: Floats, trials: Floats, levels: _Levels, drift: float) -> _OwnCounts:
    """Only what is an arm's own is forgotten: what is shown lately are good arms, so that all would seem to be so."""
    clicks, days = counts.clicks.sum(axis=2), counts.by_day
    if drift and days is not None:
        trials, clicks = days.remembered(trials, examination, levels.interest * levels.factor, drift)
    expected = trials * levels.interest
    damped = damping(expected * levels.factor, levels.segment_strength)
    return _OwnCounts(trials, (clicks * damped).sum(axis=0), (expected * damped).sum(axis=0))


def _segment_fits(
    segments: Sequence[str], names: Sequence[str], examined: Floats, levels: _Levels
) -> dict[str, SegmentFit]:
    """What was fitted for each segment; `examined` are its impressions that were looked at, float64[G, A]."""
    rows = zip(segments, levels.segments, examined, levels.variances, strict=True)
    return {
        segment: SegmentFit(
            base=round(float(weights[-1]), 5),
            weights=_named(names, weights),
            text=levels.packed(TEXT, weights),
            picture=levels.packed(PICTURE, weights),
            examined=round(float(own.sum()), 3),
            variance=float(variance),
        )
        for segment, weights, own, variance in rows
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Levels:
    """Page weights [K], segment weights [G, K + 1] with the base last, interest [G, A], arms' factors [A], shapes."""

    base: float
    page: Floats
    segments: Floats
    interest: Floats
    factor: Floats
    arm_strength: float
    segment_strength: float
    variance: float
    variances: Floats
    affinity: float
    table: _Table

    def packed(self, group: int, weights: Floats) -> bytes:
        """The weights of the vectors of a group, as they are published."""
        directions = self.table.directions.get(group)
        if directions is None:
            return b""
        return packed(directions @ weights[: len(self.table.groups)][self.table.groups == group])


class _Shared(NamedTuple):
    """What segments have in common: weights [K + 1], their doubt, the arms' own factors [A] with shape and weight."""

    weights: Floats
    variance: float
    strength: float
    weight: float
    factor: Floats


def _fit_levels(clicks: Floats, trials: Floats, rate: float, table: _Table, affinity: Floats) -> _Levels:
    """Page and segment weights in turns with that of affinities [G, A], and the strengths of what is unexplained."""
    ones = np.ones((len(table.values), 1))
    values = np.concatenate([table.values, ones], axis=1)
    groups = np.append(table.groups, BASE)
    shared = _Shared(np.zeros(values.shape[1]), 0.0, DEFAULT, DEFAULT, np.ones(len(values)))
    own, variances, segment = np.zeros((len(clicks), values.shape[1])), np.zeros(len(clicks)), DEFAULT
    apart, expected, liked = np.zeros_like(clicks), trials * expit(rate), NO_WEIGHT
    for _ in range(ROUNDS):
        damped = damping(expected * shared.factor, segment)
        damped_clicks = clicks * damped
        # What segments differ by is an offset of the page's fit, and the other way about.
        liking = liked.weight * affinity
        shared = _fit_shared(values, groups, damped_clicks, trials * damped, rate, apart + liking, shared.strength)
        of_page = rate + values @ shared.weights
        score = of_page + liking
        others, expected = _others(damped_clicks), trials * expit(score + apart)
        # What a segment differs by is seen around what the others say of an arm, which is doubtful.
        factors, variance = factor_of(shared.weight, others, _others(expected * damped)), 1.0 / (shared.weight + others)
        spread = 1.0 / segment + variance
        own, _, variances = fit_interest(values, groups, clicks, trials, score + np.log(factors), 1.0 / spread)
        apart = own @ values.T
        if affinity.any():
            liked = fit_affinity(affinity, clicks, trials, of_page + apart + np.log(factors), 1.0 / spread, liked)
            variances = variances + liked.variance * np.square(affinity).mean(axis=1)
        interest = expit(of_page + liked.weight * affinity + apart)
        expected = trials * interest
        segment = fit_strength(clicks, expected * factors, variance - variances[:, None])
    return _Levels(
        base=float(shared.weights[-1]),
        page=shared.weights[:-1],
        segments=own,
        interest=interest,
        factor=shared.factor,
        arm_strength=shared.strength,
        segment_strength=segment,
        variance=shared.variance,
        variances=variances,
        affinity=liked.weight,
        table=table,
    )


def _fit_shared(
    values: Floats, groups: Indices, clicks: Floats, trials: Floats, rate: float, scores: Floats, strength: float
) -> _Shared:
    """From damped counts [G, A], around the segments' own scores [G, A]."""
    total_clicks, total_trials = clicks.sum(axis=0), trials.sum(axis=0)
    mixed = rate + _mixed(scores.T, trials)
    fit = fit_interest(values, groups, total_clicks[None], total_trials[None], mixed[None], strength)
    weights, variance = fit.weights[0], float(fit.variance[0])
    expected = (trials * expit(rate + values @ weights + scores)).sum(axis=0)
    arm = fit_strength(total_clicks, expected, -variance)
    weight = factor_weight(arm, variance)
    return _Shared(weights, variance, arm, weight, factor_of(weight, total_clicks, expected))


def _others(counts: Floats) -> Floats:
    """What the other segments have of each arm, [G, A]."""
    return np.asarray(counts.sum(axis=0) - counts, dtype=np.float64)


def _mixed(scores: Floats, trials: Floats) -> Floats:
    """The mean over segments of [A, G] scores by where each arm was shown, float64[A]."""
    weights = trials.T
    total = weights.sum(axis=1)
    mean: Floats = np.divide((scores * weights).sum(axis=1), total, out=np.zeros(len(total)), where=total > 0.0)
    return mean


def _table(described: Described) -> _Table:
    """Features beside the directions of the vectors, with the group of each."""
    features = described.features
    groups = [LABEL if "=" in name else QUANTITY for name in features.names]
    values, directions = [features.values], dict[int, Floats]()
    for group, vectors in ((TEXT, described.vectors), (PICTURE, described.pictures)):
        if vectors is not None and (axes := directions_of(vectors)).size:
            directions[group] = axes
            values.append(vectors @ axes)
            groups += [group] * axes.shape[1]
    return _Table(np.concatenate(values, axis=1), np.array(groups, dtype=np.intp), directions)


def _possible(rate: float) -> float:
    """A click rate, not 0 and not 1 however odd the counts are."""
    return float(np.clip(rate, 1e-6, 0.9))


def _named(names: Sequence[str], weights: Floats) -> dict[str, float]:
    return {
        name: round(float(weight), 5) for name, weight in zip(names, weights, strict=False) if abs(weight) >= 0.5e-5
    }
