"""`spacing`: arms of one brand or category, or that are alike, are N or more positions apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from policy.arrays import EMPTY, Bools, Codes
from policy.rules.constraint import Constraint, label, stack_codes
from policy.rules.kind import Kind, PageContext, Problem
from policy.rules.likeness import NO_CODE
from policy.rules.order import Relaxation
from schemas import rules as declared
from schemas.messages.pages import PageRules


@dataclass(frozen=True, slots=True, eq=False)
class Spacing(Constraint):
    """Arms of one code, int32[A] with -1 for none, stand `distance` positions apart or more."""

    codes: Codes
    distance: int


@dataclass(frozen=True, slots=True, eq=False)
class Spacings:
    """R distances to keep: `codes` int32[R, A], `distances` int32[R] in positions."""

    labels: tuple[str, ...]
    effects: tuple[str, ...]
    codes: Codes
    distances: Codes

    @classmethod
    def of(cls, spacings: Sequence[Spacing], arms: int) -> Spacings:
        """The table of these constraints on a page of that many arms."""
        return cls(
            tuple(spacing.label for spacing in spacings),
            tuple(spacing.effect for spacing in spacings),
            stack_codes([spacing.codes for spacing in spacings], arms),
            np.array([spacing.distance for spacing in spacings], dtype=np.int32),
        )

    @property
    def about(self) -> Bools:
        """Which arms they are about, bool[R, A]."""
        return np.not_equal(self.codes, NO_CODE)

    def broken(self, slates: Codes, names: tuple[str, ...]) -> list[int]:
        """In how many slates, int32[V, S], each does not hold."""
        filled = slates != EMPTY
        return [
            _slates_too_near(np.where(filled, self.codes[row][slates], NO_CODE), distance)
            for row, distance in enumerate(self.distances.tolist())
        ]


def _slates_too_near(codes: Codes, distance: int) -> int:
    """How many slates have two arms of one code nearer than `distance`, given codes in slots, int32[V, S]."""
    near = np.zeros(len(codes), dtype=np.bool_)
    for apart in range(1, min(distance, codes.shape[1])):
        near |= ((codes[:, apart:] == codes[:, :-apart]) & (codes[:, apart:] != NO_CODE)).any(axis=1)
    return int(near.sum())


def _bind(rule: declared.Spacing, page: PageContext) -> Iterator[Spacing]:
    effect = f"kept {rule.distance} apart by {rule.name}"
    if rule.by == declared.LIKENESS:
        codes = page.arms.alike(page.pictures, rule.similarity)
    else:
        codes = page.arms.codes(rule.by)
    yield Spacing(label(rule), effect, codes, rule.distance)


def spaces_by_likeness(page: PageRules) -> bool:
    """Whether a page has such a rule that asks what pictures are alike."""
    return any(isinstance(rule, declared.Spacing) and rule.by == declared.LIKENESS for rule in page.rules)


def _problems(rule: declared.Spacing, page: PageRules) -> Iterator[Problem]:
    if rule.distance > len(page.slots):
        yield Problem("distance", f"expected at most the number of slots, {len(page.slots)}; got {rule.distance}")


KIND = Kind(declared.Spacing, _bind, Relaxation.SPACING, _problems)
