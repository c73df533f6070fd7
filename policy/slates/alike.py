"""Items that take clicks from those like them: of several of one category on a page, each further one is worth less."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from policy.arrays import EMPTY, Bools, Codes, Floats, Indices
from policy.model.visits.lowering import Lowering


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """Categories of A arms by number from 0, int32[A], -1 where an arm is like no other.

    An arm is worth its score times `factor`, in (0, 1], for each arm of its category that stands in the slate before.
    The last `spared` slates are drawn uniformly, whatever their arms are worth.
    """

    codes: Codes
    factor: float
    spared: int = 0

    def shares(self, variants: int, slots: int) -> Floats:
        """What is left of a score beside 0, 1, 2 ... arms of the same category, float64[V, S + 1]."""
        shares = np.broadcast_to(self.factor ** np.arange(slots + 1), (variants, slots + 1)).copy()
        shares[max(0, variants - self.spared) :] = 1.0
        return shares

    @classmethod
    def of(cls, lowering: Lowering | None) -> Alike | None:
        """What holds on a page; None where nothing of it is about categories."""
        return None if lowering is None or lowering.after_alike == 1.0 else cls(lowering.kinds, lowering.after_alike)

    @property
    def kinds(self) -> int:
        """How many categories there are."""
        return int(self.codes.max(initial=-1)) + 1

    def only(self, arms: Bools | Indices) -> Alike:
        """The same for some of the arms, or for all in another order."""
        return replace(self, codes=np.ascontiguousarray(self.codes[arms]))

    def shares_of(self, slates: Codes) -> Floats:
        """What is left of the score of each arm in slates int32[V, S], beside those above it; float64[V, S]."""
        codes = np.append(self.codes, -1)[slates]
        codes[slates == EMPTY] = -1
        same = (codes[:, :, None] == codes[:, None, :]) & (codes[:, :, None] >= 0)
        above: Indices = np.tril(same, -1).sum(axis=2)
        return np.take_along_axis(self.shares(*slates.shape), above, axis=1)
