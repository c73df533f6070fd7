"""What arrangements of a page's shelves would have earned on a log, as JSON has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from policy.arrays import Codes, Floats
from policy.evaluation.estimators import Estimate
from policy.evaluation.ratio import Interval
from policy.evaluation.shelves import NAME, Arrangements, ShelfEvidence
from policy.pages.compiled import CompiledPage
from reshelf.evaluation.arrangements.arrangement import SERVED, Arrangement, Fill, Slates
from reshelf.evaluation.arrangements.question import (
    ArrangementQuestion,
    arrangements,
    compiled,
    page_with_shelves,
)
from reshelf.evaluation.evaluate import Evaluator
from reshelf.evaluation.page_values import estimate_as_json
from reshelf.evaluation.recompose import Recomposer
from reshelf.evaluation.tables.shelves import ShelfViews, fills_of
from reshelf.numbers import gain, number, share
from schemas.errors import ReshelfError
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRules
from streams.catalog.layouts.arranged import row_codes

LARGEST_ERROR = 0.03
"""What was served is estimated as well: from a larger error on, which its interval excludes, nothing is answered."""
UNCHECKED = (
    "what was served is estimated {} off what it earned, and its interval excludes 0 (at most {} may be): "
    "layouts do not say what these page views showed, or shelves bear on each other. Compare visitors instead, "
    "with `reshelf experiment branches`"
)


class ArrangedLog(NamedTuple):
    """The evidence of a page's log, and how likely shelves stood in rows, float64[G, R, H], by arrangement.

    `segments` are numbers of groups by segment.
    """

    evidence: ShelfEvidence
    segments: dict[str, list[int]]
    layouts: int
    shares: dict[str, Floats]


def answer(evaluator: Evaluator, question: ArrangementQuestion) -> dict[str, Any]:
    """Clicks per page view of the log and of each arrangement, in total and by segment, as JSON has them.

    Raises `BadSettings` for what the page does not have, and `ReshelfError` where the log has nothing to go by.
    """
    rules = page_with_shelves(evaluator.catalog.rules, question.page)
    page = compiled(rules)
    asked = arrangements(rules, page, question, _fill(evaluator, page))
    views = ShelfViews.of(evaluator.tables, rules, page)
    if not views.groups:
        raise ReshelfError(_nothing(question.page, views.left_out, evaluator.tables.left_out))
    evidence = ShelfEvidence.without_each(page, views.counts(), views.parts())
    log = _arranged(rules, views, evidence, asked)
    return {
        "page": question.page,
        "level": question.level,
        "views": round(evidence.views),
        "layouts": log.layouts,
        "left_out": evaluator.tables.left_out | views.left_out,
        "clicks": _interval(evidence.served(question.level)),
        "segments": {
            segment: {"views": round(part.views), "clicks": _interval(part.served(question.level))}
            for segment, part in ((name, evidence.of_groups(groups)) for name, groups in log.segments.items())
        },
        "arrangements": _estimates(log, asked, question.level),
    }


def _estimates(log: ArrangedLog, asked: Sequence[Arrangement], level: float) -> list[dict[str, Any]]:
    check = log.evidence.estimate(Arrangements(log.shares[SERVED], log.shares[SERVED]), level)
    unchecked = UNCHECKED.format(gain(check.gain), share(LARGEST_ERROR, 0)) if is_off(check) else ""
    answers = []
    for arrangement in asked:
        refused = unchecked if arrangement.name != SERVED else ""
        segments = {name: _estimate(log, arrangement, level, refused, groups) for name, groups in log.segments.items()}
        whole = _estimate(log, arrangement, level, refused)
        answers.append({"arrangement": arrangement.name, **whole, "segments": segments})
    return answers


def is_off(check: Estimate) -> bool:
    """Whether the estimate of what was served says that the log and its layouts do not belong together."""
    return not check.refused and abs(check.gain) > LARGEST_ERROR and not check.gain_low <= 0.0 <= check.gain_high


def _estimate(
    log: ArrangedLog, arrangement: Arrangement, level: float, refused: str, groups: Sequence[int] | None = None
) -> dict[str, Any]:
    """In some groups, or in all of them."""
    some = range(len(log.evidence.whole.views)) if groups is None else groups
    of_part = log.evidence if groups is None else log.evidence.of_groups(groups)
    shares = log.shares[SERVED][list(some)], log.shares[arrangement.name][list(some)]
    try:
        estimate = of_part.estimate(Arrangements(*shares, arrangement.columns), level)
    except ValueError as error:
        refused = f"{error}. Ask about rows that may have each other's shelves"
    if refused:
        estimate = Estimate(NAME, np.nan, np.nan, np.nan, 0.0, np.nan, refused=refused)
    return estimate_as_json(estimate)


def _arranged(
    rules: PageRules, views: ShelfViews, evidence: ShelfEvidence, asked: Sequence[Arrangement]
) -> ArrangedLog:
    """The arrangements' shares, each layout with the weight of its page views."""
    page, layouts = views.page, 0
    sums = {arrangement.name: np.zeros((len(views.groups), *page.declared.shape)) for arrangement in asked}
    for layout, weights in views.layouts():
        layouts += 1
        served, fills = Slates.of(page, layout), fills_of(rules, layout)
        for group, weight in enumerate(weights.tolist()):
            if weight:
                own = served.part(fills == views.groups[group].fill)
                for arrangement in asked:
                    sums[arrangement.name][group] += weight * arrangement.move(layout, own).shares(page.shape[1])
    shares = {name: total / evidence.whole.views[:, None, None] for name, total in sums.items()}
    segments: dict[str, list[int]] = {}
    for group, of_group in enumerate(views.groups):
        segments.setdefault(of_group.segment, []).append(group)
    return ArrangedLog(evidence, segments, layouts, shares)


def _fill(evaluator: Evaluator, page: CompiledPage) -> Fill:
    """Layouts composed again in a template, without slates of exploration, which are no part of its order."""
    recomposer: Recomposer | None = None
    filled: dict[str, Codes] = {}
    of: Layout | None = None

    def fill(template: str, layout: Layout) -> Codes:
        nonlocal recomposer, of
        if of is not layout:
            of = layout
            filled.clear()
        if template not in filled:
            recomposer = recomposer or evaluator.recomposer(lambda served: served)
            rows = recomposer.again(layout, template).rows or []
            explored = evaluator.catalog.rules[layout.page].policy.exploration_slates
            filled[template] = row_codes(page, rows[: len(rows) - explored])
        return filled[template]

    return fill


def _nothing(page: str, left_out: dict[str, int], of_log: dict[str, int]) -> str:
    """Why no page view can be counted, and what to do."""
    reasons = ", ".join(f"{number(count)} × {reason}" for reason, count in (left_out | of_log).items()) or "none"
    return (
        f"page {page!r}: expected page views outside the holdout whose impressions name the shelf of each slot that "
        f"was seen (`rows`), got none; left out were: {reasons}. Let web tiers report `rows` (docs/start/shelves.md), "
        "and check kafka.prefix, and that renderers report layout_version."
    )


def _interval(interval: Interval) -> dict[str, float | None]:
    return {name: float(part) if np.isfinite(part) else None for name, part in interval._asdict().items()}
