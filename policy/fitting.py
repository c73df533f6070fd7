"""From the counts of all segments of a page to its parameters: examination, interest, strengths, sales.

One function of arrays; the same counts give the same parameters.  A page with
little data gets parameters that are little more than what it started from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.special import expit, logit

from policy.examination import examination, fit_examination
from policy.features import Features, Scales
from policy.interest import fit_interest
from policy.posteriors import Floats
from policy.priors import packed, strength_of
from policy.strength import USUAL, fit_strength
from schemas.messages import PolicyParameters, Sales, SegmentFit

DIRECTIONS = 32
"""Directions of the text vectors that weights are fitted in: those in which a page's items differ most."""
QUANTITY, LABEL, TEXT, BASE = range(4)
ROUNDS = 2


@dataclass(frozen=True, slots=True, eq=False)
class PageCounts:
    """Counts of learned traffic: G segments, A items, S slots in rendered order; may be weighted by age.

    `impressions` and `clicks` are [G, A, S].
    """

    segments: Sequence[str]
    items: Sequence[str]
    slots: Sequence[str]
    impressions: Floats
    clicks: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """What is known of a page's items: features [A, F] with their scales, text vectors [A, D] of a model."""

    features: Features
    scales: Scales
    vectors: Floats | None = None
    model: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Values [A, K] that weights are fitted for, their groups, and how text directions lie in vectors [D, T]."""

    values: Floats
    groups: np.ndarray[tuple[int], np.dtype[np.intp]]
    named: int
    directions: Floats


def fit_page(
    page: str,
    counts: PageCounts,
    described: Described,
    fitted_at: int,
    base: tuple[float, float],
    curve: Mapping[str, float] | None = None,
    sales: Sales | None = None,
) -> PolicyParameters:
    """The parameters of a page; `version` is 0.

    `base` is the click rate to start from and its strength in examined impressions,
    and `curve` the examination to start from (what is known of all pages).
    """
    start = examination(counts.slots, curve or {})
    rows = (-1, len(counts.slots))
    looks = fit_examination(counts.impressions.reshape(rows), counts.clicks.reshape(rows), start)
    trials = counts.impressions @ looks
    clicks = counts.clicks.sum(axis=2)
    usual, strength = base
    rate = (clicks.sum() + usual * strength) / (trials.sum() + strength)
    rate = float(np.clip(rate, 1e-6, 0.9))
    levels = _fit_levels(clicks, trials, float(logit(rate)), _table(described))
    spread = 1.0 / levels.arm_strength + 1.0 / levels.segment_strength + levels.doubt
    return PolicyParameters(
        page=page,
        version=0,
        fitted_at=fitted_at,
        click_rate=float(expit(logit(rate) + levels.base)),
        strength=float(strength_of(np.array(rate), spread)),
        examination={slot: round(float(look), 5) for slot, look in zip(counts.slots, looks, strict=True)},
        scales={name: (float(centre), float(width)) for name, (centre, width) in described.scales.items()},
        weights=_named(described.features.names, levels.page),
        text_model=described.model if described.vectors is not None else "",
        text=levels.text(levels.page),
        segments={
            segment: SegmentFit(
                base=round(float(weights[-1]), 5),
                weights=_named(described.features.names, weights),
                text=levels.text(weights),
                share=float(share),
                doubt=float(doubt),
            )
            for segment, weights, share, doubt in zip(
                counts.segments, levels.segments, levels.shares, levels.doubts, strict=True
            )
        },
        arms={
            item: (round(float(seen), 3), round(float(expected), 3))
            for item, seen, expected in zip(counts.items, clicks.sum(axis=0), levels.expected, strict=True)
            if expected > 0.0
        },
        arm_strength=levels.arm_strength,
        segment_strength=levels.segment_strength,
        doubt=levels.doubt,
        sales=sales or Sales(),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Levels:
    """Page weights [K], segment weights [G, K + 1] with the base last, expected clicks [A], shares [G], shapes."""

    base: float
    page: Floats
    segments: Floats
    expected: Floats
    shares: Floats
    arm_strength: float
    segment_strength: float
    doubt: float
    doubts: Floats
    table: _Table

    def text(self, weights: Floats) -> bytes:
        named, directions = self.table.named, self.table.directions
        if not directions.size:
            return b""
        return packed(directions @ weights[named : named + directions.shape[1]])


def _fit_levels(clicks: Floats, trials: Floats, rate: float, table: _Table) -> _Levels:
    """Page and segment weights in turns with the strengths of what they leave unexplained."""
    ones = np.ones((len(table.values), 1))
    values = np.concatenate([table.values, ones], axis=1)
    groups = np.append(table.groups, BASE)
    arm, segment = USUAL, USUAL
    page = np.zeros(values.shape[1])
    own = np.zeros((len(clicks), values.shape[1]))
    doubt, doubts, expected = 0.0, np.zeros(len(clicks)), trials * expit(rate)
    together, tried = clicks.sum(axis=0), trials.sum(axis=0)
    for _ in range(ROUNDS):
        # What segments differ by is an offset of the page's fit, and the other way about.
        mixed = _mixed(values @ own.T, trials)
        fit = fit_interest(values, groups, together[None], tried[None], rate + mixed[None], arm)
        page, doubt = fit.weights[0], float(fit.doubt[0])
        expected = trials * expit(rate + values @ page + (values @ own.T).T)
        arm = fit_strength(together, expected.sum(axis=0), -doubt)
        weight = 1.0 / (1.0 / arm + doubt)
        factor = (weight + together) / (weight + expected.sum(axis=0))
        offset = np.broadcast_to(rate + values @ page + np.log(factor), trials.shape)
        fit = fit_interest(values, groups, clicks, trials, offset, segment)
        own, doubts = fit.weights, fit.doubt
        expected = trials * expit(rate + values @ page + (values @ own.T).T)
        others, without = together - clicks, expected.sum(axis=0) - expected
        factors = (weight + others) / (weight + without)
        segment = fit_strength(clicks, expected * factors, 1.0 / (weight + others) - doubts[:, None])
    total = expected.sum()
    shares = expected.sum(axis=1) / total if total > 0.0 else np.zeros(len(expected))
    base = float(page[-1])
    return _Levels(base, page[:-1], own, expected.sum(axis=0), shares, arm, segment, doubt, doubts, table)


def _mixed(scores: Floats, trials: Floats) -> Floats:
    """The mean over segments of [A, G] scores by where each arm was shown, float64[A]."""
    shown = trials.T
    total = shown.sum(axis=1)
    mean: Floats = np.divide((scores * shown).sum(axis=1), total, out=np.zeros(len(total)), where=total > 0.0)
    return mean


def _table(described: Described) -> _Table:
    """Features beside the directions of the vectors, with the group of each."""
    features, vectors = described.features, described.vectors
    groups = [LABEL if "=" in name else QUANTITY for name in features.names]
    directions = np.zeros((0, 0)) if vectors is None else _directions(vectors)
    values = features.values
    if vectors is not None and directions.size:
        values = np.concatenate([values, vectors @ directions], axis=1)
        groups += [TEXT] * directions.shape[1]
    return _Table(values, np.array(groups, dtype=np.intp), len(features.names), directions)


def _directions(vectors: Floats) -> Floats:
    """Principal directions of the vectors, float64[D, T], scaled so that the first has values of size 1.

    The mean is not taken off: it ends up in the base rate.
    """
    centred = vectors - vectors.mean(axis=0) if len(vectors) else vectors
    known = centred[np.abs(vectors).sum(axis=1) > 0.0]
    if len(known) < 2:
        return np.zeros((vectors.shape[1], 0))
    sizes, axes = _principal(known)
    kept = int((sizes > sizes[0] * 1e-3).sum()) if sizes[0] > 0 else 0
    return np.asarray(axes[:, :kept] * (np.sqrt(len(known)) / max(sizes[0], 1e-12)), dtype=np.float64)


def _principal(rows: Floats) -> tuple[Floats, Floats]:
    """The largest singular values, at most `DIRECTIONS`, with their right axes [D, T]."""
    count, size = rows.shape
    if count <= size:
        _, sizes, axes = np.linalg.svd(rows, full_matrices=False)
        return sizes[:DIRECTIONS], axes[:DIRECTIONS].T
    squares, columns = eigh(rows.T @ rows, subset_by_index=(max(0, size - DIRECTIONS), size - 1))
    return np.sqrt(np.maximum(squares[::-1], 0.0)), columns[:, ::-1]


def _named(names: Sequence[str], weights: Floats) -> dict[str, float]:
    return {
        name: round(float(weight), 5) for name, weight in zip(names, weights, strict=False) if abs(weight) >= 0.5e-5
    }
