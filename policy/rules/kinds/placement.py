"""`place`: arms may stand in some slots alone; where these are reserved, they take no others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from policy.arrays import EMPTY, Bools, Codes
from policy.rules.constraint import Constraint, label, stack_masks
from policy.rules.kind import Kind, PageContext, Problem, slot_problems
from policy.rules.order import Relaxation
from schemas import rules as declared
from schemas.messages.pages import PageRules


@dataclass(frozen=True, slots=True, eq=False)
class Placement(Constraint):
    """The arms, bool[A], may stand in `slots`, bool[S], alone; `reserved` slots take no others."""

    arms: Bools
    slots: Bools
    reserved: bool


@dataclass(frozen=True, slots=True, eq=False)
class Placements:
    """R placements: `arms` bool[R, A], `slots` bool[R, S], and for each whether they are reserved.

    `allowed` bool[S, A] is what they come to: which arms may stand in a slot.
    """

    labels: tuple[str, ...]
    effects: tuple[str, ...]
    arms: Bools
    slots: Bools
    reserved: tuple[bool, ...]
    allowed: Bools

    @classmethod
    def of(cls, placements: Sequence[Placement], arms: int, slots: int) -> Placements:
        """The table of these placements on a page of that many arms and slots."""
        allowed = np.ones((slots, arms), dtype=np.bool_)
        for placement in placements:
            allowed[~placement.slots] &= ~placement.arms
            if placement.reserved:
                allowed[placement.slots] &= placement.arms
        return cls(
            tuple(placement.label for placement in placements),
            tuple(placement.effect for placement in placements),
            stack_masks([placement.arms for placement in placements], arms),
            stack_masks([placement.slots for placement in placements], slots),
            tuple(placement.reserved for placement in placements),
            allowed,
        )

    @property
    def about(self) -> Bools:
        """Which arms they are about, bool[R, A]."""
        return self.arms

    def broken(self, slates: Codes, names: tuple[str, ...]) -> list[int]:
        """In how many slates, int32[V, S], each does not hold."""
        counts, filled = [], slates != EMPTY
        for row, reserved in enumerate(self.reserved):
            inside, slots = self.arms[row][slates] & filled, self.slots[row]
            wrong = inside & ~slots
            if reserved:
                wrong |= ~inside & filled & slots
            counts.append(int(wrong.any(axis=1).sum()))
        return counts


def _bind(rule: declared.Placement, page: PageContext) -> Iterator[Placement]:
    slots = [slot for slot in page.slots if slot in rule.slots]
    yield Placement(
        label(rule),
        f"only in {', '.join(slots) or 'no slot'} by {rule.name}",
        page.arms.matching(rule.match),
        np.array([slot in rule.slots for slot in page.slots], dtype=np.bool_),
        rule.reserved,
    )


def _problems(rule: declared.Placement, page: PageRules) -> Iterator[Problem]:
    return slot_problems(page, "slots", rule.slots)


KIND = Kind(declared.Placement, _bind, Relaxation.PLACEMENT, _problems)
