"""What merchants ask of shelves, beside where they are pinned: above, below, at most so many, at least so often.

All of them hold, or the page says in how many slates they do not.  A row in which no shelf may stand is left
out.  Pins come first and count for the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from policy.rules.kind import Problem


@dataclass(frozen=True, slots=True)
class NotAbove:
    """The shelf does not stand above the row."""

    name: str
    shelf: str
    row: str


@dataclass(frozen=True, slots=True)
class NotBelow:
    """The shelf does not stand below the row."""

    name: str
    shelf: str
    row: str


@dataclass(frozen=True, slots=True)
class MostOfKind:
    """At most `most` shelves of the kind are on the page."""

    name: str
    kind: str
    most: int


@dataclass(frozen=True, slots=True)
class LeastExposure:
    """The shelf is in at least the share `least` of slates."""

    name: str
    shelf: str
    least: float


ShelfRule = NotAbove | NotBelow | MostOfKind | LeastExposure
LABELS = {NotAbove: "not above", NotBelow: "not below", MostOfKind: "most of kind", LeastExposure: "least exposure"}
"""How a layout names kinds of rules."""


def label(rule: ShelfRule) -> str:
    """How a layout names a rule."""
    return f"{LABELS[type(rule)]} {rule.name}"


def rule_problems(
    rule: ShelfRule, shelves: Sequence[str], rows: Sequence[str], kinds: Collection[str]
) -> Iterator[Problem]:
    """What of a rule leads nowhere on a page with these shelves, rows and kinds."""
    if not rule.name:
        yield Problem("name", "expected a name, unique on the page")
    if isinstance(rule, MostOfKind):
        if rule.kind not in kinds:
            yield Problem("kind", f"expected the kind of a shelf ({', '.join(sorted(kinds))}), got {rule.kind!r}")
        if rule.most < 0:
            yield Problem("most", f"expected 0 or more, got {rule.most}")
        return
    if rule.shelf not in shelves:
        yield Problem("shelf", f"expected one of the shelves ({', '.join(shelves)}), got {rule.shelf!r}")
    if isinstance(rule, LeastExposure):
        if not 0.0 < rule.least <= 1.0:
            yield Problem("least", f"expected a share above 0 and at most 1, got {rule.least:g}")
    elif rule.row not in rows:
        yield Problem("row", f"expected one of the rows ({', '.join(rows)}), got {rule.row!r}")
