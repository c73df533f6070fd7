"""Slates under rules: which arm goes into which slot of each variant.

Slots are filled from the one most looked at down, each with the best arm that the
rules allow there, all variants at once.  Where no arm is allowed, rules give way in
this order, and the layout says so: spacing, caps, exposure, places; a slot that even
then has no arm stays empty.  Stock and eligibility, arms kept off the page, and no arm
twice in a slate always hold.  Pins come first and count for the others; of two pins
that cannot both hold, the first declared does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policy.rules import NO_CODE, Bools, Bound, Capped, Exposed, Floats, Pinned, Placed, Spaced, shown_in
from policy.sampling import Hashes
from policy.slates import EMPTY, slates

Rows = NDArray[np.int32]
SLACK = 48
"""Arms beyond four for each slot that a variant chooses from, before it looks at all."""
ROUNDS = 3
"""How often slates are filled again for exposure to hold."""
GIVING_WAY = 4
"""Spacing, caps, exposure, places: in this order, one after another."""


@dataclass(frozen=True, slots=True)
class Filled:
    """Slates int32[V, S], -1 where none, and what was relaxed, in words."""

    slates: Rows
    relaxed: tuple[str, ...] = ()


def fill(scores: Floats, examination: Floats, hashes: Hashes, bound: Bound, names: tuple[str, ...]) -> Filled:
    """Slates from scores [A, V], 0 or more, and examination [S] of slots in rendered order.

    `names` (page, segment, epoch) decide how shares of slates are rounded.  Without
    rules this is `policy.slates.slates`.  Equal scores are ordered by hash.
    """
    usable = np.where(bound.eligible[:, None], scores * bound.factor[:, None], -np.inf)
    if bound.plain or not len(usable):
        return Filled(slates(usable, examination, hashes), bound.idle)
    work = _Filling(usable, examination, hashes, bound, names)
    found = work.fill()
    for _ in range(ROUNDS):
        if not work.correct_exposure(found):
            break
        found = work.fill()
    return Filled(found, (*bound.idle, *work.told(found)))


class _Filling:
    def __init__(
        self,
        scores: Floats,
        examination: Floats,
        hashes: Hashes,
        bound: Bound,
        names: tuple[str, ...],
    ) -> None:
        self._scores = np.nan_to_num(scores, nan=-np.inf, posinf=np.finfo(np.float64).max, neginf=-np.inf)
        self._order = np.argsort(-examination, kind="stable")
        self._looks = examination
        self._hashes = hashes
        self._bound = bound
        self._names = names
        self._variants = scores.shape[1]
        self._banned = np.zeros(scores.shape, dtype=np.bool_)
        self._wanted: list[tuple[int, int, int]] = []
        self._canonical = np.argsort(hashes, kind="stable")
        self._short = self._shortlist()

    # Filling once

    def fill(self) -> Rows:
        """All slates from the beginning, with what exposure bans and wants by now."""
        self._slates = np.full((self._variants, len(self._looks)), EMPTY, dtype=np.int32)
        self._used = np.zeros(self._scores.shape, dtype=np.bool_)
        self._counts = [
            np.zeros((self._variants, int(cap.codes.max(initial=0)) + 1), dtype=np.int32) for cap in self._bound.capped
        ]
        self._place_pins()
        for arm, variant, slot in self._wanted:
            if self._slates[variant, slot] == EMPTY and not self._used[arm, variant]:
                self._put(np.array([variant]), slot, np.array([arm]))
        for slot in self._order.tolist():
            self._fill_slot(slot)
        return self._slates

    def _place_pins(self) -> None:
        for pin in self._bound.pinned:
            count = self._asked(pin)
            candidates = np.where(pin.arms[:, None] & ~self._used, self._scores, -np.inf)
            best = candidates[self._canonical].argmax(axis=0)
            arms = self._canonical[best]
            score = candidates[arms, np.arange(self._variants)]
            free = (self._slates[:, pin.slot] == EMPTY) & (score > -np.inf)
            variants = np.flatnonzero(free)
            variants = variants[np.argsort(-score[variants], kind="stable")][:count]
            self._put(variants, pin.slot, arms[variants])

    def _fill_slot(self, slot: int) -> None:
        open_ = np.flatnonzero(self._slates[:, slot] == EMPTY)
        if not len(open_):
            return
        arms = self._short[open_]
        chosen = self._best(open_, slot, arms)
        lacking = np.flatnonzero(chosen == EMPTY)
        if len(lacking):
            everyone = np.broadcast_to(self._canonical, (len(lacking), len(self._canonical)))
            chosen[lacking] = self._best(open_[lacking], slot, everyone)
            for giving in range(1, GIVING_WAY + 1):
                lacking = np.flatnonzero(chosen == EMPTY)
                if not len(lacking):
                    break
                chosen[lacking] = self._best(open_[lacking], slot, everyone[: len(lacking)], giving)
        placed = chosen != EMPTY
        self._put(open_[placed], slot, chosen[placed])

    def _best(self, variants: NDArray[np.intp], slot: int, arms: NDArray[np.intp], giving_way: int = 0) -> Rows:
        """The best allowed of `arms` [W, K] for each of `variants` [W], or -1; earlier ones among equals."""
        score = self._scores[arms, variants[:, None]]
        allowed = (score > -np.inf) & ~self._used[arms, variants[:, None]]
        if giving_way < 1:
            allowed &= self._is_spaced(variants, slot, arms)
        if giving_way < 2:
            allowed &= self._is_below_caps(variants, arms)
        if giving_way < 3:
            allowed &= ~self._banned[arms, variants[:, None]]
        if giving_way < 4:
            allowed &= self._is_in_place(slot)[arms]
        if self._bound.complements:
            score = score * self._beside(variants, slot)[np.arange(len(variants))[:, None], arms]
        score = np.where(allowed, score, -np.inf)
        best = score.argmax(axis=1)
        rows = np.arange(len(variants))
        return np.where(allowed[rows, best], arms[rows, best], EMPTY).astype(np.int32)

    def _is_spaced(self, variants: NDArray[np.intp], slot: int, arms: NDArray[np.intp]) -> Bools:
        allowed = np.ones(arms.shape, dtype=np.bool_)
        for rule in self._bound.spaced:
            codes = rule.codes[arms]
            for near in range(max(0, slot - rule.distance + 1), min(len(self._looks), slot + rule.distance)):
                placed = self._slates[variants, near]
                if near != slot and (placed != EMPTY).any():
                    there = np.where(placed == EMPTY, NO_CODE, rule.codes[placed])
                    allowed &= (codes != there[:, None]) | (codes == NO_CODE)
        return allowed

    def _is_below_caps(self, variants: NDArray[np.intp], arms: NDArray[np.intp]) -> Bools:
        allowed = np.ones(arms.shape, dtype=np.bool_)
        for rule, counts in zip(self._bound.capped, self._counts, strict=True):
            codes = rule.codes[arms]
            allowed &= (codes == NO_CODE) | (counts[variants[:, None], codes] < rule.most)
        return allowed

    def _is_in_place(self, slot: int) -> Bools:
        allowed = np.ones(len(self._scores), dtype=np.bool_)
        for rule in self._bound.placed:
            if not rule.slots[slot]:
                allowed &= ~rule.arms
            elif rule.reserved:
                allowed &= rule.arms
        return allowed

    def _beside(self, variants: NDArray[np.intp], slot: int) -> Floats:
        """Factors [W, A] by what stands next to the slot."""
        factor = np.ones((len(variants), len(self._scores)))
        for near in (slot - 1, slot + 1):
            if 0 <= near < len(self._looks):
                for row, arm in enumerate(self._slates[variants, near].tolist()):
                    factor[row, list(self._bound.complements.get(arm, ()))] = self._bound.together
        return factor

    def _put(self, variants: NDArray[np.intp], slot: int, arms: NDArray[np.intp] | Rows) -> None:
        self._slates[variants, slot] = arms
        self._used[arms, variants] = True
        for rule, counts in zip(self._bound.capped, self._counts, strict=True):
            codes = rule.codes[arms]
            counted = codes != NO_CODE
            np.add.at(counts, (variants[counted], codes[counted]), 1)

    def _shortlist(self) -> NDArray[np.intp]:
        """The best arms of each variant, best first, [V, K], among equals by hash.

        An allowed arm among them beats every arm that is not, so nothing is missed
        unless none of them is allowed.
        """
        ordered = self._scores[self._canonical]
        size = min(len(ordered), 4 * len(self._looks) + SLACK)
        if size < len(ordered):
            cut = np.partition(ordered, len(ordered) - size, axis=0)[len(ordered) - size]
            contenders = np.flatnonzero((ordered >= cut[None, :]).any(axis=1))
            ordered, canonical = ordered[contenders], self._canonical[contenders]
        else:
            canonical = self._canonical
        order = np.argsort(-ordered, axis=0, kind="stable")[:size]
        return np.asarray(canonical[order].T)

    # Exposure over all slates

    def correct_exposure(self, found: Rows) -> bool:
        """Note what has to be banned or wanted for shares to hold; whether anything has."""
        changed = False
        for rule in self._bound.exposed:
            changed |= self._lower(rule.arms, rule.most, found)
            changed |= self._raise(rule.name, rule.arms, rule.least, found)
        return changed

    def _lower(self, arms: Bools, most: float, found: Rows) -> bool:
        """Keep an arm that is in too many slates for those in which it scores best."""
        limit, changed = int(np.floor(most * self._variants + 1e-9)), False
        if limit >= self._variants:
            return False
        for arm in np.unique(found[found != EMPTY]).tolist():
            holding = np.flatnonzero((found == arm).any(axis=1))
            if arms[arm] and len(holding) > limit:
                keeping = holding[np.argsort(-self._scores[arm, holding], kind="stable")][:limit]
                banned = np.ones(self._variants, dtype=np.bool_)
                banned[keeping] = False
                changed |= bool((banned & ~self._banned[arm]).any())
                self._banned[arm] |= banned
        return changed

    def _raise(self, name: str, arms: Bools, least: float, found: Rows) -> bool:
        """Give the slot least looked at, of those it may have, to the best such arm where that costs least."""
        needed = int(np.ceil(least * self._variants - 1e-9))
        has = np.array([bool(arms[row[row != EMPTY]].any()) for row in found])
        if needed <= int(has.sum()):
            return False
        score = np.where(arms[:, None] & ~self._banned, self._scores, -np.inf)[self._canonical]
        best = self._canonical[score.argmax(axis=0)]
        value = score.max(axis=0)
        value[has] = -np.inf
        taken = {(variant, slot) for _, variant, slot in self._wanted}
        changed = False
        for variant in np.argsort(-value, kind="stable")[: needed - int(has.sum())].tolist():
            arm = int(best[variant])
            slots = [slot for slot in self._order[::-1].tolist() if self._may_stand(arm, slot, variant, taken)]
            if value[variant] > -np.inf and slots:
                self._wanted.append((arm, variant, slots[0]))
                taken.add((variant, slots[0]))
                changed = True
        return changed

    def _may_stand(self, arm: int, slot: int, variant: int, taken: set[tuple[int, int]]) -> bool:
        if (variant, slot) in taken or any(pin.slot == slot for pin in self._bound.pinned):
            return False
        return bool(self._is_in_place(slot)[arm])

    # Telling

    def told(self, found: Rows) -> list[str]:
        """The rules that do not hold, with the number of slates in which they do not."""
        broken = [
            *(("pin", pin.name, self._unpinned(pin, found)) for pin in self._bound.pinned),
            *(("spacing", rule.name, int(self._near(rule, found).sum())) for rule in self._bound.spaced),
            *(("cap", rule.name, int(self._beyond(rule, found).sum())) for rule in self._bound.capped),
            *(("exposure", rule.name, self._unseen(rule, found)) for rule in self._bound.exposed),
            *(("place", rule.name, int(self._misplaced(rule, found).sum())) for rule in self._bound.placed),
        ]
        return [f"{kind} {name}: not in {count} of {self._variants} slates" for kind, name, count in broken if count]

    def _asked(self, pin: Pinned) -> int:
        return self._variants if pin.share >= 1.0 else shown_in(pin.share, self._variants, pin.name, *self._names)

    def _unpinned(self, pin: Pinned, found: Rows) -> int:
        arms = found[:, pin.slot]
        return max(0, self._asked(pin) - int((pin.arms[arms] & (arms != EMPTY)).sum()))

    def _near(self, rule: Spaced, found: Rows) -> Bools:
        codes = np.where(found == EMPTY, NO_CODE, rule.codes[found])
        near = np.zeros(len(found), dtype=np.bool_)
        for apart in range(1, min(rule.distance, codes.shape[1])):
            same = (codes[:, apart:] == codes[:, :-apart]) & (codes[:, apart:] != NO_CODE)
            near |= same.any(axis=1)
        return near

    def _beyond(self, rule: Capped, found: Rows) -> Bools:
        codes = np.where(found == EMPTY, NO_CODE, rule.codes[found])
        counts = (codes[:, :, None] == codes[:, None, :]).sum(axis=2)
        return np.asarray(((counts > rule.most) & (codes != NO_CODE)).any(axis=1))

    def _unseen(self, rule: Exposed, found: Rows) -> int:
        """Slates too few for the floor, or too many for the ceiling of the arm shown most."""
        shown = found != EMPTY
        has = (rule.arms[found] & shown).any(axis=1)
        counts = np.bincount(found[shown], minlength=len(rule.arms))[rule.arms]
        too_few = int(np.ceil(rule.least * self._variants - 1e-9)) - int(has.sum())
        return max(0, too_few, int(counts.max(initial=0)) - int(np.floor(rule.most * self._variants + 1e-9)))

    def _misplaced(self, rule: Placed, found: Rows) -> Bools:
        arms = rule.arms[found] & (found != EMPTY)
        wrong = arms & ~rule.slots
        if rule.reserved:
            wrong |= ~arms & (found != EMPTY) & rule.slots
        return np.asarray(wrong.any(axis=1))
