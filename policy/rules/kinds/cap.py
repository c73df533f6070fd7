"""`cap`: at most N matching arms in a slate, all together or for each brand or category."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from policy.arrays import EMPTY, Bools, Codes
from policy.rules.constraint import Constraint, label, stack_codes, stack_masks
from policy.rules.kind import Kind, PageContext
from policy.rules.likeness import NO_CODE
from policy.rules.order import Relaxation
from schemas import rules as declared


@dataclass(frozen=True, slots=True, eq=False)
class Cap(Constraint):
    """At most `most` arms of one code in the slots, bool[S], of a slate.

    `codes` are int32[A], -1 for arms that the cap is not about.
    """

    codes: Codes
    most: int
    slots: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Caps:
    """R caps: `codes` int32[R, A], `most` int32[R], `slots` bool[R, S].

    `page_wide` bool[R] says which are about all slots, and codes are below `code_limit`.
    """

    labels: tuple[str, ...]
    effects: tuple[str, ...]
    codes: Codes
    most: Codes
    slots: Bools
    page_wide: Bools
    code_limit: int

    @classmethod
    def of(cls, caps: Sequence[Cap], arms: int, slots: int) -> Caps:
        """The table of these caps on a page of that many arms and slots."""
        codes = stack_codes([cap.codes for cap in caps], arms)
        windows = stack_masks([cap.slots for cap in caps], slots)
        return cls(
            tuple(cap.label for cap in caps),
            tuple(cap.effect for cap in caps),
            codes,
            np.array([cap.most for cap in caps], dtype=np.int32),
            windows,
            np.asarray(windows.all(axis=1)),
            int(codes.max(initial=0)) + 1,
        )

    @property
    def about(self) -> Bools:
        """Which arms they are about, bool[R, A]."""
        return np.not_equal(self.codes, NO_CODE)

    def broken(self, slates: Codes, names: tuple[str, ...]) -> list[int]:
        """In how many slates, int32[V, S], each does not hold."""
        filled = slates != EMPTY
        return [
            _slates_beyond(np.where(filled & self.slots[row], self.codes[row][slates], NO_CODE), most)
            for row, most in enumerate(self.most.tolist())
        ]


def _slates_beyond(codes: Codes, most: int) -> int:
    """How many slates have more than `most` arms of one code, given the codes in their slots, int32[V, S]."""
    counts = (codes[:, :, None] == codes[:, None, :]).sum(axis=2)
    return int(((counts > most) & (codes != NO_CODE)).any(axis=1).sum())


def _bind(rule: declared.Cap, page: PageContext) -> Iterator[Cap]:
    codes = page.arms.codes(None if rule.by == "all" else rule.by)
    yield Cap(
        label(rule),
        f"counts for cap {rule.name}, at most {rule.most}",
        np.where(page.arms.matching(rule.match), codes, NO_CODE),
        rule.most,
        np.ones(len(page.slots), dtype=np.bool_),
    )


KIND = Kind(declared.Cap, _bind, Relaxation.CAP)
