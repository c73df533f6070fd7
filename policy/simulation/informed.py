"""A bound: a learner that is told how a simulated shop was made, and only has to learn what was drawn.

It knows how often each slot is looked at, the usual attractiveness, and how much text, kind, item and
pair vary; so whatever another learner loses beyond it, better priors could save at most.
All that is unknown is fitted together: the largest value of the posterior and the normal
around it (Laplace; Breslow and Clayton 1993, "Approximate inference in generalized
linear mixed models", section 2.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from policy.arrays import Floats
from policy.simulation.shop import ITEM, KIND, KINDS, PAIR, SPREAD, USUAL, Offer, Seen, Shop

ROUNDS = 3
BASE = 0.3
"""How far the mean of a shop's own items may be from the usual one, on the logit scale."""
STEEPEST = 9.0


@dataclass(slots=True)
class Informed:
    """Looks and clicks by segment and item, and the scores fitted to them, float64[G, U].

    Draws have `exploration` times the deviation of the posterior; with 0 the best mean is shown.
    """

    shop: Shop
    exploration: float
    seed: int
    variants: int = 16
    mean: Floats = field(init=False)
    variance: Floats = field(init=False)
    _rng: np.random.Generator = field(init=False)
    _looks: Floats = field(init=False)
    _clicks: Floats = field(init=False)
    _alike: Floats = field(init=False)
    _text: Floats = field(init=False)
    _alike_ridge: Floats = field(init=False)
    _text_ridge: Floats = field(init=False)
    _pair: float = field(init=False)
    _day: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        shop, shape = self.shop, self.shop.shape
        count = len(shop.items)
        told, left = SPREAD**2 * shape.told / 2.0, SPREAD**2 * (1.0 - shape.told)
        self._text = shop.vectors - shop.vectors.mean(axis=0)
        text = np.full(shape.size, told / np.square(self._text).sum(axis=1).mean())
        kinds = np.eye(KINDS)[shop.kinds]
        self._alike = np.concatenate([np.ones((count, 1)), self._text, kinds, np.eye(count)], axis=1)
        variances = [np.array([BASE**2]), text, np.full(KINDS, left * KIND), np.full(count, left * ITEM)]
        self._alike_ridge, self._text_ridge = 1.0 / np.concatenate(variances), np.diag(1.0 / text)
        self._pair = left * PAIR
        self._looks = np.zeros((shape.segments, count))
        self._clicks, self.mean = np.zeros_like(self._looks), np.full_like(self._looks, logit(USUAL))
        self.variance = np.zeros_like(self._looks)
        self._rng = np.random.default_rng([self.seed, 2])

    def observe(self, seen: Seen) -> None:
        """See `Learner`."""
        cells = seen.segments[:, None], seen.shown
        np.add.at(self._looks, cells, np.broadcast_to(self.shop.visitors.curve, seen.shown.shape))
        np.add.at(self._clicks, cells, seen.clicked)

    def slates(self, offer: Offer) -> NDArray[np.intp]:
        """See `Learner`."""
        for _ in range(offer.day - self._day):
            self._pass_a_day()
        self._day = offer.day
        self.fit()
        mean, variance = self.mean[:, None, offer.rows], self.variance[:, None, offer.rows]
        drawn = self._rng.normal(size=(len(mean), self.variants if self.exploration else 1, len(offer.rows)))
        scores = mean + (1.0 - self.exploration**2) * variance / 2.0 + self.exploration * np.sqrt(variance) * drawn
        return offer.rows[np.argsort(-scores, axis=2)[:, :, : self.shop.shape.slots]]

    def fit(self) -> None:
        """Mean and variance of all scores.

        A pair's own part makes its clicks vary more; segments' weights are eliminated one
        by one (Schur complement), so that what segments share is solved for once.
        """
        for _ in range(ROUNDS):
            rate = expit(np.clip(self.mean, -STEEPEST, -1.0))
            told = np.maximum(self._looks * rate * (1.0 - rate), 1e-9)
            wanted = self.mean - logit(USUAL) + (self._clicks - self._looks * rate) / told
            weight = 1.0 / (1.0 / told + self._pair)
            self._solve(wanted, weight)

    def _solve(self, wanted: Floats, weight: Floats) -> None:
        alike, text = self._alike, self._text
        square = (alike.T * weight.sum(axis=0)) @ alike + np.diag(self._alike_ridge)
        right = alike.T @ (weight * wanted).sum(axis=0)
        owns, crosses, starts = [], [], []
        for one, target in zip(weight, wanted, strict=True):
            own = np.linalg.inv((text.T * one) @ text + self._text_ridge)
            cross, start = own @ ((text.T * one) @ alike), own @ (text.T @ (one * target))
            square -= cross.T @ ((text.T * one) @ alike)
            right -= cross.T @ (text.T @ (one * target))
            owns.append(own)
            crosses.append(cross)
            starts.append(start)
        spread = np.linalg.inv(square)
        shared = spread @ right
        for at, (own, cross, start) in enumerate(zip(owns, crosses, starts, strict=True)):
            told = alike @ shared + text @ (start - cross @ shared)
            by = alike - text @ cross
            variance = np.einsum("af,fh,ah->a", by, spread, by, optimize=True)
            variance += np.einsum("ad,de,ae->a", text, own, text, optimize=True)
            part = self._pair * weight[at]
            self.mean[at] = logit(USUAL) + told + part * (wanted[at] - told)
            self.variance[at] = np.square(1.0 - part) * variance + self._pair * (1.0 - part)

    def _pass_a_day(self) -> None:
        """What an arm's own part moved by is as doubtful as fewer clicks would be: 1 / clicks grows by its variance."""
        moved = self.shop.shape.drift * SPREAD**2 * (1.0 - self.shop.shape.told) * (ITEM + PAIR)
        kept = 1.0 / (1.0 + moved * self._looks * expit(self.mean))
        self._looks *= kept
        self._clicks *= kept
