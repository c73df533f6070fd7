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

from policy.arrays import EMPTY, Codes, Floats, Indices
from policy.rules.compiled import CompiledRules
from policy.slates.alike import Alike
from policy.slates.arrangement import slates
from policy.slates.fixing.arms import FixedArms, comparable
from policy.slates.fixing.soft_pins import settle
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
    while len(changed := settle(filler, filler.slates)):
        filler.fill(changed)
    for _ in range(ROUNDS):
        changed = filler.correct_exposure(filler.slates)
        if not len(changed):
            break
        filler.fill(changed)
    return SlateSet(_as_given(filler.slates, canonical), rules.broken(filler.slates, names))


def _as_given(slates_: Codes, canonical: Indices) -> Codes:
    """Arms by their number before they were put in order."""
    return np.append(canonical, EMPTY)[slates_].astype(np.int32)


class _Filler(FixedArms):
    """Slates in the making, int32[V, S]."""

    def __init__(
        self,
        scores: Floats,
        examination: Floats,
        rules: CompiledRules,
        names: tuple[str, ...],
        alike: Alike | None,
    ) -> None:
        by_looks = np.argsort(-examination, kind="stable").astype(np.int32)
        order = np.tile(by_looks, (scores.shape[1], 1))
        super().__init__(comparable(scores), order, rules, len(examination))
        self._greedy = Greedy(self.scores, order, rules, alike=alike)
        self.fix_pins(names)
        self.slates = self.fixed.copy()

    def fill(self, variants: Indices) -> None:
        """The slates of variants from the beginning, with what exposure bans and fixes by now."""
        self.slates[variants] = self.fixed[variants]
        self._greedy.fill(self.slates, self.banned, variants)
