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
from typing import NamedTuple

import numpy as np

from policy.arrays import Bools, Codes, Floats, Hashes, Indices
from policy.rules.compiled import Bound, Capped, Exposed, Pinned, Placed, Spaced, shown_in
from policy.rules.matching import NO_CODE
from policy.slates.arrangement import EMPTY, slates
from policy.slates.greedy import Greedy, Limits

ROUNDS = 3
"""How often slates are filled again for exposure to hold."""


@dataclass(frozen=True, slots=True)
class Filled:
    """Slates int32[V, S], -1 where none, and the rules that do not hold, with the number of slates in which."""

    slates: Codes
    broken: tuple[tuple[str, int], ...] = ()

    @property
    def relaxed(self) -> list[str]:
        """The rules that do not hold, in words."""
        return [f"{rule}: not in {count} of {len(self.slates)} slates" for rule, count in self.broken]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rules made ready for slates, with `canonical` int[A], the order of arms in which they were made."""

    bound: Bound
    canonical: Indices
    limits: Limits

    @classmethod
    def of(cls, bound: Bound, hashes: Hashes, slots: int) -> Prepared:
        """For arms with these hashes in so many slots.

        Arms in the order of their hashes: among equals the first goes first, and scans
        run through memory.
        """
        canonical = np.argsort(hashes, kind="stable")
        ordered = bound.ordered(canonical)
        return cls(ordered, canonical, Limits(ordered, slots))

    @property
    def factor(self) -> Floats:
        """What scores are multiplied by, 0 for arms that may not be shown, float64[A] in the order given."""
        factor = np.empty(len(self.canonical))
        factor[self.canonical] = np.where(self.bound.eligible, self.bound.factor, 0.0)
        return factor


class Rules(NamedTuple):
    """Rules of a page: for its slates, and for a single one (the baseline), of which there are no shares."""

    several: Prepared
    single: Prepared

    @classmethod
    def of(cls, bound: Bound, hashes: Hashes, slots: int) -> Rules:
        """For arms with these hashes in so many slots."""
        return cls(Prepared.of(bound, hashes, slots), Prepared.of(bound.for_all(), hashes, slots))

    @classmethod
    def none(cls, hashes: Hashes, slots: int) -> Rules:
        """No rules at all."""
        return cls.of(Bound(np.ones(len(hashes), dtype=np.bool_), np.ones(len(hashes))), hashes, slots)


def fill(scores: Floats, examination: Floats, hashes: Hashes, rules: Prepared, names: tuple[str, ...]) -> Filled:
    """Slates from scores [A, V], 0 or more, and examination [S] of slots in rendered order.

    `names` (page, segment, epoch) decide how shares of slates are rounded.  Without
    rules this is `policy.slates.arrangement.slates`.  Equal scores are ordered by hash.
    """
    bound, canonical = rules.bound, rules.canonical
    usable = np.where(bound.eligible[:, None], scores[canonical] * bound.factor[:, None], -np.inf)
    if bound.plain or not len(usable):
        found = slates(usable, examination, hashes[canonical])
        return Filled(_renamed(found, canonical))
    work = _Filling(usable, examination, rules, names)
    work.fill(np.arange(scores.shape[1]))
    for _ in range(ROUNDS):
        changed = work.correct_exposure()
        if not len(changed):
            break
        work.fill(changed)
    return Filled(_renamed(work.slates, canonical), work.broken())


def _renamed(found: Codes, canonical: Indices) -> Codes:
    """Arms by their number before they were put in order."""
    return np.append(canonical, EMPTY)[found].astype(np.int32)


class _Filling:
    def __init__(self, scores: Floats, examination: Floats, rules: Prepared, names: tuple[str, ...]) -> None:
        usable = np.nan_to_num(scores, nan=-np.inf, posinf=np.finfo(np.float64).max, neginf=-np.inf)
        self._scores = np.ascontiguousarray(usable.T)
        self._order = np.argsort(-examination, kind="stable").astype(np.int32)
        self._bound = rules.bound
        self._places = rules.limits.places
        self._names = names
        self._variants, self._arms = self._scores.shape
        self._banned = np.zeros(self._scores.shape, dtype=np.bool_)
        self._greedy = Greedy(self._scores, self._order, rules.limits)
        self._fixed = np.full((self._variants, len(examination)), EMPTY, dtype=np.int32)
        self._most = np.full(self._arms, self._variants)
        for rule in self._bound.exposed:
            self._most[rule.arms] = np.minimum(self._most[rule.arms], _most(rule, self._variants))
        self._place_pins()
        self.slates = self._fixed.copy()

    def fill(self, variants: Indices) -> None:
        """The slates of variants from the beginning, with what exposure bans and wants by now."""
        self.slates[variants] = self._fixed[variants]
        self._greedy.fill(self.slates, self._banned, variants)

    def _place_pins(self) -> None:
        for pin in self._bound.pinned:
            arms = np.flatnonzero(pin.arms)
            there = (self._fixed[:, None, :] == arms[:, None]).any(axis=2)
            candidates = np.where(there, -np.inf, self._scores[:, arms])
            best = candidates.argmax(axis=1)
            score = candidates[np.arange(self._variants), best]
            variants = np.flatnonzero((self._fixed[:, pin.slot] == EMPTY) & (score > -np.inf))
            variants = variants[np.argsort(-score[variants], kind="stable")][: self._asked(pin)]
            self._fixed[variants, pin.slot] = arms[best[variants]]

    # Exposure over all slates

    def correct_exposure(self) -> Indices:
        """Note what has to be banned or wanted for shares to hold; the variants to fill again."""
        changed = self._lower()
        for rule in self._bound.exposed:
            changed |= self._raise(rule)
        return np.flatnonzero(changed)

    def _lower(self) -> Bools:
        """Keep an arm that is in too many slates for those in which it is fixed or scores best."""
        changed = np.zeros(self._variants, dtype=np.bool_)
        for arm in np.flatnonzero(self._shown() > self._most).tolist():
            holding = np.flatnonzero((self.slates == arm).any(axis=1))
            fixed = (self._fixed == arm).any(axis=1)
            keeping = holding[np.lexsort((-self._scores[holding, arm], ~fixed[holding]))][: self._most[arm]]
            banned = ~fixed
            banned[keeping] = False
            changed[holding] |= (banned & ~self._banned[:, arm])[holding]
            self._banned[:, arm] |= banned
        return changed

    def _raise(self, rule: Exposed) -> Bools:
        """Give the slot least looked at, of those it may have, to the best such arm where it scores best."""
        changed = np.zeros(self._variants, dtype=np.bool_)
        arms, has = np.flatnonzero(rule.arms), self._has(rule, self.slates) | self._has(rule, self._fixed)
        lacking = _least(rule, self._variants) - int(has.sum())
        if lacking <= 0 or not len(arms):
            return changed
        room = (self._most - self._shown())[arms]
        free = (self._fixed == EMPTY) @ self._places[:, arms]
        open_to = np.where(free & ~self._banned[:, arms] & ~has[:, None], self._scores[:, arms], -np.inf)
        for _ in range(lacking):
            open_to[:, room <= 0] = -np.inf
            variant, best = np.unravel_index(open_to.argmax(), open_to.shape)
            if open_to[variant, best] == -np.inf:
                break
            self._fixed[variant, self._last_free(variant, arms[best])] = arms[best]
            open_to[variant], changed[variant] = -np.inf, True
            room[best] -= 1
        return changed

    def _shown(self) -> Indices:
        """In how many slates each arm is by now, int[A]."""
        now = np.where(self._fixed == EMPTY, self.slates, self._fixed)
        return np.bincount(now[now != EMPTY], minlength=self._arms)

    def _last_free(self, variant: np.intp, arm: np.intp) -> int:
        """The slot least looked at, of those that the arm may have."""
        free = (self._fixed[variant] == EMPTY) & self._places[:, arm]
        return int(self._order[free[self._order]][-1])

    def _has(self, rule: Exposed, found: Codes) -> Bools:
        return np.asarray((rule.arms[found] & (found != EMPTY)).any(axis=1))

    # Telling

    def broken(self) -> tuple[tuple[str, int], ...]:
        """The rules that do not hold, with the number of slates in which they do not."""
        bound, found = self._bound, self.slates
        counts = [
            *((f"{pin.kind} {pin.name}", self._unpinned(pin, found)) for pin in bound.pinned),
            *((f"spacing {rule.name}", int(self._near(rule, found).sum())) for rule in bound.spaced),
            *((f"cap {rule.name}", int(self._beyond(rule, found).sum())) for rule in bound.capped),
            *((f"exposure {rule.name}", self._unseen(rule, found)) for rule in bound.exposed),
            *((f"place {rule.name}", int(self._misplaced(rule, found).sum())) for rule in bound.placed),
        ]
        return tuple((rule, count) for rule, count in counts if count)

    def _asked(self, pin: Pinned) -> int:
        return self._variants if pin.share >= 1.0 else shown_in(pin.share, self._variants, pin.name, *self._names)

    def _unpinned(self, pin: Pinned, found: Codes) -> int:
        arms = found[:, pin.slot]
        return max(0, self._asked(pin) - int((pin.arms[arms] & (arms != EMPTY)).sum()))

    def _near(self, rule: Spaced, found: Codes) -> Bools:
        codes = np.where(found == EMPTY, NO_CODE, rule.codes[found])
        near = np.zeros(len(found), dtype=np.bool_)
        for apart in range(1, min(rule.distance, codes.shape[1])):
            same = (codes[:, apart:] == codes[:, :-apart]) & (codes[:, apart:] != NO_CODE)
            near |= same.any(axis=1)
        return near

    def _beyond(self, rule: Capped, found: Codes) -> Bools:
        codes = np.where(found == EMPTY, NO_CODE, rule.codes[found])
        counts = (codes[:, :, None] == codes[:, None, :]).sum(axis=2)
        return np.asarray(((counts > rule.most) & (codes != NO_CODE)).any(axis=1))

    def _unseen(self, rule: Exposed, found: Codes) -> int:
        """Slates too few for the floor, or too many for the ceiling of the arm shown most."""
        too_few = _least(rule, self._variants) - int(self._has(rule, found).sum())
        counts = np.bincount(found[found != EMPTY], minlength=self._arms)[rule.arms]
        return max(0, too_few, int(counts.max(initial=0)) - _most(rule, self._variants))

    def _misplaced(self, rule: Placed, found: Codes) -> Bools:
        arms = rule.arms[found] & (found != EMPTY)
        wrong = arms & ~rule.slots
        if rule.reserved:
            wrong |= ~arms & (found != EMPTY) & rule.slots
        return np.asarray(wrong.any(axis=1))


def _least(rule: Exposed, variants: int) -> int:
    """The slates of a floor: rounded up."""
    return int(np.ceil(rule.least * variants - 1e-9))


def _most(rule: Exposed, variants: int) -> int:
    """The slates of a ceiling: rounded down."""
    return int(np.floor(rule.most * variants + 1e-9))
