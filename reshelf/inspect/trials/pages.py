"""A page with rules on trial as one visitor would see it, in each branch on trial."""

from __future__ import annotations

from typing import NamedTuple

from policy.assignment import Choice, choose_in, slate_chances
from policy.rules.compiled import in_force
from reshelf.numbers import share
from reshelf.words.said import Said, say
from schemas.messages.layouts import Layout
from schemas.messages.pages import MAIN, PageRules

VISITOR = "visitor-1"
"""The visitor whose page is shown where none is asked for."""


class TrialPage(NamedTuple):
    """What a visitor would be shown in a branch whose rules are others than those of the page's own slates.

    `share` is that of the visitors outside the holdout who are in it.
    """

    branch: str
    share: float
    choice: Choice

    @property
    def title(self) -> Said:
        """Whom the page is for, above it."""
        return say("preview.trial", share=share(self.share, 0), branch=self.branch)


def trial_pages(rules: PageRules, layout: Layout, now_ms: int, unit: str = VISITOR) -> list[TrialPage]:
    """A page for each branch of a layout where other rules hold than in the page's own slates, by its rules then."""
    names = [branch.name for branch in layout.branches]
    own = _rules_in(rules, layout.segment, now_ms, MAIN)
    tried = [name for name in names if _rules_in(rules, layout.segment, now_ms, name) != own]
    return [TrialPage(name, _share_of(layout, name), choose_in(layout, unit, name)) for name in tried]


def _rules_in(rules: PageRules, segment: str, now_ms: int, branch: str) -> list[str]:
    return [rule.name for rule in rules.rules if in_force(rule, segment, now_ms, branch)]


def _share_of(layout: Layout, name: str) -> float:
    names = [branch.name for branch in layout.branches for _ in range(branch.variants)]
    return sum(chance for of, chance in zip(names, slate_chances(layout), strict=True) if of == name)
