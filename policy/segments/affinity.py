"""How far what a segment's visitors look at anywhere foretells what they click on a page.

A model of segments says how much likelier the visitors of each look at an item than all visitors do: the item's
affinity to the segment, a logarithm.  Clicks of a page say how much of that holds there: one weight for all
segments and items, so that a few clicks tell it, and items that nobody was shown in a segment yet begin with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from policy.arrays import Floats
from policy.segments.points import SCALE
from schemas.messages.parameters import AffinityFit
from schemas.messages.segments import SegmentModel

MOST_ITEMS = 4_000
"""Of a page have an affinity: with more, a record of its parameters might be more than brokers take."""


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
    places = {name: at for at, name in enumerate(fit.names)}
    for row, segment in enumerate(segments):
        if (place := places.get(segment)) is not None:
            values[row] = [points[place] if (points := fit.points.get(item)) else 0 for item in items]
    return values / SCALE
