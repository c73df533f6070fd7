"""How visitors of a simulated page look and click: as the learner assumes, and otherwise.

Attraction [N, S] is the chance of a click on each slot's item if it is looked at,
in rendered order; kinds, int[N, S], say which items are of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Floats, Indices

COLUMNS = 4
"""Slots in a row of a grid."""


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


class DynamicBayesian(NamedTuple):
    """Visitors go down the page until a click satisfies them, or until they give up by chance.

    The dynamic Bayesian network of Chapelle and Zhang (2009, "A dynamic Bayesian network
    click model for web search ranking"): a click satisfies with a chance that its item has, here the
    one of its kind in `satisfaction` (kinds beyond begin anew); those who are not satisfied go on with the
    chance `going_on`.
    """

    slots: int
    satisfaction: tuple[float, ...] = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    going_on: float = 0.9

    @property
    def curve(self) -> Floats:
        """See `Visitors`."""
        return np.asarray(self.going_on ** np.arange(self.slots), dtype=np.float64)

    def _satisfying(self, kinds: Indices) -> Floats:
        return np.asarray(self.satisfaction, dtype=np.float64)[kinds % len(self.satisfaction)]

    def expected(self, attraction: Floats, kinds: Indices) -> Floats:
        """See `Visitors`."""
        examination, total = np.ones(len(attraction)), np.zeros(len(attraction))
        for chance, satisfying in zip(attraction.T, self._satisfying(kinds).T, strict=True):
            total += examination * chance
            examination = examination * self.going_on * (1.0 - chance * satisfying)
        return total

    def clicks(self, rng: np.random.Generator, attraction: Floats, kinds: Indices) -> NDArray[np.bool_]:
        """See `Visitors`."""
        satisfying, examining = self._satisfying(kinds), np.ones(len(attraction), dtype=np.bool_)
        clicked = np.zeros(attraction.shape, dtype=np.bool_)
        for slot, chance in enumerate(attraction.T):
            clicked[:, slot] = examining & (rng.random(len(examining)) < chance)
            stays = self.going_on * np.where(clicked[:, slot], 1.0 - satisfying[:, slot], 1.0)
            examining = examining & (rng.random(len(examining)) < stays)
        return clicked

    def best(self, attraction: Floats, kinds: Indices) -> Indices:
        """Exactly the best, by dynamic programming over the items of each segment in the order of their index.

        With g for `going_on`, swapping two neighbours a and b on the page gains nothing while
        (1 - g) / attraction + g * satisfaction ascends: what comes behind them is seen as often either way.
        """
        satisfying = np.broadcast_to(self._satisfying(kinds), attraction.shape)
        index = (1.0 - self.going_on) / np.maximum(attraction, 1e-12) + self.going_on * satisfying
        order = np.argsort(index, axis=1, kind="stable")
        chances = np.take_along_axis(attraction, order, axis=1).T[:, :, None]
        stays = 1.0 - chances * np.take_along_axis(satisfying, order, axis=1).T[:, :, None]
        onward = self.going_on * np.maximum(stays, 1e-12)
        values = np.full((attraction.shape[0], self.slots + 1), -np.inf)
        values[:, 0] = 0.0
        takes = np.zeros((attraction.shape[1], *values.shape), dtype=np.bool_)
        for item in reversed(range(attraction.shape[1])):
            taking = chances[item] + onward[item] * values[:, :-1]
            takes[item, :, 1:] = taking > values[:, 1:]
            values[:, 1:] = np.maximum(values[:, 1:], taking)
        return _trace(takes, order, self.slots)


def _trace(takes: NDArray[np.bool_], order: Indices, slots: int) -> Indices:
    """The arms of [G, A] ordered that are taken, where takes [A, G, S + 1] says so with that many slots left."""
    rows, left = np.arange(len(order)), np.full(len(order), slots)
    chosen = np.empty((len(order), slots), dtype=np.intp)
    for item in range(len(takes)):
        here = rows[takes[item, rows, left]]
        chosen[here, slots - left[here]] = order[here, item]
        left[here] -= 1
    return chosen


def grid_curve(slots: int) -> Floats:
    """How likely each slot of a grid is looked at: a column is passed over in few cases, a row in more."""
    row, column = np.divmod(np.arange(slots), COLUMNS)
    return np.asarray(0.55**row * 0.95**column, dtype=np.float64)


ClickModel = Literal["position", "flat", "grid", "cascade", "dbn"]
"""Names of click models: chances by slot that fall, that are alike, or that fall by row and column; and two in which
visitors go down the page."""

CLICK_MODELS: Mapping[ClickModel, Callable[[int], Visitors]] = {
    "position": lambda slots: PositionBased(np.asarray((1.0 + np.arange(slots)) ** -0.8, dtype=np.float64)),
    "flat": lambda slots: PositionBased(np.ones(slots)),
    "grid": lambda slots: PositionBased(grid_curve(slots)),
    "cascade": Cascade,
    "dbn": DynamicBayesian,
}
"""Each for a number of slots."""
