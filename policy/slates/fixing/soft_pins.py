"""Soft pins: arms stand where their scores put them, as long as that is in the slots that their pins leave them.

Where an arm does not, it gets that one of these which is looked at most nearly as much as the slot in which it would
stand.  Where slots further down are looked at less, no slate that obeys a single pin is worth more.
"""

from __future__ import annotations

import numpy as np

from policy.arrays import EMPTY, Bools, Codes, Indices
from policy.slates.fixing.arms import FixedArms


class Seats:
    """A slot for each of N arms, no two the same: an arm that was seated always keeps one.

    `allowed` bool[N, S] are the slots that each may have.  These are augmenting paths in a bipartite graph (Kuhn 1955).
    """

    def __init__(self, allowed: Bools) -> None:
        self._slots = [np.flatnonzero(own).tolist() for own in allowed]
        self._arms: dict[int, int] = {}
        self._taken: set[int] = set()

    def seat(self, arm: int) -> bool:
        """Whether there is a slot for the arm as well, beside those that were seated."""
        return self._move(arm, set(self._taken))

    def take(self, arm: int, slot: int) -> bool:
        """Give a seated arm this very slot for good, if all others still have one; whether it has it."""
        if slot in self._taken or slot not in self._slots[arm]:
            return False
        before = dict(self._arms)
        self._arms = {own: other for own, other in before.items() if other != arm}
        other = self._arms.get(slot)
        if other is not None and not self._move(other, {*self._taken, slot}):
            self._arms = before
            return False
        self._arms[slot] = arm
        self._taken.add(slot)
        return True

    def _move(self, arm: int, tried: set[int]) -> bool:
        for slot in self._slots[arm]:
            if slot in tried:
                continue
            tried.add(slot)
            other = self._arms.get(slot)
            if other is None or self._move(other, tried):
                self._arms[slot] = arm
                return True
        return False


def settle(fixed: FixedArms, slates: Codes) -> Indices:
    """Fix arms that do not stand in `slates` int32[V, S] where soft pins let them; the variants to fill again.

    One of a slate at a time, in the order of declaration; once all stand there, they are fixed where they are.
    """
    if not fixed.rules.soft_pins.labels:
        return np.zeros(0, dtype=np.intp)
    arms, slots = fixed.rules.soft_pins.by_arm
    able = np.moveaxis(fixed.may_stand(arms), 2, 1) & slots & (fixed.scores[:, arms] > -np.inf)[:, :, None]
    return np.flatnonzero([_settle(fixed, variant, slates[variant], able[variant]) for variant in range(len(slates))])


def _settle(fixed: FixedArms, variant: int, slate: Codes, able: Bools) -> bool:
    """The same in one slate [S]: whether it has to be filled again."""
    arms, _ = fixed.rules.soft_pins.by_arm
    own = fixed.fixed[variant]
    seats = Seats(able & (own == EMPTY) & ~(arms[:, None] == own).any(axis=1)[:, None])
    seated = [at for at in range(len(arms)) if seats.seat(at)]
    stands = (slate == arms[:, None]) & able
    for at in seated:
        if not stands[at].any():
            nearest = _nearest(fixed.order[variant], slate, arms[at])
            own[next(slot for slot in nearest if seats.take(at, slot))] = arms[at]
            return True
    for at in seated:
        own[stands[at]] = arms[at]
    return False


def _nearest(order: Codes, slate: Codes, arm: np.intp) -> list[int]:
    """The slots in `order`, first those looked at most nearly as much as the arm's; the last first if it has none."""
    order = order[order != EMPTY]
    ranks = np.arange(len(order))
    own = ranks[slate[order] == arm]
    distance = np.abs(ranks - (own[0] if len(own) else len(order)))
    return [int(slot) for slot in order[np.argsort(distance, kind="stable")]]
