"""Arms that are fixed in slots before these are filled, by pins and for exposure to hold over all slates."""

from __future__ import annotations

import numpy as np

from policy.arrays import EMPTY, Bools, Codes, Floats, Indices
from policy.rules.compiled import CompiledRules
from policy.rules.kinds.exposure import any_of


def comparable(scores: Floats) -> Floats:
    """Scores [A, V] as [V, A]: what is not a number counts as minus infinity, and infinity as a number."""
    turned = np.fmax(np.ascontiguousarray(scores.T), -np.inf)
    return np.minimum(turned, np.finfo(np.float64).max, out=turned)


class FixedArms:
    """Arms fixed in slots, int32[V, S] with -1 for none, and those banned from variants, bool[V, A].

    `scores` are [V, A]; `order` int32[V, N] are the slots that each slate has, the first the one most looked at, -1
    for none.  Any arm may be fixed in any slot that rules let it have: a page of shelves overrides that.
    """

    def __init__(self, scores: Floats, order: Codes, rules: CompiledRules, slots: int) -> None:
        self.scores, self.order, self.rules = scores, order, rules
        self.variants, self.arms = scores.shape
        self.fixed: Codes = np.full((self.variants, slots), EMPTY, dtype=np.int32)
        self.banned: Bools = np.zeros(scores.shape, dtype=np.bool_)
        self._ceiling = rules.exposures.ceiling_by_arm(self.variants)

    def may_stand(self, arms: Indices) -> Bools:
        """In which slots each of N arms may stand whatever rules ask for, bool[V, S, N], or [1, S, N] for all alike."""
        return np.ones((1, self.fixed.shape[1], len(arms)), dtype=np.bool_)

    def may_pin(self, slot: int, arms: Indices) -> Bools:
        """In which variants each of N arms may be pinned in a slot, bool[V, N]."""
        return np.ones((self.variants, len(arms)), dtype=np.bool_)

    def allowed(self, arms: Indices) -> Bools:
        """In which slots rules, too, let each of N arms stand, bool[V, S, N], or [1, S, N] for all variants alike."""
        return np.asarray(self.may_stand(arms) & self.rules.placements.allowed[None, :, arms])

    def fix(self, variants: Indices, slot: int, arms: Indices) -> None:
        """Let an arm stand in the slot of each of the variants."""
        self.fixed[variants, slot] = arms

    def fix_pins(self, names: tuple[str, ...]) -> None:
        """Each pin where its best arm scores best, in as many slates as it is to hold in.

        `names` (page, segment, epoch) decide how shares of slates are rounded.
        """
        pins = self.rules.pins
        for row, count in enumerate(pins.counts(self.variants, names)):
            slot, arms = pins.slots[row], np.flatnonzero(pins.arms[row])
            there = (self.fixed[:, None, :] == arms[:, None]).any(axis=2)
            able = ~there & self.may_pin(slot, arms) & self.rules.soft_pins.permits(slot, arms)
            candidates = np.where(able, self.scores[:, arms], -np.inf)
            best = candidates.argmax(axis=1)
            score = candidates[np.arange(self.variants), best]
            variants = np.flatnonzero((self.fixed[:, slot] == EMPTY) & (score > -np.inf))
            variants = variants[np.argsort(-score[variants], kind="stable")][:count]
            self.fix(variants, slot, arms[best[variants]])

    # Exposure over all slates

    def correct_exposure(self, slates: Codes) -> Indices:
        """Note what has to be banned or fixed for shares to hold in slates [V, S]; the variants to fill again."""
        exposures = self.rules.exposures
        changed = self._hold_ceilings(slates)
        for row, floor in enumerate(exposures.floors(self.variants)):
            changed |= self._hold_floor(exposures.arms[row], floor, slates)
        return np.flatnonzero(changed)

    def _hold_ceilings(self, slates: Codes) -> Bools:
        """Keep an arm that is in too many slates for those in which it is fixed or scores best."""
        changed = np.zeros(self.variants, dtype=np.bool_)
        for arm in np.flatnonzero(self._counts(slates) > self._ceiling).tolist():
            holding = np.flatnonzero((slates == arm).any(axis=1))
            fixed = (self.fixed == arm).any(axis=1)
            best_first = holding[np.lexsort((-self.scores[holding, arm], ~fixed[holding]))]
            banned = ~fixed
            banned[best_first[: self._ceiling[arm]]] = False
            changed[holding] |= (banned & ~self.banned[:, arm])[holding]
            self.banned[:, arm] |= banned
        return changed

    def _hold_floor(self, mask: Bools, floor: int, slates: Codes) -> Bools:
        """Give the slot least looked at, of those it may have, to the best such arm where it scores best."""
        changed = np.zeros(self.variants, dtype=np.bool_)
        arms, has = np.flatnonzero(mask), any_of(mask, slates) | any_of(mask, self.fixed)
        lacking = floor - int(has.sum())
        if lacking <= 0 or not len(arms):
            return changed
        room = (self._ceiling - self._counts(slates))[arms]
        free = ((self.fixed == EMPTY)[:, :, None] & self.allowed(arms)).any(axis=1)
        scores = np.where(free & ~self.banned[:, arms] & ~has[:, None], self.scores[:, arms], -np.inf)
        for _ in range(lacking):
            scores[:, room <= 0] = -np.inf
            variant, best = np.unravel_index(scores.argmax(), scores.shape)
            if scores[variant, best] == -np.inf:
                break
            self.fixed[variant, self._last_free(int(variant), arms[best])] = arms[best]
            scores[variant], changed[variant] = -np.inf, True
            room[best] -= 1
        return changed

    def _counts(self, slates: Codes) -> Indices:
        """In how many slates each arm is by now, int[A]."""
        now = np.where(self.fixed == EMPTY, slates, self.fixed)
        return np.bincount(now[now != EMPTY], minlength=self.arms)

    def _last_free(self, variant: int, arm: np.intp) -> int:
        """The slot least looked at, of those that the arm may have."""
        allowed = self.allowed(np.array([arm]))[:, :, 0]
        free = (self.fixed[variant] == EMPTY) & np.broadcast_to(allowed, self.fixed.shape)[variant]
        order = self.order[variant]
        return int(order[free[order] & (order != EMPTY)][-1])
