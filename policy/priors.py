"""Where an arm's attractiveness starts: from fitted parameters to one Beta prior per arm.

Three levels, from far to near: the interest model says what the arm's features
let expect in the segment; the arm's clicks in the page's other segments correct
that by a factor; what is left is for the segment's own clicks to say.  Each level
weighs as much as the data showed it deserves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from policy.features import Features
from policy.posteriors import Floats, Prior
from schemas.messages import PolicyParameters, SegmentFit

LOWEST, HIGHEST = 1e-6, 0.9
WHOLE_PAGE = "*"
MOST_DOUBT = 1.0
"""More doubt than this about weights says nothing of their mean."""
_STRANGER = SegmentFit()


class ArmPriors(NamedTuple):
    """A prior per arm, and what its mean came from, float64[A]: interest, and the factor that other segments add."""

    prior: Prior
    interest: Floats
    factor: Floats


def interest(parameters: PolicyParameters, segment: str, features: Features, vectors: Floats | None) -> Floats:
    """The mean attractiveness that features [A, F] and text vectors [A, D] let expect, float64[A] in (0, 1).

    A segment that was not fitted is taken for the page's average.  Vectors of
    another size than the fitted weights, which are of another model, are left out.
    """
    fit = parameters.segments.get(segment, _STRANGER)
    weights = [parameters.weights.get(name, 0.0) + fit.weights.get(name, 0.0) for name in features.names]
    score = logit(parameters.click_rate) + fit.base + features.values @ np.array(weights, dtype=np.float64)
    if vectors is not None:
        for packed in (parameters.text, fit.text):
            text = unpacked(packed)
            if len(text) == vectors.shape[1]:
                score = score + vectors @ text
    means: Floats = np.clip(expit(score), LOWEST, HIGHEST)
    return means


def arm_priors(
    parameters: PolicyParameters,
    segment: str,
    items: Sequence[str],
    features: Features,
    vectors: Floats | None = None,
) -> ArmPriors:
    """The prior of each of `items` for a segment, with `features` [A, F] and `vectors` [A, D] of just these.

    Of an arm's clicks on the page, the part that is the segment's own by its share
    of the traffic is left out, because the posterior counts it; the whole page has
    no others.  Mean and relative variance of the two factors give mean and
    strength of the Beta.  The interest is that of the likeliest weights times the
    mean of a log-normal factor whose logarithm has mean 0 and the variance of what
    is doubtful about them, exp(variance / 2): else arms that were hardly shown, of
    which most is in doubt, would be thought too little of.
    """
    known = np.array([parameters.arms.get(item, (0.0, 0.0)) for item in items], dtype=np.float64).reshape(-1, 2)
    fit = parameters.segments.get(segment, _STRANGER)
    own = 1.0 if segment == WHOLE_PAGE else fit.share
    clicks, expected = ((1.0 - own) * known).T
    weight = factor_weight(parameters.arm_strength, parameters.doubt)
    factor = factor_of(weight, clicks, expected)
    doubt = fit.doubt + parameters.doubt * weight / (weight + expected)
    means = interest(parameters, segment, features, vectors) * np.exp(np.minimum(doubt, MOST_DOUBT) / 2.0)
    mean = np.clip(means * factor, LOWEST, HIGHEST)
    # What an arm's other clicks correct is also what was doubtful about its features.
    spread = 1.0 / (weight + clicks) + 1.0 / parameters.segment_strength + fit.doubt
    return ArmPriors(Prior(mean, strength_of(mean, spread)), means, factor)


def factor_weight(strength: float, doubt: float) -> float:
    """Of an arm's factor being 1, in expected clicks: it varies by its shape and by doubt about its features."""
    return 1.0 / (1.0 / strength + doubt)


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
