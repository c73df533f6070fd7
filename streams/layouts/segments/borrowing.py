"""What the layout of a segment takes from that of the whole page: its baseline, and the slates of branches on trial.

On a page with learned segments the holdout has to see the baseline of `*`: one by taste would show it a page made
for it, too, and the experiment would compare taste with taste.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from policy.pages.messages import layout_shelves
from schemas.messages.layouts import Layout
from schemas.messages.pages import Branch, PageRules
from streams.fold.deltas import WHOLE_PAGE
from streams.layouts.branches import BranchSlates, has_whole_branches

WAITS = "the layout of its whole page, of which it takes a part, is not there yet"
"""Why a segment is not laid out; the layout of the whole page makes it due again."""


def borrows(rules: PageRules, segment: str) -> bool:
    """Whether the segment's layout takes something from that of the whole page."""
    return segment != WHOLE_PAGE and (rules.has_learned_segments or has_whole_branches(rules))


def lends(whole: Layout | None, rules: PageRules) -> bool:
    """Whether the layout of the whole page has all that those of segments take."""
    if whole is None or (rules.has_learned_segments and whole.segments is UNSET):
        return False
    return all(branch_slates(whole, branch) for branch in rules.branches if branch.segment is not UNSET)


def branch_slates(whole: Layout, branch: Branch) -> BranchSlates | None:
    """The slates that a branch has in the layout of the whole page; None where it is not there, or was another."""
    first = 0
    for other in whole.branches:
        last = first + other.variants
        if other.name == branch.name:
            asked = branch.policy.name, branch.policy.variants + branch.policy.exploration_slates
            if other.segment is UNSET or (other.policy, other.variants) != asked:
                return None
            return BranchSlates(whole.slates[first:last], list(whole.rows or ())[first:last], [])
        first = last
    return None


def with_borrowed(layout: Layout, rules: PageRules, whole: Layout) -> Layout:
    """The layout of a segment with the version of the whole page's, and its baseline where segments are learned."""
    layout = msgspec.structs.replace(layout, whole_version=whole.version)
    if not rules.has_learned_segments:
        return layout
    layout = msgspec.structs.replace(layout, baseline=whole.baseline, baseline_rows=whole.baseline_rows)
    if not rules.has_shelves:
        return layout
    return msgspec.structs.replace(layout, shelves=layout_shelves(rules, layout))


def without_segments(layout: Layout, whole: Layout, reason: str) -> Layout:
    """The layout of a segment whose page's segments were withdrawn for that reason: it has the slates of `*`."""
    return msgspec.structs.replace(
        layout,
        policy=whole.policy,
        slates=whole.slates,
        propensities=whole.propensities,
        rows=whole.rows,
        row_propensities=whole.row_propensities,
        arranged=UNSET,
        shelves=whole.shelves,
        branches=whole.branches,
        branch_salt=whole.branch_salt,
        segments_withdrawn=reason[:256],
    )
