"""How much of what visitors see changes from one refresh to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policy.simulation.race import Learner
from policy.simulation.shop import Feedback, Offer

AGAIN = 10
"""Every this many refreshes, slates are composed twice from the same state."""


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
    _shares: tuple[list[float], list[float], list[float]] = field(init=False, default_factory=lambda: ([], [], []))

    def observe(self, feedback: Feedback) -> None:
        """See `Learner`."""
        self.learner.observe(feedback)

    def slates(self, offer: Offer) -> NDArray[np.intp]:
        """See `Learner`."""
        chosen = self.learner.slates(offer)
        constant, learning, new_day = self._shares
        if self._refreshes % AGAIN == 0:
            constant.append(changed(chosen, self.learner.slates(offer)))
        if self._before is not None:
            day, before = self._before
            (learning if day == offer.day else new_day).append(changed(before, chosen))
        self._before = offer.day, chosen
        self._refreshes += 1
        return chosen

    def summary(self) -> Flicker:
        """The means since the last call."""
        means = [float(np.mean(shares)) if shares else float("nan") for shares in self._shares]
        self._shares, self._refreshes = ([], [], []), 0
        return Flicker(*means)


def changed(before: NDArray[np.intp], after: NDArray[np.intp]) -> float:
    """The share of slots of slates [G, V, S] that hold another item."""
    return float((before != after).mean())
