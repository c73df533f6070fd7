"""A page of a few slots whose arms have counts, for tests of composing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from policy.model.examination import examination
from policy.model.posteriors import Prior
from policy.slates.composition import Statistics
from schemas.messages.pages import PolicyName

PRIOR = Prior(0.02, 50.0)

SLOTS = ["top", "left", "right", "foot"]

LOOKED_AT = examination(SLOTS, {"right": 0.9})

NAMES: list[PolicyName] = ["thompson", "greedy", "uniform", "ucb", "epsilon-greedy", "baseline"]


def a_page(arms: int, seed: int = 0, slots: list[str] = SLOTS) -> Statistics:
    random = np.random.default_rng(seed)
    impressions = random.integers(0, 500, (arms, len(slots)))
    clicks = random.binomial(impressions, random.beta(2, 60, (arms, 1)))
    items = [f"item-{number}" for number in range(arms)]
    return replace(
        Statistics.empty(items, slots, examination(slots, {}), PRIOR),
        impressions=impressions,
        clicks=clicks,
        holdout_impressions=impressions // 7,
        holdout_clicks=clicks // 7,
        holdout_conversions=clicks.sum(axis=1) // 20,
    )
