"""What a shelf adds to its items: a factor around 1, by page, then by segment, then by row.

A good title makes items clicked more wherever the shelf stands.  Each level is Gamma distributed around the one above
it, with a strength that is fitted; many clicks of one segment say less of the level above
(Williams 1982), as in `policy.model.attraction`, which fits page and segments here too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import gammainccinv, gammaincinv

from policy.arrays import Floats
from policy.defaults import LEVEL
from policy.model.attraction import Levels, begin, fit_levels
from policy.model.interest import damping
from policy.model.strength import fit_strength
from policy.pages.compiled import CompiledPage
from policy.pages.model.counts import by_row

SPOT = 100.0
"""The shape of what a shelf differs by from row to row where nothing tells it, in expected clicks."""


class Factors(NamedTuple):
    """Factors by page [H], in segments (that of the page included) [G, H], and in rows beside [H, R].

    `levels` are those of page and segments, and `spot_strength` is the shape of rows' part.  `variances` are relative:
    of the page's [H], of the segments' [G, H] and of the rows' [H, R].
    """

    page: Floats
    segments: Floats
    spots: Floats
    levels: Levels
    spot_strength: float
    variances: tuple[Floats, Floats, Floats]

    @classmethod
    def start(cls, page: CompiledPage, segments: int) -> Factors:
        """Where nothing is known: 1 for all, and in doubt as the default strengths say."""
        rows, shelves, _ = page.shape
        nothing = np.zeros((segments, shelves))
        return _factors(
            page, begin(nothing, nothing)._replace(mean=1.0), SPOT, (nothing, nothing), np.zeros((2, shelves, rows))
        )

    def of_slots(self, page: CompiledPage) -> Floats:
        """Of each shelf in each slot, float64[G, H, S]."""
        return np.asarray(self.segments[:, :, None] * self.spots[:, page.row_of], dtype=np.float64)


class FactorInterval(NamedTuple):
    """A factor around 1, and between which two it is with a probability of 95 %."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, mean: float, variance: float, level: float = LEVEL) -> FactorInterval:
        """Of a Gamma distributed factor with this mean and relative variance; where it is certain all three are one."""
        if mean <= 0.0 or variance <= 0.0:
            return cls(mean, mean, mean)
        shape, tail = 1.0 / variance, (1.0 - level) / 2.0
        low, high = gammaincinv(shape, tail), gammainccinv(shape, tail)
        return cls(mean, float(low * mean / shape), float(high * mean / shape))


def move_factors(page: CompiledPage, factors: Factors, clicks: Floats, expected: Floats) -> Factors:
    """Factors that make clicks [G, H, S] likelier, where factors of 1 would give `expected` [G, H, S]."""
    by_spot, from_spot = by_row(page, clicks), by_row(page, expected)
    by_spot = np.where(from_spot > 0.0, by_spot, 0.0)
    by_shelf, from_shelf = by_spot.sum(axis=2), (from_spot * factors.spots).sum(axis=2)
    levels = fit_levels(by_shelf, from_shelf, factors.levels._replace(mean=1.0))
    # Rows' part is around what all of a shelf's rows say: else it would have all of that, too.
    around = from_spot * _segments(levels, by_shelf, from_shelf)[:, :, None] * levels.mean
    spots = np.stack([by_spot.sum(axis=0), around.sum(axis=0)])
    return _factors(page, levels, fit_strength(spots[0], spots[1], default=SPOT), (by_shelf, from_shelf), spots)


def _segments(levels: Levels, clicks: Floats, expected: Floats) -> Floats:
    """Factors of segments from their clicks and expected ones, float64[G, H]."""
    return np.asarray((clicks + levels.strength) / (expected * levels.mean + levels.strength / levels.arms))


def _factors(
    page: CompiledPage, levels: Levels, spot_strength: float, shelves: tuple[Floats, Floats], spots: Floats
) -> Factors:
    """From clicks and expected ones of shelves [G, H] each and spots [2, H, R]; the unnamed shelf's factor is 1."""
    clicks, expected = shelves
    titled, weight = page.titled, levels.strength
    weighted = clicks.sum(axis=0) if len(clicks) < 2 else (clicks * damping(levels.arms * expected, weight)).sum(axis=0)
    of_page = 1.0 / (levels.arm_strength + weighted)
    factor = _segments(levels, clicks, expected)
    own = (spots[0] + spot_strength) / (spots[1] + spot_strength)
    share = weight / (weight + clicks)
    of_segments = 1.0 / (weight + clicks) + np.square(share) * of_page
    return Factors(
        page=np.where(titled, levels.arms if len(clicks) > 1 else factor.mean(axis=0), 1.0),
        segments=np.where(titled, factor, 1.0),
        spots=np.where(titled[:, None], own, 1.0),
        levels=levels,
        spot_strength=spot_strength,
        variances=(
            np.where(titled, of_page, 0.0),
            np.where(titled, of_segments, 0.0),
            np.where(titled[:, None], 1.0 / (spot_strength + spots[0]), 0.0),
        ),
    )
