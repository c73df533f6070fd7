"""Where an arm's attractiveness starts: from fitted parameters to one Beta prior per arm.

Three levels, from far to near: the interest model says what the arm's features
let expect in the segment; the arm's clicks in the page's other segments correct
that by a factor; what is left is for the segment's own clicks to say.  Each level
weighs as much as the data showed it deserves.  The segment's own clicks are part of
those of the page, and the posterior counts them: so they are taken off these first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from policy.arrays import Bools, Floats, Vectors
from policy.model.features import Features
from policy.model.interest import damping
from policy.model.posteriors import Prior
from policy.segments.affinity import affinities
from schemas.messages.parameters import PolicyParameters, SegmentFit

LOWEST, HIGHEST = 1e-6, 0.9
WHOLE_PAGE = "*"
MOST_DOUBT = 1.0
"""More doubt than this about weights says nothing of their mean."""
_STRANGER = SegmentFit()


class Fitted(NamedTuple):
    """What was fitted for arms: their interest in a segment, clicks on the page and those expected, float64[A] each."""

    interest: Floats
    clicks: Floats
    expected: Floats


class ArmPriors(NamedTuple):
    """A prior per arm, and two factors of its mean beside interest, float64[A]: for doubt, and from other segments."""

    prior: Prior
    variance: Floats
    factor: Floats


class Scores(NamedTuple):
    """On the logit scale what features let expect of arms, and what texts and pictures add, NaN without; float64[A].

    An arm has the same scores to the bit whatever other arms are scored beside it.
    """

    features: Floats
    texts: Floats
    pictures: Floats


def interest(
    parameters: PolicyParameters,
    segment: str,
    features: Features,
    vectors: Floats | None,
    pictures: Floats | None = None,
    affinity: Floats | float = 0.0,
) -> Floats:
    """The mean attractiveness that features [A, F] and vectors of texts and pictures let expect, float64[A] in (0, 1).

    A segment that was not fitted is taken for the page's average.  Vectors of
    another size than the fitted weights, which are of another model, are left out.
    `affinity` is what that adds for each arm, `affinity_scores`.
    """
    fit = parameters.segments.get(segment, _STRANGER)
    weights = [parameters.weights.get(name, 0.0) + fit.weights.get(name, 0.0) for name in features.names]
    score = logit(parameters.click_rate) + fit.base + features.values @ np.array(weights, dtype=np.float64) + affinity
    for kind, matrix in (("text", vectors), ("picture", pictures)):
        if matrix is not None:
            for vector_weights in weights_of(parameters, segment, kind, matrix.shape[1]):
                score = score + matrix @ vector_weights
    return _likelihood(score)


def affinity_scores(parameters: PolicyParameters, segment: str, items: Sequence[str]) -> Floats:
    """What having an affinity to the segment adds for each item, float64[A], logit scale."""
    if not parameters.affinity:
        return np.zeros(len(items))
    added: Floats = parameters.affinity.weight * affinities(parameters.affinity, [segment], items)[0]
    return added


def weights_of(parameters: PolicyParameters, segment: str, kind: str, size: int) -> Iterator[Floats]:
    """The weights, float64[`size`], of page and segment for vectors of a kind: "text" or "picture".

    Those of another size, which are for another model, are left out.
    """
    for part in (parameters, parameters.segments.get(segment, _STRANGER)):
        weights = unpacked(getattr(part, kind))
        if len(weights) == size:
            yield weights


def scores(
    parameters: PolicyParameters,
    segment: str,
    features: Features,
    texts: tuple[Vectors, Bools],
    pictures: tuple[Vectors, Bools],
) -> Scores:
    """What `interest` is made of, of arms with `features` [A, F] and vectors [A, D], which not all have, bool[A].

    A product of matrices may add up a row in another order when there are more rows, so each is added up alone.
    """
    fit = parameters.segments.get(segment, _STRANGER)
    weights = [parameters.weights.get(name, 0.0) + fit.weights.get(name, 0.0) for name in features.names]
    described = (features.values * np.array(weights, dtype=np.float64)).sum(axis=1)
    added = [_added(parameters, segment, kind, *those) for kind, those in (("text", texts), ("picture", pictures))]
    return Scores(logit(parameters.click_rate) + fit.base + described, *added)


def _added(parameters: PolicyParameters, segment: str, kind: str, vectors: Vectors, has: Bools) -> Floats:
    added = np.where(has, 0.0, np.nan)
    for weights in weights_of(parameters, segment, kind, vectors.shape[1]):
        added += (vectors * weights).sum(axis=1)
    return added


def interest_of(scored: Scores) -> Floats:
    """The mean attractiveness of arms by their scores, float64[A]; one without a vector has the others' average."""
    score = scored.features
    for added in (scored.texts, scored.pictures):
        has = ~np.isnan(added)
        score = score + np.where(has, added, added[has].mean() if has.any() else 0.0)
    return _likelihood(score)


