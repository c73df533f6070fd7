"""`boost`: scores of matching arms are multiplied; by 0, they are kept off the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policy.arrays import Bools
from policy.rules.constraint import Constraint, label
from policy.rules.kind import Kind, PageContext
from schemas import rules as declared


@dataclass(frozen=True, slots=True, eq=False)
class Boost(Constraint):
    """Scores of the arms, bool[A], times `factor`."""

    arms: Bools
    factor: float


def _bind(rule: declared.Boost, page: PageContext) -> Iterator[Boost]:
    effect = f"score times {rule.factor:g} by {rule.name}"
    yield Boost(label(rule), effect, page.arms.matching(rule.match), rule.factor)


KIND = Kind(declared.Boost, _bind)
