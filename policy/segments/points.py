"""From logarithms of likelihoods to whole numbers, and to items that few or none have looked at yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from policy.arrays import Bools, Floats, Indices, Ints, Vectors
from policy.segments.mixture import Mixture

SCALE = 16
"""Points of a whole logarithm."""
MOST_POINTS = 96
"""No single item says more: with this many, one taste is 400 times as likely as another."""
MIN_VOTES = 5
"""An item that fewer units of the sample looked at has only the points that its vector foretells, if any."""
TEACHING_VOTES = 20
"""Items with this many votes teach what vectors foretell."""
MIN_TEACHERS, MOST_TEACHERS = 50, 10_000
RIDGE = 10.0


def whole(logs: Floats) -> Ints:
    """Logarithms as points."""
    points: Ints = np.clip(np.rint(SCALE * logs), -MOST_POINTS, MOST_POINTS).astype(np.int64)
    return points


def points_of(names: Sequence[str], logs: Floats) -> dict[str, list[int]]:
    """The points of items by name; items that say nothing are left out."""
    points = whole(logs)
    said = np.flatnonzero(points.any(axis=1)).tolist()
    return {names[at]: row for at, row in zip(said, points[said].tolist(), strict=True)}


class Foretelling(NamedTuple):
    """What vectors let expect of the ratios of items: float64[D, G], a constant, and how far that is to be trusted."""

    slopes: Floats
    constant: Floats
    trust: float

    def logs(self, vectors: Vectors) -> Floats:
        """Logarithms of ratios of items with these vectors, float64[I, G]."""
        logs: Floats = self.trust * (vectors @ self.slopes + self.constant)
        return logs


def foretelling(vectors: Vectors, ratios: Floats) -> Foretelling | None:
    """A ridge regression of ratios, float64[I, G], on vectors, float32[I, D], of items that many looked at.

    It is taken as far as one half of the items foretells the other; None where that is not at all.
    """
    if len(ratios) < MIN_TEACHERS:
        return None
    trust = 0.0
    for own, other in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
        logs = _ridge(vectors[own], ratios[own], 1.0).logs(vectors[other])
        trust += float((logs * ratios[other]).sum() / max(1e-12, (logs * logs).sum())) / 2.0
    return _ridge(vectors, ratios, min(1.0, trust)) if trust > 0.0 else None


def _ridge(vectors: Vectors, targets: Floats, trust: float) -> Foretelling:
    constant, wide = targets.mean(axis=0), vectors.astype(np.float64)
    gram = wide.T @ wide + RIDGE * np.eye(vectors.shape[1])
    return Foretelling(np.linalg.solve(gram, wide.T @ (targets - constant)), constant, trust)


def teachers_of(mixture: Mixture, has: Bools) -> Indices:
    """Items that teach what vectors foretell: those with a vector that most looked at."""
    votes = np.where(has, mixture.counts.sum(axis=1), 0.0)
    most = np.argsort(-votes, kind="stable")[:MOST_TEACHERS]
    return most[votes[most] >= TEACHING_VOTES]


def by_value(ratios: Mapping[str, Floats]) -> dict[str, list[int]]:
    """The points of an attribute's values."""
    return {value: whole(logs).tolist() for value, logs in ratios.items()}
