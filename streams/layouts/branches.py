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
    return max(policy.variants for policy in (rules.policy, *(branch.policy for branch in rules.branches)))


def shares_of(rules: PageRules) -> dict[str, float]:
    """The share of the units outside the holdout that each branch is to have, the page's own policy first."""
    return {MAIN: 1.0 - sum(branch.share for branch in rules.branches)} | {
        branch.name: branch.share for branch in rules.branches
    }


def with_branches(layout: Layout, rules: PageRules, compose: Callable[[PolicyChoice], Composition]) -> Layout:
    """The layout of the page's own policy with the slates of its branches behind, and exact propensities of all."""
    compositions = [(branch, compose(branch.policy)) for branch in rules.branches]
    main = LayoutBranch(MAIN, layout.policy, shares_of(rules)[MAIN], len(layout.slates))
    relaxed = (name for _, composition in compositions for name in composition.relaxed)
    whole = msgspec.structs.replace(
        layout,
        slates=[*layout.slates, *(slate for _, composition in compositions for slate in composition.slates)],
        branches=[
            main,
            *(
                LayoutBranch(branch.name, branch.policy.name, branch.share, len(composition.slates))
                for branch, composition in compositions
            ),
        ],
        branch_salt=rules.branch_salt,
        relaxed=list(dict.fromkeys([*layout.relaxed, *relaxed])),
    )
    return msgspec.structs.replace(whole, propensities=_mixed(whole, rules.slots))


def _mixed(layout: Layout, slots: Sequence[str]) -> Mapping[str, dict[str, float]]:
    """For each slot the chance of each item, over all slates."""
    propensities: dict[str, dict[str, float]] = {slot: defaultdict(float) for slot in slots}
    for slate, chance in zip(layout.slates, slate_chances(layout), strict=True):
        for slot, item in slate.items():
            propensities[slot][item] += chance
    return {
        slot: {item: min(1.0, share) for item, share in items.items()} for slot, items in propensities.items() if items
    }
