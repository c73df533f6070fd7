"""How much of what visitors see changes from one refresh to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policy.simulation.race import Learner
from policy.simulation.shop import Offer, Seen

AGAIN = 10
"""Every so many refreshes the same state is asked for its slates twice."""


class Flicker(NamedTuple):
    """Mean share of slots, over segments and variants, whose item is another one after a refresh.

    `constant` where nothing was learned in between, `learning` where the page views since
    the refresh before were, `new_day` where also the random numbers rotated and items
    came and went; NaN where there was no such refresh.
    """

    constant: float
    learning: float
    new_day: float


@dataclass(slots=True)
class Watched:
    """A learner whose slates are compared from one refresh to the next."""

    learner: Learner
    _before: tuple[int, NDArray[np.intp]] | None = field(init=False, default=None)
    _refreshes: int = field(init=False, default=0)
    _found: tuple[list[float], list[float], list[float]] = field(init=False, default_factory=lambda: ([], [], []))

    def observe(self, seen: Seen) -> None:
        """See `Learner`."""
        self.learner.observe(seen)

    def slates(self, offer: Offer) -> NDArray[np.intp]:
        """See `Learner`."""
        chosen = self.learner.slates(offer)
        constant, learning, new_day = self._found
        if self._refreshes % AGAIN == 0:
            constant.append(changed(chosen, self.learner.slates(offer)))
        if self._before is not None:
            day, before = self._before
            (learning if day == offer.day else new_day).append(changed(before, chosen))
        self._before = offer.day, chosen
        self._refreshes += 1
        return chosen

    def told(self) -> Flicker:
        """What was found since the last time."""
        means = [float(np.mean(shares)) if shares else float("nan") for shares in self._found]
        self._found, self._refreshes = ([], [], []), 0
        return Flicker(*means)


def changed(before: NDArray[np.intp], after: NDArray[np.intp]) -> float:
    """The share of slots of slates [G, V, S] that hold another item."""
    return float((before != after).mean())
