"""Filling slots one after another with the best arm that the rules allow there.

`scan.pyx` does it in one pass over the arms for each slot, where it was built;
without, numpy does the same, some times slower.
"""

from __future__ import annotations

import numpy as np

from policy.arrays import EMPTY, Bools, Codes, Floats, Indices
from policy.rules.compiled import CompiledRules
from policy.rules.likeness import NO_CODE
from policy.rules.order import LEVELS, Relaxation
from policy.slates.alike import Alike
from policy.slates.compiled import BUILT, scan

SHORTLIST_PER_SLOT, SHORTLIST_SLACK = 2, 8
"""Arms in the shortlist of the best: 2 for each slot, and 8 more."""


class Greedy:
    """Slates from scores [V, A]; of equal scores the first arm goes first.

    `order` int32[V, N] are the slots of each that are to be filled, one after another, -1 for none.
    """

    def __init__(
        self, scores: Floats, order: Codes, rules: CompiledRules, built: bool = BUILT, alike: Alike | None = None
    ) -> None:
        self._scores = scores
        self._order = order
        self._rules = rules
        self._alike = alike or Alike(np.full(scores.shape[1], NO_CODE, dtype=np.int32), 1.0)
        self._shares = self._alike.shares(len(scores), order.shape[1])
        self._counts = np.zeros((len(rules.caps.labels), rules.caps.code_limit), dtype=np.int32)
        # Behind the categories stands what is like nothing, of which none is ever counted.
        self._standing = np.zeros(self._alike.kinds + 1, dtype=np.int32)
        self._filler = self._compiled() if built else None

    def _compiled(self) -> scan.Filler:
        arms = self._scores.shape[1]
        all_arms, closed = np.arange(arms, dtype=np.int32), np.zeros(arms, dtype=np.uint8)
        shortlist = np.zeros(SHORTLIST_PER_SLOT * self._order.shape[1] + SHORTLIST_SLACK, dtype=np.int32)
        alike = self._alike.codes, self._shares, self._standing
        return scan.Filler(self._scores, self._order, self._rules, alike, all_arms, self._counts, closed, shortlist)

    def fill(self, slates: Codes, banned: Bools, variants: Indices) -> None:
        """Fill what is empty in the rows `variants` of `slates` int32[V, S], in place.

        `banned` bool[V, A] are arms that exposure keeps from a variant.  Where no arm is
        allowed, rules give way kind by kind; a slot for which there is none stays empty.
        """
        if self._filler is not None:
            self._filler.fill(slates, banned.view(np.uint8), variants)
        else:
            for variant in variants.tolist():
                order = self._order[variant]
                self._fill(slates[variant], order[order != EMPTY], self._scores[variant], variant, banned[variant])

    def _fill(self, slate: Codes, order: Codes, scores: Floats, variant: int, banned: Bools) -> None:
        """One slate [S], with numpy."""
        self._counts[:], self._standing[:] = 0, 0
        closed = scores == -np.inf
        for slot in np.flatnonzero(slate != EMPTY).tolist():
            self._count(slate[slot], slot, closed)
        for slot in order.tolist():
            left = scores * self._shares[variant][self._standing[self._alike.codes]]
            if slate[slot] == EMPTY and (arm := self._best(slate, slot, left, banned, closed)) != EMPTY:
                slate[slot] = arm
                self._count(arm, slot, closed)

    def _count(self, arm: int, slot: int, closed: Bools) -> None:
        closed[arm] = True
        if (kind := self._alike.codes[arm]) != NO_CODE:
            self._standing[kind] += 1
        for counts, codes, slots in zip(self._counts, self._rules.caps.codes, self._rules.caps.slots, strict=True):
            if codes[arm] != NO_CODE and slots[slot]:
                counts[codes[arm]] += 1

    def _best(self, slate: Codes, slot: int, scores: Floats, banned: Bools, closed: Bools) -> int:
        for level in LEVELS:
            allowed = ~closed
            if level < Relaxation.PLACEMENT:
                allowed &= self._rules.placements.allowed[slot]
            if level < Relaxation.EXPOSURE:
                allowed &= ~banned
            if level < Relaxation.CAP:
                allowed &= self._has_room(slot)
            if level < Relaxation.SPACING:
                allowed &= self._is_apart(slate, slot)
            lifted = scores if level else self._lifted(slate, slot, scores)
            value = np.where(allowed, lifted, -np.inf)
            best = int(value.argmax())
            if value[best] > -np.inf:
                return best
        return EMPTY

    def _has_room(self, slot: int) -> Bools:
        """Which arms caps let into the slot, bool[A]."""
        room = np.ones(self._scores.shape[1], dtype=np.bool_)
        caps = self._rules.caps
        for codes, counts, most, slots in zip(caps.codes, self._counts, caps.most, caps.slots, strict=True):
            if slots[slot]:
                room &= (codes == NO_CODE) | (counts[codes] < most)
        return room

    def _is_apart(self, slate: Codes, slot: int) -> Bools:
        """Which arms are far enough from all like them if they come into the slot, bool[A]."""
        apart = np.ones(self._scores.shape[1], dtype=np.bool_)
        spacings = self._rules.spacings
        for codes, distance in zip(spacings.codes, spacings.distances.tolist(), strict=True):
            for near in range(max(0, slot - distance + 1), min(len(slate), slot + distance)):
                if near != slot and slate[near] != EMPTY:
                    apart &= (codes != codes[slate[near]]) | (codes == NO_CODE)
        return apart

    def _lifted(self, slate: Codes, slot: int, scores: Floats) -> Floats:
        """Scores with those lifted that are complements of what stands next to the slot."""
        beside = [slate[near] for near in (slot - 1, slot + 1) if 0 <= near < len(slate) and slate[near] != EMPTY]
        arms = np.unique(self._rules.complements.arms[beside])
        if not len(arms[arms != NO_CODE]):
            return scores
        lifted = scores.copy()
        lifted[arms[arms != NO_CODE]] *= self._rules.complements.factor
        return lifted
