"""Rules for shelves: they ask nothing of items in slots, and hold on pages that have shelves.

How they are obeyed is in `policy.pages`.
"""

from __future__ import annotations

from collections.abc import Iterator

from policy.rules.constraint import Constraint
from policy.rules.kind import Kind, PageContext, Problem
from schemas import rules as declared
from schemas.messages.pages import PageRules


def _bind(rule: declared.ShelfRule, page: PageContext) -> Iterator[Constraint]:
    return iter(())


def _problems(rule: declared.ShelfRule, page: PageRules) -> Iterator[Problem]:
    if not page.has_shelves:
        yield Problem("kind", "expected a page with `shelves` and `rows`: this rule is about shelves")


NOT_ABOVE = Kind(declared.NotAbove, _bind, problems=_problems)
NOT_BELOW = Kind(declared.NotBelow, _bind, problems=_problems)
MOST_OF_KIND = Kind(declared.MostOfKind, _bind, problems=_problems)
LEAST_EXPOSURE = Kind(declared.LeastExposure, _bind, problems=_problems)
