"""How visitors of a simulated page look and click: as the learner assumes, and otherwise.

Attraction [N, S] is the chance of a click on each slot's item if it is looked at,
in rendered order; kinds, int[N, S], say which items are of the same kind.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Floats, Indices


class Visitors(Protocol):
    """A click model."""

    @property
    def curve(self) -> Floats:
        """How likely each slot is looked at where clicks are rare, float64[S]."""
        ...

    def expected(self, attraction: Floats, kinds: Indices) -> Floats:
        """Expected clicks of each page view, float64[N]."""
        ...

    def clicks(self, rng: np.random.Generator, attraction: Floats, kinds: Indices) -> NDArray[np.bool_]:
        """What is clicked, bool[N, S]."""
        ...

    def best(self, attraction: Floats, kinds: Indices) -> Indices:
        """The arms, int[G, S], that bring most clicks, from attraction [G, A] and kinds [A]."""
        ...


class PositionBased(NamedTuple):
    """Each slot is looked at with a chance of its own (Richardson, Dominowska and Ragno 2007)."""

    examination: Floats

    @property
    def curve(self) -> Floats:
        """The examination of each slot."""
        return self.examination

    def expected(self, attraction: Floats, kinds: Indices) -> Floats:
        """See `Visitors`."""
        return np.asarray(attraction @ self.examination, dtype=np.float64)

    def clicks(self, rng: np.random.Generator, attraction: Floats, kinds: Indices) -> NDArray[np.bool_]:
        """See `Visitors`."""
        return rng.random(attraction.shape) < attraction * self.examination

    def best(self, attraction: Floats, kinds: Indices) -> Indices:
        """The most attractive where most is looked at."""
        chosen = np.empty((len(attraction), len(self.examination)), dtype=np.intp)
        chosen[:, np.argsort(-self.examination, kind="stable")] = np.argsort(-attraction, axis=1)[
            :, : len(self.examination)
        ]
        return chosen


class Cascade(NamedTuple):
    """Visitors go down the page and stop by chance, more likely after a click; more of the same bores them.

    The dependent click model (Guo, Liu and Wang 2009, "Efficient multiple-click models
    in web search") with one chance of going on after a click and one without.  Each
    item of the same kind further up multiplies attraction by `boredom`.
    """

    slots: int
    without_click: float = 0.88
    after_click: float = 0.45
    boredom: float = 0.75

    @property
    def curve(self) -> Floats:
        """See `Visitors`."""
        return np.asarray(self.without_click ** np.arange(self.slots), dtype=np.float64)

    def _bored(self, attraction: Floats, kinds: Indices) -> Floats:
        above = np.tril(kinds[:, :, None] == kinds[:, None, :], -1).sum(axis=2)
        return np.asarray(attraction * self.boredom**above, dtype=np.float64)

    def expected(self, attraction: Floats, kinds: Indices) -> Floats:
        """See `Visitors`."""
        chances, examination, total = (
            self._bored(attraction, kinds),
            np.ones(len(attraction)),
            np.zeros(len(attraction)),
        )
        for chance in chances.T:
            total += examination * chance
            examination = examination * (self.without_click * (1.0 - chance) + self.after_click * chance)
        return total

    def clicks(self, rng: np.random.Generator, attraction: Floats, kinds: Indices) -> NDArray[np.bool_]:
        """See `Visitors`."""
        chances, examining = self._bored(attraction, kinds), np.ones(len(attraction), dtype=np.bool_)
        clicked = np.zeros(attraction.shape, dtype=np.bool_)
        for slot, chance in enumerate(chances.T):
            clicked[:, slot] = examining & (rng.random(len(examining)) < chance)
            stays = np.where(clicked[:, slot], self.after_click, self.without_click)
            examining = examining & (rng.random(len(examining)) < stays)
        return clicked

    def best(self, attraction: Floats, kinds: Indices) -> Indices:
        """Chosen from the top down, each the most attractive after what is above it."""
        chosen = np.empty((len(attraction), self.slots), dtype=np.intp)
        left, rows = attraction.copy(), np.arange(len(attraction))
        for slot in range(self.slots):
            chosen[:, slot] = left.argmax(axis=1)
            same_kind = kinds[None, :] == kinds[chosen[:, slot]][:, None]
            left = np.where(same_kind, left * self.boredom, left)
            left[rows, chosen[:, slot]] = -np.inf
        return chosen
