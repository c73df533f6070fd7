"""A bound: a learner that has the true priors of a simulated shop, and only has to learn what was drawn.

It knows how often each slot is looked at, the mean attractiveness, and how much text, kind, item and
pair vary; so whatever another learner loses beyond it, better priors could save at most.  Without texts
it knows how much of what they mean is the same for all items of a kind.  It takes all parts for normal.
All that is unknown is fitted together: the largest value of the posterior and the normal
around it (Laplace; Breslow and Clayton 1993, "Approximate inference in generalized
linear mixed models", section 2.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from policy.arrays import Floats, Indices
from policy.simulation.shop import ITEM, KIND, KINDS, PAIR, USUAL, Feedback, Offer, Shop
from policy.slates.sampling import spread

ROUNDS = 3
BASE = 0.3
"""How far the mean of a shop's own items may be from the default, on the logit scale."""
LOWEST_SCORE, HIGHEST_SCORE, HIGHEST_UNBOUNDED = -9.0, -1.0, 3.0
"""Scores beyond these are fitted as if they were these: the second where a shop cuts attractiveness off."""
NONE = 1e-9
"""In place of a variance of 0."""


class _Spreads(NamedTuple):
    """Variances on the logit scale: of each text column's weight, of a kind's, an item's and a pair's own part."""

    text: Floats
    kind: float
    item: float
    pair: float


class _Solved(NamedTuple):
    """Covariance of what segments share; of each segment that of its text weights, and how they hang on the first."""

    shared: Floats
    owns: list[Floats]
    crosses: list[Floats]


