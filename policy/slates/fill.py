"""Slates under rules: which arm goes into which slot of each variant.

Slots are filled from the one most looked at down, each with the best arm that the
rules allow there, all variants at once.  Where no arm is allowed, rules give way in
the order of `policy.rules.order`, and the layout says so; a slot that even
then has no arm stays empty.  Stock and eligibility, arms kept off the page, and no arm
twice in a slate always hold.  Pins come first and count for the others; of two pins
that cannot both hold, the first declared does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policy.arrays import EMPTY, Bools, Codes, Floats, Indices
from policy.rules.compiled import CompiledRules
from policy.rules.kinds.exposure import any_of
from policy.slates.alike import Alike
from policy.slates.arrangement import slates
from policy.slates.greedy import Greedy

ROUNDS = 3
"""How often slates are filled again for exposure to hold."""


@dataclass(frozen=True, slots=True)
class SlateSet:
    """Slates int32[V, S], -1 where none, and the rules that do not hold, with the number of slates in which."""

    slates: Codes
    broken: tuple[tuple[str, int], ...] = ()

    @property
    def relaxed(self) -> list[str]:
        """The rules that do not hold, in words."""
        return [f"{rule}: not in {count} of {len(self.slates)} slates" for rule, count in self.broken]


def fill(
    scores: Floats, examination: Floats, rules: CompiledRules, names: tuple[str, ...], alike: Alike | None = None
) -> SlateSet:
    """Slates from scores [A, V], 0 or more, and examination [S] of slots in rendered order.

    `names` (page, segment, epoch) decide how shares of slates are rounded.  Without
    rules, and where no arms are `alike`, this is `policy.slates.arrangement.slates`.  Equal scores are ordered by hash.
    """
    canonical = rules.canonical
    usable = np.where(rules.eligible[:, None], scores[canonical] * rules.factor[:, None], -np.inf)
    if (rules.plain and alike is None) or not len(usable):
        # The arms are in the order of their hashes already.
        order = np.arange(len(canonical), dtype=np.uint64)
        return SlateSet(_as_given(slates(usable, examination, order), canonical))
    filler = _Filler(usable, examination, rules, names, alike and alike.only(canonical))
    filler.fill(np.arange(scores.shape[1]))
    for _ in range(ROUNDS):
        changed = filler.correct_exposure()
        if not len(changed):
            break
        filler.fill(changed)
    return SlateSet(_as_given(filler.slates, canonical), rules.broken(filler.slates, names))


def _as_given(slates_: Codes, canonical: Indices) -> Codes:
    """Arms by their number before they were put in order."""
    return np.append(canonical, EMPTY)[slates_].astype(np.int32)


class _Filler:
    """Slates in the making: int32[V, S], with arms fixed in slots, and arms banned from variants, bool[V, A]."""

    def __init__(
        self,
        scores: Floats,
        examination: Floats,
        rules: CompiledRules,
        names: tuple[str, ...],
        alike: Alike | None,
    ) -> None:
        # What is not a number counts as minus infinity, and infinity as a number.
        self._scores = np.fmax(np.ascontiguousarray(scores.T), -np.inf)
        np.minimum(self._scores, np.finfo(np.float64).max, out=self._scores)
        self._order = np.argsort(-examination, kind="stable").astype(np.int32)
        self._rules = rules
        self._variants, self._arms = self._scores.shape
        self._banned = np.zeros(self._scores.shape, dtype=np.bool_)
        self._greedy = Greedy(self._scores, self._order, rules, alike=alike)
        self._fixed = np.full((self._variants, len(examination)), EMPTY, dtype=np.int32)
        self._ceiling = rules.exposures.ceiling_by_arm(self._variants)
        self._fix_pins(names)
        self.slates = self._fixed.copy()

    def fill(self, variants: Indices) -> None:
        """The slates of variants from the beginning, with what exposure bans and fixes by now."""
        self.slates[variants] = self._fixed[variants]
        self._greedy.fill(self.slates, self._banned, variants)

    def _fix_pins(self, names: tuple[str, ...]) -> None:
        """Each pin where its best arm scores best, in as many slates as it is to hold in."""
        pins = self._rules.pins
        for row, count in enumerate(pins.counts(self._variants, names)):
            slot, arms = pins.slots[row], np.flatnonzero(pins.arms[row])
            there = (self._fixed[:, None, :] == arms[:, None]).any(axis=2)
            candidates = np.where(there, -np.inf, self._scores[:, arms])
            best = candidates.argmax(axis=1)
            score = candidates[np.arange(self._variants), best]
            variants = np.flatnonzero((self._fixed[:, slot] == EMPTY) & (score > -np.inf))
            variants = variants[np.argsort(-score[variants], kind="stable")][:count]
            self._fixed[variants, slot] = arms[best[variants]]

    # Exposure over all slates

    def correct_exposure(self) -> Indices:
        """Note what has to be banned or fixed for shares to hold; the variants to fill again."""
        exposures = self._rules.exposures
        changed = self._hold_ceilings()
        for row, floor in enumerate(exposures.floors(self._variants)):
            changed |= self._hold_floor(exposures.arms[row], floor)
        return np.flatnonzero(changed)

    def _hold_ceilings(self) -> Bools:
        """Keep an arm that is in too many slates for those in which it is fixed or scores best."""
        changed = np.zeros(self._variants, dtype=np.bool_)
        for arm in np.flatnonzero(self._counts() > self._ceiling).tolist():
            holding = np.flatnonzero((self.slates == arm).any(axis=1))
            fixed = (self._fixed == arm).any(axis=1)
            best_first = holding[np.lexsort((-self._scores[holding, arm], ~fixed[holding]))]
            banned = ~fixed
            banned[best_first[: self._ceiling[arm]]] = False
            changed[holding] |= (banned & ~self._banned[:, arm])[holding]
            self._banned[:, arm] |= banned
        return changed

    def _hold_floor(self, mask: Bools, floor: int) -> Bools:
        """Give the slot least looked at, of those it may have, to the best such arm where it scores best."""
        changed = np.zeros(self._variants, dtype=np.bool_)
        arms, has = np.flatnonzero(mask), any_of(mask, self.slates) | any_of(mask, self._fixed)
        lacking = floor - int(has.sum())
        if lacking <= 0 or not len(arms):
            return changed
        room = (self._ceiling - self._counts())[arms]
        free = (self._fixed == EMPTY) @ self._rules.placements.allowed[:, arms]
        scores = np.where(free & ~self._banned[:, arms] & ~has[:, None], self._scores[:, arms], -np.inf)
        for _ in range(lacking):
            scores[:, room <= 0] = -np.inf
            variant, best = np.unravel_index(scores.argmax(), scores.shape)
            if scores[variant, best] == -np.inf:
                break
            self._fixed[variant, self._last_free(variant, arms[best])] = arms[best]
            scores[variant], changed[variant] = -np.inf, True
            room[best] -= 1
        return changed

    def _counts(self) -> Indices:
        """In how many slates each arm is by now, int[A]."""
        now = np.where(self._fixed == EMPTY, self.slates, self._fixed)
        return np.bincount(now[now != EMPTY], minlength=self._arms)

    def _last_free(self, variant: np.intp, arm: np.intp) -> int:
        """The slot least looked at, of those that the arm may have."""
        free = (self._fixed[variant] == EMPTY) & self._rules.placements.allowed[:, arm]
        return int(self._order[free[self._order]][-1])
