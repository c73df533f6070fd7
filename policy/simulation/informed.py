"""A bound: a learner that has the true priors of a simulated shop, and only has to learn what was drawn.

It knows how often each slot is looked at, the mean attractiveness, and how much text, kind, item and
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
from policy.simulation.shop import ITEM, KIND, KINDS, PAIR, SPREAD, USUAL, Feedback, Offer, Shop

ROUNDS = 3
BASE = 0.3
"""How far the mean of a shop's own items may be from the default, on the logit scale."""
STEEPEST = 9.0


@dataclass(slots=True)
class Informed:
    """Examinations and clicks by segment and item, and the scores fitted to them, float64[G, U].

    Draws have `exploration` times the deviation of the posterior; with 0 the best mean is shown.
    """

    shop: Shop
    exploration: float
    seed: int
    variants: int = 16
    mean: Floats = field(init=False)
    variance: Floats = field(init=False)
    _rng: np.random.Generator = field(init=False)
    _examination: Floats = field(init=False)
    _clicks: Floats = field(init=False)
    _common: Floats = field(init=False)
    _text: Floats = field(init=False)
    _common_ridge: Floats = field(init=False)
    _text_ridge: Floats = field(init=False)
    _pair: float = field(init=False)
    _day: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        shop, shape = self.shop, self.shop.shape
        count = len(shop.items)
        text_variance, rest = SPREAD**2 * shape.text_share / 2.0, SPREAD**2 * (1.0 - shape.text_share)
        self._text = shop.vectors - shop.vectors.mean(axis=0)
        text = np.full(shape.size, text_variance / np.square(self._text).sum(axis=1).mean())
        kinds = np.eye(KINDS)[shop.kinds]
        self._common = np.concatenate([np.ones((count, 1)), self._text, kinds, np.eye(count)], axis=1)
        variances = [np.array([BASE**2]), text, np.full(KINDS, rest * KIND), np.full(count, rest * ITEM)]
        self._common_ridge, self._text_ridge = 1.0 / np.concatenate(variances), np.diag(1.0 / text)
        self._pair = rest * PAIR
        self._examination = np.zeros((shape.segments, count))
        self._clicks, self.mean = np.zeros_like(self._examination), np.full_like(self._examination, logit(USUAL))
        self.variance = np.zeros_like(self._examination)
        self._rng = np.random.default_rng([self.seed, 2])

    def observe(self, feedback: Feedback) -> None:
        """See `Learner`."""
        cells = feedback.segments[:, None], feedback.slates
        np.add.at(self._examination, cells, np.broadcast_to(self.shop.visitors.curve, feedback.slates.shape))
        np.add.at(self._clicks, cells, feedback.clicked)

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
            information = np.maximum(self._examination * rate * (1.0 - rate), 1e-9)
            targets = self.mean - logit(USUAL) + (self._clicks - self._examination * rate) / information
            weight = 1.0 / (1.0 / information + self._pair)
            self._solve(targets, weight)

    def _solve(self, targets: Floats, weight: Floats) -> None:
        common, text = self._common, self._text
        square = (common.T * weight.sum(axis=0)) @ common + np.diag(self._common_ridge)
        right = common.T @ (weight * targets).sum(axis=0)
        owns, crosses, starts = [], [], []
        for row, target in zip(weight, targets, strict=True):
            own = np.linalg.inv((text.T * row) @ text + self._text_ridge)
            cross, start = own @ ((text.T * row) @ common), own @ (text.T @ (row * target))
            square -= cross.T @ ((text.T * row) @ common)
            right -= cross.T @ (text.T @ (row * target))
            owns.append(own)
            crosses.append(cross)
            starts.append(start)
        spread = np.linalg.inv(square)
        shared = spread @ right
        for at, (own, cross, start) in enumerate(zip(owns, crosses, starts, strict=True)):
            mean = common @ shared + text @ (start - cross @ shared)
            by = common - text @ cross
            variance = np.einsum("af,fh,ah->a", by, spread, by, optimize=True)
            variance += np.einsum("ad,de,ae->a", text, own, text, optimize=True)
            part = self._pair * weight[at]
            self.mean[at] = logit(USUAL) + mean + part * (targets[at] - mean)
            self.variance[at] = np.square(1.0 - part) * variance + self._pair * (1.0 - part)

    def _pass_a_day(self) -> None:
        """What an arm's own part moved by is as doubtful as fewer clicks would be: 1 / clicks grows by its variance."""
        moved = self.shop.shape.drift * SPREAD**2 * (1.0 - self.shop.shape.text_share) * (ITEM + PAIR)
        retained = 1.0 / (1.0 + moved * self._examination * expit(self.mean))
        self._examination *= retained
        self._clicks *= retained
