"""How far what a segment's visitors look at anywhere foretells what they click on a page.

A model of segments says how much likelier the visitors of each look at an item than all visitors do: the item's
affinity to the segment, a logarithm.  Clicks of a page say how much of that holds there: one weight for all
segments and items, so that a few clicks tell it, and items that nobody was shown in a segment yet begin with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from policy.arrays import Floats
from policy.segments.points import SCALE
from schemas.messages.parameters import AffinityFit
from schemas.messages.segments import SegmentModel

PRIOR_DEVIATION = 0.5
"""The weight is about 0, give or take this, before any clicks."""
FURTHEST_STEP = 0.5
ROUNDS = 4
MOST_ITEMS = 4_000
"""Of a page have an affinity: with more, a record of its parameters might be more than brokers take."""


class AffinityWeight(NamedTuple):
    """By how much the score of an item is more for each unit of its affinity, and the variance of that."""

    weight: float
    variance: float


NO_WEIGHT = AffinityWeight(0.0, PRIOR_DEVIATION**2)


def affinity_of(model: SegmentModel, points: Mapping[str, Sequence[int]], items: Iterable[str]) -> AffinityFit | None:
    """What a model says of these items, with no weight yet; None where it says nothing.

    Of more than MOST_ITEMS, it is those by which its segments differ most.
    """
    own = [(item, points[item]) for item in items if item in points]
    most = sorted(own, key=lambda pair: (min(pair[1]) - max(pair[1]), pair[0]))[:MOST_ITEMS]
    return (
        AffinityFit(0.0, model.version, list(model.names), {item: list(row) for item, row in sorted(most)})
        if most
        else None
    )


def affinities(fit: AffinityFit | None, segments: Sequence[str], items: Sequence[str]) -> Floats:
    """Affinities of items to segments, float64[G, A]; 0 for segments and items that the model does not name."""
    values = np.zeros((len(segments), len(items)))
    if fit is None:
        return values
    nothing = [0] * len(fit.names)
    points = np.array([fit.points.get(item, nothing) for item in items], dtype=np.float64).reshape(len(items), -1)
    places = {name: at for at, name in enumerate(fit.names)}
    for row, segment in enumerate(segments):
        if (place := places.get(segment)) is not None:
            values[row] = points[:, place] / SCALE
    return values


def fit_weight(
    affinity: Floats, clicks: Floats, trials: Floats, score: Floats, strength: Floats, start: AffinityWeight
) -> AffinityWeight:
    """The weight under which clicks [G, A] of examined impressions [G, A] are the likeliest, from near `start`.

    `score` is what else is known of each pair, on the logit scale, and `strength` the shape of its own factor, in
    expected clicks, both [G, A]: counts weigh as in `policy.model.interest`.
    """
    weight, curvature = start.weight, 0.0
    for _ in range(ROUNDS):
        rate = expit(score + weight * affinity)
        expected = trials * rate
        damped = 1.0 / (1.0 + expected / strength)
        slope = float((damped * (clicks - expected) * affinity).sum()) - weight / NO_WEIGHT.variance
        curvature = float((damped * expected * (1.0 - rate) * affinity**2).sum()) + 1.0 / NO_WEIGHT.variance
        weight += min(FURTHEST_STEP, max(-FURTHEST_STEP, slope / curvature))
    return AffinityWeight(weight, 1.0 / curvature)
