"""Policies and templates on trial: the slates of each branch of a page's units in one layout."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from policy.assignment import slate_chances
from policy.pages.messages import layout_shelves
from schemas.messages.layouts import Layout, LayoutBranch
from schemas.messages.pages import MAIN, Branch, PageRules


class BranchSlates(NamedTuple):
    """The slates of a policy on trial, row to shelf for each on a page with shelves, and the rules they relax."""

    slates: list[dict[str, str]]
    rows: list[dict[str, str]]
    relaxed: list[str]


def most_variants(rules: PageRules) -> int:
    """The most variants that a policy of the page draws.  All draw with the same numbers, as far as they go."""
    return max(policy.variants for policy in (rules.policy, *(branch.policy for branch in rules.branches)))


def shares_of(rules: PageRules) -> dict[str, float]:
    """The share of the units outside the holdout that each branch is to have, the page's own policy first."""
    return {MAIN: 1.0 - sum(branch.share for branch in rules.branches)} | {
        branch.name: branch.share for branch in rules.branches
    }


def has_whole_branches(rules: PageRules) -> bool:
    """Whether a policy on trial has the slates of the whole page in each segment."""
    return any(branch.segment is not UNSET for branch in rules.branches)


def with_branches(layout: Layout, rules: PageRules, slates_of: Callable[[Branch], BranchSlates]) -> Layout:
    """The layout of the page's own policy with the slates of its branches behind, and exact propensities of all."""
    compositions = [(branch, slates_of(branch)) for branch in rules.branches]
    main = LayoutBranch(MAIN, layout.policy, shares_of(rules)[MAIN], len(layout.slates), _template(rules))
    relaxed = (name for _, composition in compositions for name in composition.relaxed)
    slates = [*layout.slates, *(slate for _, composition in compositions for slate in composition.slates)]
    rows = layout.rows and [*layout.rows, *(row for _, composition in compositions for row in composition.rows)]
    whole = msgspec.structs.replace(
        layout,
        slates=slates,
        rows=rows,
        branches=[
            main,
            *(
                LayoutBranch(
                    name=branch.name,
                    policy=branch.policy.name,
                    share=branch.share,
                    variants=len(composition.slates),
                    template=_template(rules, branch),
                    segment=branch.segment,
                )
                for branch, composition in compositions
            ),
        ],
        branch_salt=rules.branch_salt,
        relaxed=list(dict.fromkeys([*layout.relaxed, *relaxed])),
    )
    whole = msgspec.structs.replace(whole, propensities=_mixed(whole, slates, rules.slots))
    if rows is UNSET or rules.rows is UNSET:
        return whole
    shares = _mixed(whole, rows, [row.name for row in rules.rows])
    return msgspec.structs.replace(whole, row_propensities=shares, shelves=layout_shelves(rules, whole))


def _template(rules: PageRules, branch: Branch | None = None) -> str | UnsetType:
    """What a layout says of a branch, or of the page's own policy, where the page has templates."""
    return UNSET if rules.templates is UNSET else rules.template_of(branch)


def _mixed(layout: Layout, placed: Sequence[Mapping[str, str]], places: Sequence[str]) -> dict[str, dict[str, float]]:
    """For each place, slot or row, the chance of what is placed there, over all slates."""
    propensities: dict[str, dict[str, float]] = {place: defaultdict(float) for place in places}
    for slate, chance in zip(placed, slate_chances(layout), strict=True):
        for place, name in slate.items():
            propensities[place][name] += chance
    return {
        place: {name: min(1.0, share) for name, share in names.items()}
        for place, names in propensities.items()
        if names
    }
