"""What rules ask of slates once names and dates have become arrays.

A rule asks for constraints; a table holds all constraints of one type as arrays, and says
of slates which of them do not hold, and of an arm what they do to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from policy.arrays import Bools, Codes
from schemas import rules as declared

NOTHING_AVAILABLE = "nothing it names is available"


@dataclass(frozen=True, slots=True, eq=False)
class Constraint:
    """What a rule asks for: `label` is its name in a layout's `relaxed`, `effect` what it does to arms, in words."""

    label: str
    effect: str


@dataclass(frozen=True, slots=True, eq=False)
class Idle(Constraint):
    """A rule that cannot apply at all; `effect` says why."""


class Table(Protocol):
    """All R constraints of one type on a page of A arms and S slots."""

    @property
    def labels(self) -> Sequence[str]: ...
    @property
    def effects(self) -> Sequence[str]: ...

    @property
    def about(self) -> Bools:
        """Which arms they are about, bool[R, A]."""
        ...

    def broken(self, slates: Codes, names: tuple[str, ...]) -> list[int]:
        """In how many slates, int32[V, S], each does not hold, R numbers.

        `names` (page, segment, epoch) decide how shares of slates are rounded.
        """
        ...


def label(rule: declared.Rule) -> str:
    """How a layout names a rule."""
    return f"{declared.kind_in_words(rule)} {rule.name}"


def stack_codes(rows: Sequence[Codes], arms: int) -> Codes:
    """Codes of several rules, int32[R, A], contiguous for the compiled code."""
    return np.array(rows, dtype=np.int32).reshape(len(rows), arms)


def stack_masks(rows: Sequence[Bools], width: int) -> Bools:
    """Masks of several rules, bool[R, width], contiguous for the compiled code."""
    return np.array(rows, dtype=np.bool_).reshape(len(rows), width)
