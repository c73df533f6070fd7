"""What follows a page's clicks, and what page views as wholes say, in words for commands and the console."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from reshelf.inspect.attribution_window import UNITS
from reshelf.numbers import number, share
from reshelf.words.said import say
from schemas.messages.parameters import LeftOut, SignalFit, VisitFit
from streams.catalog.sales.summary import CLICK, ORDER, StageSummary
from streams.layouts.explain import Explanation

LEFT_OUT = 5
"""Segments and days of which it is told that they are left out."""


class StageRow(NamedTuple):
    """A stage, or what is left out of one, in words; `share` is in [0, 1], None where the text has all."""

    title: str
    share: float | None
    text: str


def visit_rows(visits: VisitFit | None) -> Iterator[StageRow]:
    """What page views as wholes say: how much is left below a click, and below an item of the same category."""
    if visits is None:
        return
    for title, effect, each in (
        (say("stage.below-click"), visits.after_click, say("stage.looks-left")),
        (say("stage.below-like"), visits.after_alike, say("stage.clicks-left")),
    ):
        text = say(
            "stage.visits",
            each=each,
            low=share(effect.low, 0),
            high=share(effect.high, 0),
            views=number(visits.views),
            clicks=number(visits.clicks),
            state=say("stage.in-force" if effect.in_force else "stage.not-in-force"),
        )
        yield StageRow(title, effect.factor, text)


def stage_rows(explanation: Explanation) -> Iterator[StageRow]:
    """What follows the page's clicks, what is left out of that, and why."""
    signals = explanation.signals
    for stage in explanation.stages:
        yield StageRow(stage.name, stage.rate, _stage_text(stage))
        if signals is not None and stage.without == signals.kind:
            yield from _coverage_rows(signals)


def _stage_text(stage: StageSummary) -> str:
    after = {CLICK: say("stage.clicks"), ORDER: say("stage.orders")}.get(stage.after)
    after = after or say("stage.clicks-with", signal=stage.after)
    soon = ""
    if stage.half_ms is not None:
        soon = say("stage.soon-all" if stage.without else "stage.soon-these", time=_rounded(stage.half_ms))
    pending = say("stage.pending", pending=number(stage.pending), counted=number(stage.counted), after=after)
    without = say("stage.without", signal=stage.without) if stage.without else ""
    return say("stage.share", after=after, without=without, soon=soon, pending=pending)


def _coverage_rows(signals: SignalFit) -> Iterator[StageRow]:
    text = say("stage.covered", signal=signals.kind, weight=share(signals.weight, 0))
    yield StageRow(say("stage.coverage"), signals.coverage, text)
    left_out = say("stage.left-out")
    yield from (StageRow(left_out, None, _uncovered(each, signals)) for each in signals.left_out[:LEFT_OUT])
    if (more := len(signals.left_out) - LEFT_OUT) > 0:
        yield StageRow(left_out, None, say("stage.more", count=more))


def _uncovered(each: LeftOut, signals: SignalFit) -> str:
    day = "" if each.bucket < 0 else f"{datetime.fromtimestamp(each.bucket / 1000, UTC):%Y-%m-%d}"
    return say(
        "stage.uncovered",
        who=say("stage.segment", segment=each.segment) if each.segment else say("stage.all-segments"),
        when=say("stage.of-day", day=day) if day else "",
        share=share(each.coverage, 0),
        orders=number(each.orders),
        signal=signals.kind,
        elsewhere=share(signals.coverage, 0),
    )


def _rounded(milliseconds: float) -> str:
    """In the largest unit that it has at least one of, to a tenth."""
    for unit, size in UNITS:
        if milliseconds >= size:
            count = round(milliseconds / size, 1)
            return say(f"duration.{unit}", count=1 if count == 1 else 2, number=f"{count:g}")
    return say("duration.moment")
