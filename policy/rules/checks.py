"""What is wrong with a page's rules although every field fits: names that lead nowhere, rules that cannot both hold."""

from __future__ import annotations

from collections.abc import Iterator

from policy.rules.kind import Problem
from policy.rules.registry import KINDS
from schemas import rules as declared
from schemas.messages.pages import PageRules

__all__ = ["Problem", "problems"]


def problems(page: PageRules) -> list[Problem]:
    """Everything that cannot be meant; empty where the rules make sense."""
    faults = []
    for at, rule in enumerate(page.rules):
        faults += [Problem(f"rules[{at}].{field}", text) for field, text in _rule_problems(rule, page)]
        for earlier in page.rules[:at]:
            if conflict := _conflict(earlier, rule, page):
                faults.append(
                    Problem(f"rules[{at}]", f"{conflict} {earlier.name!r}: give them other times or segments")
                )
    if page.candidates.reserve > page.candidates.limit:
        faults.append(Problem("candidates.reserve", f"expected at most limit, {page.candidates.limit}"))
    return faults


def _rule_problems(rule: declared.Rule, page: PageRules) -> Iterator[Problem]:
    if rule.ends_at <= rule.starts_at:
        yield Problem("ends_at", "expected a time after starts_at")
    yield from KINDS[type(rule)].problems(rule, page)


def _conflict(rule: declared.Rule, other: declared.Rule, page: PageRules) -> str:
    """Why two rules can never both hold while both do; empty where they can."""
    if type(rule) is not type(other) or not _meet(rule, other):
        return ""
    return KINDS[type(rule)].conflict(rule, other, page)


def _meet(rule: declared.Rule, other: declared.Rule) -> bool:
    """Whether there is a time and a segment for which both are in force."""
    if rule.starts_at >= other.ends_at or other.starts_at >= rule.ends_at:
        return False
    return not rule.segments or not other.segments or not set(rule.segments).isdisjoint(other.segments)
