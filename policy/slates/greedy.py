"""Filling slots one after another with the best arm that the rules allow there.

`scan.pyx` does it in one pass over the arms for each slot, where it was built;
without, numpy does the same for all variants at once, some times slower.
"""

from __future__ import annotations

import numpy as np

from policy.arrays import Bools, Codes, Floats, Indices
from policy.rules.compiled import Bound
from policy.rules.matching import NO_CODE
from policy.slates.arrangement import EMPTY
from policy.slates.compiled import BUILT, scan

LISTED, SLACK = 2, 8
"""Arms in a list of the best: so many for each slot, and some more."""
GIVING_WAY = 4
"""Kinds of rules that give way: spacing, caps, exposure, places, in this order."""


class Limits:
    """What rules ask of arms in slots, as arrays for `Greedy`; made once for rules that stay."""

    def __init__(self, bound: Bound, slots: int) -> None:
        arms = len(bound.eligible)
        self.together = bound.together
        self.capped = _stacked([rule.codes for rule in bound.capped], arms)
        self.most = np.array([rule.most for rule in bound.capped], dtype=np.int32)
        self.spaced = _stacked([rule.codes for rule in bound.spaced], arms)
        self.distances = np.array([rule.distance for rule in bound.spaced], dtype=np.int32)
        self.places = _places(bound, arms, slots)
        self.complements = bound.complements if len(bound.complements) else np.zeros((arms, 0), dtype=np.int32)
        self.all_arms = np.arange(arms, dtype=np.int32)


class Greedy:
    """Slates from scores [V, A], `order` int32[S] being that of slots; of equal scores the first arm goes first."""

    def __init__(self, scores: Floats, order: Codes, limits: Limits, built: bool = BUILT) -> None:
        self._scores = scores
        self._order = order
        self._limits = limits
        self._counts = np.zeros((len(limits.capped), int(limits.capped.max(initial=0)) + 1), dtype=np.int32)
        self._filling = self._compiled() if built else None

    def _compiled(self) -> scan.Filling:
        limits, (_, arms) = self._limits, self._scores.shape
        return scan.Filling(
            self._scores,
            self._order,
            limits.capped,
            limits.most,
            limits.spaced,
            limits.distances,
            limits.places.view(np.uint8),
            limits.complements,
            limits.together,
            limits.all_arms,
            self._counts,
            np.zeros(arms, dtype=np.uint8),
            np.zeros(LISTED * len(self._order) + SLACK, dtype=np.int32),
        )

    def fill(self, slates: Codes, banned: Bools, variants: Indices) -> None:
        """Fill what is empty in the rows `variants` of `slates` int32[V, S], in place.

        `banned` bool[V, A] are arms that exposure keeps from a variant.  Where no arm is
        allowed, rules give way kind by kind; a slot for which there is none stays empty.
        """
        if self._filling is not None:
            self._filling.fill(slates, banned.view(np.uint8), variants)
        else:
            for variant in variants.tolist():
                self._fill(slates[variant], self._scores[variant], banned[variant])

    def _fill(self, slate: Codes, scores: Floats, banned: Bools) -> None:
        """One slate [S], with numpy."""
        self._counts[:] = 0
        closed = scores == -np.inf
        for arm in slate[slate != EMPTY].tolist():
            self._count(arm, closed)
        for slot in self._order.tolist():
            if slate[slot] == EMPTY and (arm := self._best(slate, slot, scores, banned, closed)) != EMPTY:
                slate[slot] = arm
                self._count(arm, closed)

    def _count(self, arm: int, closed: Bools) -> None:
        closed[arm] = True
        for rule, codes in enumerate(self._limits.capped):
            if codes[arm] != NO_CODE:
                self._counts[rule, codes[arm]] += 1

    def _best(self, slate: Codes, slot: int, scores: Floats, banned: Bools, closed: Bools) -> int:
        for giving_way in range(GIVING_WAY + 1):
            allowed = ~closed
            if giving_way < 4:
                allowed &= self._limits.places[slot]
            if giving_way < 3:
                allowed &= ~banned
            if giving_way < 2:
                for codes, counts, most in zip(self._limits.capped, self._counts, self._limits.most, strict=True):
                    allowed &= (codes == NO_CODE) | (counts[codes] < most)
            if giving_way < 1:
                allowed &= self._is_apart(slate, slot)
            lifted = scores if giving_way else self._lifted(slate, slot, scores)
            worth = np.where(allowed, lifted, -np.inf)
            best = int(worth.argmax())
            if worth[best] > -np.inf:
                return best
        return EMPTY

    def _is_apart(self, slate: Codes, slot: int) -> Bools:
        apart = np.ones(self._scores.shape[1], dtype=np.bool_)
        for codes, distance in zip(self._limits.spaced, self._limits.distances.tolist(), strict=True):
            for near in range(max(0, slot - distance + 1), min(len(slate), slot + distance)):
                if near != slot and slate[near] != EMPTY:
                    apart &= (codes != codes[slate[near]]) | (codes == NO_CODE)
        return apart

    def _lifted(self, slate: Codes, slot: int, scores: Floats) -> Floats:
        """Scores with those lifted that are complements of what stands next to the slot."""
        beside = [slate[near] for near in (slot - 1, slot + 1) if 0 <= near < len(slate) and slate[near] != EMPTY]
        arms = np.unique(self._limits.complements[beside])
        if not len(arms[arms != NO_CODE]):
            return scores
        lifted = scores.copy()
        lifted[arms[arms != NO_CODE]] *= self._limits.together
        return lifted


def _stacked(codes: list[Codes], arms: int) -> Codes:
    return np.ascontiguousarray(np.stack(codes)) if codes else np.zeros((0, arms), dtype=np.int32)


def _places(bound: Bound, arms: int, slots: int) -> Bools:
    """Which arms may stand in a slot by the places of rules, bool[S, A]."""
    allowed = np.ones((slots, arms), dtype=np.bool_)
    for rule in bound.placed:
        allowed[~rule.slots] &= ~rule.arms
        if rule.reserved:
            allowed[rule.slots] &= rule.arms
    return allowed
