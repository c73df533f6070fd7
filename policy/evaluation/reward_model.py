"""What an item in a slot is expected to earn: the model of the direct and doubly robust estimators."""

from __future__ import annotations

import numpy as np

from policy.arrays import Floats, Ints

FOLDS = 4
STRENGTH = 100.0
"""Examined impressions that the page's mean weighs as much as."""


def fold_of(bins: Ints) -> Ints:
    """The fold of each bin of units: a page view is judged by a model that has not seen its unit.

    The sample splitting of Chernozhukov et al. (2018), "Double/debiased machine
    learning", section 3; without it a model follows the noise that it corrects.
    """
    folds: Ints = bins % FOLDS
    return folds


def expected_reward(impressions: Floats, reward: Floats, examination: Floats) -> Floats:
    """What each item earns in each slot, float64[K, A, S], from the folds other than k.

    `impressions` and `reward` are sums [K, A, S], `examination` [S].  An item earns
    the same wherever it is looked at (the position-based model; see
    `policy.model.posteriors.posterior`), shrunk to the mean of all items.
    """
    others = impressions.sum(axis=0) - impressions, reward.sum(axis=0) - reward
    examined, earned = np.einsum("kas,s->ka", others[0], examination), others[1].sum(axis=2)
    mean = earned.sum(axis=1) / np.maximum(examined.sum(axis=1), 1.0)
    rate = (mean[:, None] * STRENGTH + earned) / (STRENGTH + examined)
    expected: Floats = rate[:, :, None] * examination
    return expected