def _likelihood(score: Floats) -> Floats:
    likelihood: Floats = np.clip(expit(score), LOWEST, HIGHEST)
    return likelihood


def fitted(
    parameters: PolicyParameters,
    segment: str,
    items: Sequence[str],
    features: Features,
    vectors: Floats | None = None,
    pictures: Floats | None = None,
) -> Fitted:
    """What the parameters say of each of `items`, with `features` [A, F] and vectors [A, D] of just these."""
    arms = np.array([parameters.arms.get(item, (0.0, 0.0)) for item in items], dtype=np.float64).reshape(-1, 2)
    affinity = affinity_scores(parameters, segment, items)
    return Fitted(interest(parameters, segment, features, vectors, pictures, affinity), *arms.T)


def arm_priors(parameters: PolicyParameters, segment: str, arms: Fitted, clicks: Floats, examined: Floats) -> ArmPriors:
    """The prior of each arm for a segment, whose own clicks and examined impressions are float64[A].

    Mean and relative variance of interest and factor give mean and strength of the
    Beta.  The interest is that of the likeliest weights times the mean of a log-normal
    factor whose logarithm has mean 0 and the variance of what is doubtful about them,
    exp(variance / 2): else arms that were hardly shown, of which most is in doubt,
    would be thought too little of.
    """
    fit = parameters.segments.get(segment, _STRANGER)
    weight = factor_weight(parameters.arm_strength, parameters.variance)
    others, expected = _others(parameters, segment, arms, clicks, examined, weight)
    factor = factor_of(weight, others, expected)
    variance = fit.variance + parameters.variance * weight / (weight + expected)
    doubtful = np.exp(np.minimum(variance, MOST_DOUBT) / 2.0)
    mean = np.clip(arms.interest * doubtful * factor, LOWEST, HIGHEST)
    # What an arm's other clicks correct is also what was doubtful about its features.
    spread = 1.0 / (weight + others) + 1.0 / parameters.segment_strength + fit.variance
    return ArmPriors(Prior(mean, strength_of(mean, spread)), doubtful, factor)


def rates_of(parameters: PolicyParameters, arms: Fitted) -> Floats:
    """The rough click rates of arms that are looked at, float64[A], by all that is known of them on the page."""
    weight = factor_weight(parameters.arm_strength, parameters.variance)
    rates: Floats = arms.interest * factor_of(weight, arms.clicks, arms.expected)
    return rates


def interest_variance(parameters: PolicyParameters, segment: str) -> float:
    """The relative variance of what the features of an arm let expect of it: of page and segment together."""
    return parameters.variance + parameters.segments.get(segment, _STRANGER).variance


def _others(
    parameters: PolicyParameters, segment: str, arms: Fitted, clicks: Floats, examined: Floats, weight: float
) -> tuple[Floats, Floats]:
    """The clicks of the page that are not the segment's own, and those expected, float64[A]; damped as in the fit.

    A segment that was not fitted has none of its own among them, and the whole page no others.
    What came since the fit is not among them either: that is so much of each arm's as of all.
    """
    if segment == WHOLE_PAGE:
        return np.zeros_like(arms.clicks), np.zeros_like(arms.clicks)
    part = min(1.0, parameters.segments.get(segment, _STRANGER).examined / max(examined.sum(), 1e-300))
    own, expected = part * clicks, part * examined * arms.interest
    damped = damping(expected * factor_of(weight, arms.clicks, arms.expected), parameters.segment_strength)
    share = np.minimum(damped, arms.expected / np.maximum(expected, 1e-300))
    return np.maximum(arms.clicks - share * own, 0.0), np.maximum(arms.expected - share * expected, 0.0)


def factor_weight(strength: float, variance: float) -> float:
    """Of an arm's factor being 1, in expected clicks: it varies by its shape and by doubt about its features."""
    return 1.0 / (1.0 / strength + variance)


def factor_of(weight: float, clicks: Floats, expected: Floats) -> Floats:
    """The mean of arms' factors given their clicks and how many were expected, float64 of any equal shape."""
    return (weight + clicks) / (weight + expected)


def strength_of(mean: Floats, spread: Floats | float) -> Floats:
    """The weight a + b of the Beta with this mean whose variance is `spread` times the mean squared."""
    weight: Floats = np.maximum((1.0 - mean) / (mean * spread) - 1.0, 1.0)
    return weight


def packed(weights: Floats) -> bytes:
    """Text weights as they are published: little-endian float16."""
    return np.asarray(weights, dtype="<f2").tobytes()


def unpacked(content: bytes) -> Floats:
    """Text weights, float64[D]; what is not a number counts as 0."""
    return np.nan_to_num(np.frombuffer(content, dtype="<f2").astype(np.float64), posinf=0.0, neginf=0.0)
