"""Policies on trial: the slates of each branch of a page's units in one layout."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import msgspec

from policy.assignment import slate_chances
from policy.slates.composition import Composition
from schemas.messages.layouts import Layout, LayoutBranch
from schemas.messages.pages import MAIN, PageRules, PolicyChoice


def most_variants(rules: PageRules) -> int:
    """The most variants that a policy of the page draws.  All draw with the same numbers, as far as they go."""
    return max(one.variants for one in (rules.policy, *(branch.policy for branch in rules.branches)))


def shares_of(rules: PageRules) -> dict[str, float]:
    """The share of the units outside the holdout that each branch is to have, the page's own policy first."""
    return {MAIN: 1.0 - sum(one.share for one in rules.branches)} | {one.name: one.share for one in rules.branches}


def with_branches(layout: Layout, rules: PageRules, made_by: Callable[[PolicyChoice], Composition]) -> Layout:
    """The layout of the page's own policy with the slates of its branches behind, and exact propensities of all."""
    made = [(one, made_by(one.policy)) for one in rules.branches]
    main = LayoutBranch(MAIN, layout.policy, shares_of(rules)[MAIN], len(layout.slates))
    whole = msgspec.structs.replace(
        layout,
        slates=[*layout.slates, *(slate for _, its in made for slate in its.slates)],
        branches=[main, *(LayoutBranch(one.name, one.policy.name, one.share, len(its.slates)) for one, its in made)],
        branch_salt=rules.branch_salt,
        relaxed=list(dict.fromkeys([*layout.relaxed, *(name for _, its in made for name in its.relaxed)])),
    )
    return msgspec.structs.replace(whole, propensities=_mixed(whole, rules.slots))


def _mixed(layout: Layout, slots: Sequence[str]) -> Mapping[str, dict[str, float]]:
    """For each slot the chance of each item, over all slates."""
    found: dict[str, dict[str, float]] = {slot: defaultdict(float) for slot in slots}
    for slate, chance in zip(layout.slates, slate_chances(layout), strict=True):
        for slot, item in slate.items():
            found[slot][item] += chance
    return {slot: {item: min(1.0, share) for item, share in items.items()} for slot, items in found.items() if items}