@dataclass(slots=True)
class Informed:
    """Examinations and clicks by segment and item, and the scores fitted to them, float64[G, U].

    Draws are spread as the policy's are (`policy.slates.sampling.spread`); with `exploration` 0 the best mean is shown.
    `design`, float64[U, D], is what attractiveness follows in place of texts, where the shop was told so.
    """

    shop: Shop
    exploration: float
    seed: int
    variants: int = 16
    text: bool = True
    design: Floats | None = None
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
        count, kinds = len(shop.items), np.eye(KINDS)[shop.kinds]
        vectors = shop.vectors if self.design is None else self.design
        vectors = vectors - vectors.mean(axis=0)
        self._text = vectors if self.text else kinds
        spreads = self._spreads(vectors)
        shared = [self._text] if self.text else []
        self._common = np.concatenate([np.ones((count, 1)), *shared, kinds, np.eye(count)], axis=1)
        weights = [spreads.text] if self.text else []
        variances = [np.array([BASE**2]), *weights, np.full(KINDS, spreads.kind), np.full(count, spreads.item)]
        self._common_ridge = 1.0 / np.maximum(np.concatenate(variances), NONE)
        self._text_ridge = np.diag(1.0 / np.maximum(spreads.text, NONE))
        self._pair = spreads.pair
        self._examination = np.zeros((shape.segments, count))
        self._clicks, self.mean = np.zeros_like(self._examination), np.full_like(self._examination, logit(USUAL))
        self.variance = np.zeros_like(self._examination)
        self._rng = np.random.default_rng([self.seed, 2])

    def _spreads(self, vectors: Floats) -> _Spreads:
        """From centred text vectors; without text, what it means is part of kinds, items and pairs."""
        shape, kinds = self.shop.shape, self.shop.kinds
        text, rest = shape.spread**2 * shape.text_share / 2.0, shape.spread**2 * (1.0 - shape.text_share)
        scale = np.square(vectors).sum(axis=1).mean()
        if self.text:
            return _Spreads(np.full(vectors.shape[1], text / scale), rest * KIND, rest * ITEM, rest * PAIR)
        centres = np.stack([vectors[kinds == kind].mean(axis=0) for kind in np.unique(kinds)])
        of_kind = text * float(np.square(centres).sum(axis=1).mean() / scale)
        own = text - of_kind
        return _Spreads(np.full(KINDS, of_kind), rest * KIND + of_kind, rest * ITEM + own, rest * PAIR + own)

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
        self.fit(offer.rows)
        mean, variance = self.mean[:, None, offer.rows], self.variance[:, None, offer.rows]
        drawn = self._rng.normal(size=(len(mean), self.variants if self.exploration else 1, len(offer.rows)))
        deviation, slots = np.sqrt(variance), self.shop.shape.slots
        scale = spread(deviation, slots, self.exploration)
        scores = mean + (1.0 - np.square(scale)) * variance / 2.0 + scale * deviation * drawn
        return offer.rows[np.argsort(-scores, axis=2)[:, :, :slots]]

    def fit(self, rows: Indices) -> None:
        """Mean of all scores until the last of these items, and variance of these, which costs most.

        A pair's own part makes its clicks vary more; segments' weights are eliminated one
        by one (Schur complement), so that what segments share is solved for once.
        """
        met = int(rows.max()) + 1
        examination, clicks, mean = self._examination[:, :met], self._clicks[:, :met], self.mean[:, :met]
        highest = HIGHEST_SCORE if self.shop.shape.bounded else HIGHEST_UNBOUNDED
        for _ in range(ROUNDS):
            rate = expit(np.clip(mean, LOWEST_SCORE, highest))
            information = np.maximum(examination * rate * (1.0 - rate), 1e-9)
            targets = mean - logit(USUAL) + (clicks - examination * rate) / information
            weight = 1.0 / (1.0 / information + self._pair)
            solved = self._solve(targets, weight)
        self._vary(solved, weight, rows)

    def _described(self, met: int) -> Floats:
        """What segments share of the items met, float64[met, F]; those to come have no column yet."""
        return self._common[:met, : self._common.shape[1] - len(self._common) + met]

    def _solve(self, targets: Floats, weight: Floats) -> _Solved:
        """Set the means, float64[G, met]."""
        met = targets.shape[1]
        common, text = self._described(met), self._text[:met]
        square = (common.T * weight.sum(axis=0)) @ common + np.diag(self._common_ridge[: common.shape[1]])
        right = common.T @ (weight * targets).sum(axis=0)
        owns, crosses, starts = [], [], []
        for row, target in zip(weight, targets, strict=True):
            own = np.linalg.inv((text.T * row) @ text + self._text_ridge)
            within = (text.T * row) @ common
            cross, start = own @ within, own @ (text.T @ (row * target))
            square -= cross.T @ within
            right -= cross.T @ (text.T @ (row * target))
            owns.append(own)
            crosses.append(cross)
            starts.append(start)
        solved = _Solved(np.linalg.inv(square), owns, crosses)
        shared = solved.shared @ right
        for at, (cross, start) in enumerate(zip(crosses, starts, strict=True)):
            mean = common @ shared + text @ (start - cross @ shared)
            self.mean[at, :met] = logit(USUAL) + mean + self._pair * weight[at] * (targets[at] - mean)
        return solved

    def _vary(self, solved: _Solved, weight: Floats, rows: Indices) -> None:
        """Set the variances of some items."""
        common, text = self._described(weight.shape[1])[rows], self._text[rows]
        for at, (own, cross) in enumerate(zip(solved.owns, solved.crosses, strict=True)):
            by = common - text @ cross
            variance = ((by @ solved.shared) * by).sum(axis=1) + ((text @ own) * text).sum(axis=1)
            part = self._pair * weight[at, rows]
            self.variance[at, rows] = np.square(1.0 - part) * variance + self._pair * (1.0 - part)

    def _pass_a_day(self) -> None:
        """What an arm's own part moved by is as doubtful as fewer clicks would be: 1 / clicks grows by its variance."""
        shape = self.shop.shape
        moved = shape.drift * shape.spread**2 * (1.0 - shape.text_share) * (ITEM + PAIR)
        retained = 1.0 / (1.0 + moved * self._examination * expit(self.mean))
        self._examination *= retained
        self._clicks *= retained
