"""How attractive arms are expected to be in a segment, from counts alone: of the page, of the arm, of the pair of both.

A policy shows most what is clicked most, so a mean over impressions says how attractive the good arms
are.  Here each arm and each pair of arm and segment has a factor of its own, Gamma distributed around 1, whose
strength is fitted; a count says less of the levels above it the more its own factor explains of it (Williams 1982).
What is expected of a pair that was hardly shown is then what arms are like, not what is liked.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policy.arrays import Floats
from policy.model.interest import damping
from policy.model.strength import DEFAULT, fit_strength

TURNS = 3
"""Turns of the levels in a fit: they begin where the fit before ended."""


class Levels(NamedTuple):
    """The page's mean attraction, each arm's factor [A], and the strengths of arms' and pairs' own factors."""

    mean: float
    arms: Floats
    arm_strength: float
    strength: float

    @property
    def expected(self) -> Floats:
        """The attraction of each arm where nothing is known of the segment, float64[A]."""
        return self.mean * self.arms


def begin(clicks: Floats, examined: Floats) -> Levels:
    """Levels to start from: all arms alike.  Counts are clicks and examined impressions [G, A]."""
    mean = float(clicks.sum() / max(examined.sum(), 1e-12))
    return Levels(mean, np.ones(clicks.shape[1]), DEFAULT, DEFAULT)


def fit_levels(clicks: Floats, examined: Floats, levels: Levels) -> Levels:
    """Levels that make clicks [G, A] of examined impressions [G, A] likelier than `levels` do.

    Where there is a single segment, arms have no factor beside that of the pair, as nothing tells one from the other.
    """
    mean, arms, arm_strength, strength = levels
    for _ in range(TURNS):
        damped = damping(mean * arms * examined, strength)
        by_arm, from_arm = (clicks * damped).sum(axis=0), mean * (examined * damped).sum(axis=0)
        if len(clicks) > 1:
            arms = (by_arm + arm_strength) / (from_arm + arm_strength)
            arm_strength = fit_strength(by_arm, from_arm)
            of_page = damping(from_arm, arm_strength)
        else:
            of_page = np.ones(len(by_arm))
        mean *= float((by_arm * of_page).sum() / max((from_arm * of_page).sum(), 1e-12))
        strength = fit_strength(clicks, mean * arms * examined)
    return Levels(mean, arms, arm_strength, strength)
