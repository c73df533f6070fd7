"""`exposure`: one of the arms is in at least a share of slates, each of them in at most another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from policy.arrays import EMPTY, Bools, Codes, Indices
from policy.rules.constraint import NOTHING_AVAILABLE, Constraint, Idle, label, stack_masks
from policy.rules.kind import Kind, PageContext, Problem
from policy.rules.order import Relaxation
from schemas import rules as declared
from schemas.messages.pages import PageRules

ROUNDING = 1e-9
"""A share of slates that is this near to a whole number is that number."""


@dataclass(frozen=True, slots=True, eq=False)
class Exposure(Constraint):
    """One of the arms, bool[A], is in the share `least` of slates, each of them in at most `most`."""

    arms: Bools
    least: float
    most: float


@dataclass(frozen=True, slots=True, eq=False)
class Exposures:
    """R shares of slates: `arms` bool[R, A], and R numbers `least` and `most` from 0 to 1."""

    labels: tuple[str, ...]
    effects: tuple[str, ...]
    arms: Bools
    least: tuple[float, ...]
    most: tuple[float, ...]

    @classmethod
    def of(cls, exposures: Sequence[Exposure], arms: int) -> Exposures:
        """The table of these constraints on a page of that many arms."""
        return cls(
            tuple(exposure.label for exposure in exposures),
            tuple(exposure.effect for exposure in exposures),
            stack_masks([exposure.arms for exposure in exposures], arms),
            tuple(exposure.least for exposure in exposures),
            tuple(exposure.most for exposure in exposures),
        )

    @property
    def about(self) -> Bools:
        """Which arms they are about, bool[R, A]."""
        return self.arms

    def floors(self, variants: int) -> list[int]:
        """Of that many slates, those that must have one of the arms, rounded up."""
        return [math.ceil(least * variants - ROUNDING) for least in self.least]

    def ceilings(self, variants: int) -> list[int]:
        """Of that many slates, those that may have one and the same arm, rounded down."""
        return [math.floor(most * variants + ROUNDING) for most in self.most]

    def ceiling_by_arm(self, variants: int) -> Indices:
        """In how many of that many slates each arm may be, int[A]."""
        ceiling = np.full(self.arms.shape[1], variants)
        for row, most in enumerate(self.ceilings(variants)):
            if most < variants:
                arms = self.arms[row]
                ceiling[arms] = np.minimum(ceiling[arms], most)
        return ceiling

    def broken(self, slates: Codes, names: tuple[str, ...]) -> list[int]:
        """Slates, int32[V, S], too few for each floor, or too many for the ceiling of the arm shown most."""
        variants = len(slates)
        counts = np.bincount(slates[slates != EMPTY], minlength=self.arms.shape[1])
        floors, ceilings = self.floors(variants), self.ceilings(variants)
        return [
            max(
                0,
                floors[row] - int(any_of(self.arms[row], slates).sum()),
                int(counts[self.arms[row]].max(initial=0)) - ceilings[row],
            )
            for row in range(len(self.labels))
        ]


def any_of(arms: Bools, slates: Codes) -> Bools:
    """Which slates, int32[V, S], have one of the arms, bool[A]."""
    return np.asarray((arms[slates] & (slates != EMPTY)).any(axis=1))


def _bind(rule: declared.Exposure, page: PageContext) -> Iterator[Constraint]:
    arms = page.arms.matching(rule.match)
    if arms.any():
        effect = f"in {rule.least:.0%} to {rule.most:.0%} of slates by {rule.name}"
        yield Exposure(label(rule), effect, arms, rule.least, rule.most)
    elif rule.least:
        yield Idle(label(rule), NOTHING_AVAILABLE)


def _problems(rule: declared.Exposure, page: PageRules) -> Iterator[Problem]:
    slates = page.policy.variants + page.policy.exploration_slates
    if rule.most * slates < 1.0:
        yield Problem(
            "most",
            f"expected at least one of the page's {slates} slates, {1.0 / slates:g}, got {rule.most:g}; "
            "to keep arms off the page use a boost with factor 0",
        )
    if rule.least > rule.most:
        yield Problem("least", f"expected at most `most`, {rule.most}; got {rule.least}")
    if rule.least == 0.0 and rule.most == 1.0:
        yield Problem("least", "expected `least` above 0 or `most` below 1: this rule asks for nothing")


KIND = Kind(declared.Exposure, _bind, Relaxation.EXPOSURE, _problems)
