"""What is wrong with a page's rules although every field fits: names that lead nowhere, rules that cannot both hold."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from policy.rules.kind import Problem
from policy.rules.registry import KINDS
from schemas import rules as declared
from schemas.messages.pages import MAIN, PageRules

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
    yield from _trial_problems(rule, page)
    yield from KINDS[type(rule)].problems(rule, page)


def _trial_problems(rule: declared.Rule, page: PageRules) -> Iterator[Problem]:
    """A rule on trial holds in single branches, so what is decided for the whole page cannot be on trial."""
    if rule.branches is UNSET:
        return
    if isinstance(rule, declared.Sponsored | declared.ShelfRule):
        kind = declared.kind_in_words(rule)
        yield Problem("branches", f"expected none, as {kind} is decided for the whole page and cannot be on trial")
    names = {MAIN, *(branch.name for branch in page.branches)}
    for name in rule.branches:
        if name not in names:
            listed = ", ".join(sorted(names))
            yield Problem("branches", f"expected some of the page's branches ({listed}), got {name!r}")


def _conflict(rule: declared.Rule, other: declared.Rule, page: PageRules) -> str:
    """Why two rules can never both hold while both do; empty where they can."""
    if type(rule) is not type(other) or not _meet(rule, other):
        return ""
    return KINDS[type(rule)].conflict(rule, other, page)


def _meet(rule: declared.Rule, other: declared.Rule) -> bool:
    """Whether there is a time, a segment and a branch for which both are in force."""
    if rule.branches is not UNSET and other.branches is not UNSET and set(rule.branches).isdisjoint(other.branches):
        return False
    if rule.starts_at >= other.ends_at or other.starts_at >= rule.ends_at:
        return False
    return not rule.segments or not other.segments or not set(rule.segments).isdisjoint(other.segments)
