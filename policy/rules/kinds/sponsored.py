"""`sponsored`: a slot goes to the best of some arms in as many slates as its impressions of the day allow.

It is a pin in a share of slates, which the fitter paces; the baseline is without it.
"""

from __future__ import annotations

from collections.abc import Iterator

from policy.rules.constraint import Constraint
from policy.rules.kind import Kind, PageContext, Problem, slot_problems
from policy.rules.kinds.pin import pin_or_idle
from schemas import rules as declared
from schemas.messages.pages import PageRules


def _bind(rule: declared.Sponsored, page: PageContext) -> Iterator[Constraint]:
    share = page.pacing.get(rule.name, 0.0)
    effect = f"sponsored in {share:.0%} of slates in {rule.slot} by {rule.name}"
    return pin_or_idle(rule, effect, page, page.arms.matching(rule.match), share)


def _problems(rule: declared.Sponsored, page: PageRules) -> Iterator[Problem]:
    return slot_problems(page, "slot", [rule.slot])


KIND = Kind(declared.Sponsored, _bind, problems=_problems)
