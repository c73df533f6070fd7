"""`complements`: next to an item, what goes with it scores N times as high."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from policy.arrays import Codes
from policy.rules.constraint import Constraint, label
from policy.rules.kind import Kind, PageContext
from schemas import rules as declared


@dataclass(frozen=True, slots=True, eq=False)
class Complements(Constraint):
    """The complements of each arm, int32[A, C] with -1 for none, score `factor` times as high next to it."""

    arms: Codes
    factor: float

    @classmethod
    def none(cls, arms: int) -> Complements:
        """Of no arm, for a page without such a rule."""
        return cls("", "", np.zeros((arms, 0), dtype=np.int32), 1.0)


def _bind(rule: declared.Complements, page: PageContext) -> Iterator[Complements]:
    effect = f"its complements beside it score times {rule.factor:g} by {rule.name}"
    yield Complements(label(rule), effect, page.arms.complements(page.learned if rule.learned else {}), rule.factor)


KIND = Kind(declared.Complements, _bind)
