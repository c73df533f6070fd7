"""When slates are worth making again, and worth showing: by how much was learned, and how much others would gain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policy.arrays import EMPTY, Codes, Floats
from policy.slates.alike import Alike


def is_enough(growth: Sequence[float], before: Sequence[float], share: float) -> bool:
    """Whether one of some counts has grown by a share of what it was, and by one at least."""
    return any(more >= max(1.0, share * had) for more, had in zip(growth, before, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class SlateValue:
    """Slates int32[V, S] with the scores [A, V] that they were made from, and how much slots are looked at [S].

    Where arms are `alike`, those below others of their category are worth less.
    """

    slates: Codes
    scores: Floats
    examination: Floats
    alike: Alike | None = None

    def of(self, slates: Codes) -> float:
        """What slates of the same arms are worth under these scores: score times examination, added up."""
        if not len(self.scores):
            return 0.0
        placed = np.where(slates == EMPTY, 0.0, self.scores[slates, np.arange(len(slates))[:, None]])
        if self.alike is not None:
            placed = placed * self.alike.shares_of(slates)
        return float((placed @ self.examination).sum())


def gain(values: Sequence[SlateValue], published: Sequence[Codes]) -> float:
    """What new slates gain over published ones under the same scores, as a share of what those are worth.

    For each policy of a page in order; infinite where the published slates are worth nothing.
    """
    before = sum(value.of(slates) for value, slates in zip(values, published, strict=True))
    after = sum(value.of(value.slates) for value in values)
    return (after - before) / before if before > 0.0 else np.inf
