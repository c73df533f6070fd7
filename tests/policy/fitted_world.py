"""A page whose truth is known, for tests of what is fitted to its counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from policy.arrays import Floats
from policy.model.examination import examination
from policy.model.features import Features
from policy.model.fitting import Described, PageCounts

SEEDS = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class World:
    """Attractiveness [G, A], looks [S], and the text vectors [A, D] that partly explain it."""

    truth: Floats
    looks: Floats
    vectors: Floats
    segments: list[str]
    items: list[str]
    slots: list[str]

    def counts(self, rng: np.random.Generator, views: float, arms: int | None = None) -> PageCounts:
        """What `views` per segment, arm and slot (on average) bring; arms from `arms` on are never shown."""
        shape = (len(self.segments), len(self.items), 1)
        shown = rng.poisson(views * rng.gamma(1.0, size=shape) * np.ones(len(self.slots)))
        shown[:, len(self.items) if arms is None else arms :] = 0
        clicked = rng.binomial(shown, self.truth[:, :, None] * self.looks)
        return PageCounts(self.segments, self.items, self.slots, shown.astype(float), clicked.astype(float))

    def described(self, *, text: bool) -> Described:
        nothing = Features((), np.zeros((len(self.items), 0)))
        return Described(nothing, {}, self.vectors if text else None, "m" if text else "")


def world(rng: np.random.Generator, segments: int = 8, items: int = 120, slots: int = 6, size: int = 8) -> World:
    """Interest from text, page-wide and by segment, and a part of each arm's own."""
    vectors = rng.normal(size=(items, size)) / np.sqrt(size)
    score = -4.0 + vectors @ rng.normal(size=size) * 0.8 + rng.normal(size=items) * 0.3
    own = (vectors @ rng.normal(size=(size, segments)) * 0.6).T + rng.normal(size=(segments, items)) * 0.2
    return World(
        truth=1.0 / (1.0 + np.exp(-(score + own))),
        looks=examination([str(n) for n in range(slots)], {}) ** 1.5,
        vectors=vectors,
        segments=[f"s{n}" for n in range(segments)],
        items=[f"i{n}" for n in range(items)],
        slots=[f"p{n}" for n in range(slots)],
    )
