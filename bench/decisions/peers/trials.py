"""How peers are fed: one trial for each slot that was shown, or that was likely looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from policy.arrays import Floats, Indices
from policy.simulation.shop import KINDS, Feedback, Offer, Shape

VARIANTS = 4
"""Fresh draws at each update of peers whose calls cost too much for more."""


class Trials(NamedTuple):
    """N shown items: segment, row and reward (0 or 1) of each."""

    segments: Indices
    rows: Indices
    rewards: Indices


class Feed:
    """Turns page views into trials.

    Where `corrected`, a trial without a click is kept with the chance that its slot is
    looked at, by the shop's true curve: what is left is a sample of looks.  So a peer
    that knows no slots learns attractiveness, as well as that can be done.
    """

    def __init__(self, shape: Shape, corrected: bool, seed: int) -> None:
        self.shape = shape
        self.rng = np.random.default_rng([seed, 1])
        self.curve = shape.click_model().curve if corrected else np.ones(shape.slots)

    def trials(self, feedback: Feedback) -> Trials:
        """The trials of a batch, in the order of page views."""
        examined = feedback.clicked | (self.rng.random(feedback.clicked.shape) < self.curve)
        segments = np.broadcast_to(feedback.segments[:, None], examined.shape)
        return Trials(segments[examined], feedback.slates[examined], feedback.clicked[examined].astype(np.intp))

    def placed(self, scores: Floats, offer: Offer) -> Indices:
        """Slates, int[G, V, S], from scores [G, V, A] of the offer's items: the best where most is looked at.

        Equals are ordered by chance.
        """
        shaken = scores + 1e-12 * self.rng.random(scores.shape)
        best = np.argsort(-shaken, axis=2)[:, :, : self.shape.slots]
        return offer.rows[best]


class Cells(NamedTuple):
    """Trials counted by segment and row: of both [C], with tries and clicks."""

    segments: Indices
    rows: Indices
    tries: Indices
    clicks: Indices


def cells(trials: Trials) -> Cells:
    """The same trials, each pair of segment and row once."""
    width = int(trials.rows.max(initial=0)) + 1
    keys, place = np.unique(trials.segments * width + trials.rows, return_inverse=True)
    clicks = np.bincount(place, weights=trials.rewards, minlength=len(keys)).astype(np.intp)
    return Cells(keys // width, keys % width, np.bincount(place, minlength=len(keys)), clicks)


def context(offer: Offer, at: int, *, text: bool) -> Floats:
    """What is known of an item of the offer, float64[1, F]: a constant, its price, with `text` its vector, its kind."""
    item = offer.items[at]
    kind = np.eye(KINDS)[int(item.category[1:])]
    vector = offer.vectors[at] if text else []
    return np.concatenate([[1.0, np.log(item.price) - 8.0], vector, kind])[None]


Options = Mapping[str, float]
"""The settings that a peer is tuned over."""
