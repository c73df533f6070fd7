"""An explanation of a shelf for people and scripts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from policy.pages.model.factors import FactorInterval
from reshelf.numbers import outcome
from streams.layouts.slates.shelf_evidence import Apart
from streams.layouts.slates.shelf_explanation import Period, ShelfExplanation, ShelfInRow


class Fact(NamedTuple):
    """What is said of a shelf: a title of one word or two, a figure that may be empty, and the rest."""

    title: str
    value: str
    text: str


def as_json(of: ShelfExplanation) -> dict[str, Any]:
    """The explanation as plain values; revenue is in minor units."""
    content: dict[str, Any] = msgspec.to_builtins(of)
    content["page"], content["adds_on_page"] = content.pop("page_name"), _named(of.page)
    content["segment"], content["adds_in_segment"] = content.pop("segment_name"), _named(of.segment)
    content["orders"] = _named(of.orders)
    for row, stands in zip(content["rows"], of.rows, strict=True):
        row["factor"] = _named(stands.factor)
    return content


def _named(factor: FactorInterval | None) -> dict[str, float] | None:
    return factor and {name: round(value, 6) for name, value in factor._asdict().items()}


def story(of: ShelfExplanation, currency: str) -> str:
    """A shelf in words, one fact a line."""
    listed = list(facts(of, currency))
    width = max(len(fact.title) for fact in listed)
    lines = [" ".join(part for part in (f"{fact.title:<{width}}", fact.value, fact.text) if part) for fact in listed]
    return "\n".join([of.shelf, *lines])


def facts(of: ShelfExplanation, currency: str) -> Iterator[Fact]:
    """All that is known of a shelf, for commands and the console."""
    most = of.most_columns
    columns = f"at least {of.least_columns} in a row" + (f", at most {most}" if most < max(256, of.items) else "")
    title = f"{of.title!r}, " if of.title else ""
    yield Fact("is", "", f"{title}a {of.kind}")
    yield Fact("items", f"{of.items:,}", f"may be on it, {of.available:,} of them now; {columns}")
    yield _standing(of)
    yield Fact("decided", "", _decided(of))
    yield from _added(of)
    yield from (Fact(f"row {row.row}", "", _row(row, currency)) for row in of.rows if row.allowed or row.impressions)
    for rule in of.rules:
        state = ""
        if of.slates:
            state = f"; does not hold in {rule.lacking} of {of.slates} slates" if rule.lacking else "; holds"
        yield Fact("rule", "", rule.text + state)


def _standing(of: ShelfExplanation) -> Fact:
    if not of.version:
        return Fact("stands", "", "no layout is published for this segment yet")
    places = ", ".join(f"{row.row} in {row.share:.0%} of slates" for row in of.standing) or "in no slate"
    baseline = f"; {of.baseline} in the baseline" if of.baseline else ""
    whose = "" if of.of == of.segment_name else f", that of {of.of!r}, as this segment has none of its own"
    fell_back = f"; all visitors get the baseline: {of.guard_rail}" if of.guard_rail else ""
    return Fact("stands", "", f"{places}{baseline}; layout of version {of.version}{whose}{fell_back}")


def _decided(of: ShelfExplanation) -> str:
    period = of.period
    if period is None:
        if of.guard_rail:
            return "shelves stand in the declared order until a new experiment begins"
        return "shelves are decided when a layout is made for this segment"
    since = f"in version {period.version}, at {period.since:,.0f} page views"
    return f"{since}; shelves may move {_next(period)}"


def _next(period: Period) -> str:
    if period.over:
        return "with the next layout"
    end = datetime.fromtimestamp(period.epoch_end / 1000, UTC)
    return (
        f"at {period.until:,.0f} page views ({period.views:,.0f} now), "
        f"or when the epoch ends at {end:%Y-%m-%d %H:%M} UTC, or when the page changes"
    )


def _added(of: ShelfExplanation) -> Iterator[Fact]:
    """What the shelf adds, only where its title can be told from its items."""
    if not of.fitted:
        yield Fact("adds", "", "not fitted yet: every shelf is taken to add nothing")
        return
    if not of.apart_on_page.is_told:
        yield Fact("adds", "", "its title and its items cannot be told apart: its items stood on no other shelf")
        return
    on_page, there, orders = of.page, of.segment, of.orders
    if on_page:
        yield Fact("adds", _times(on_page), f"to clicks, on the page, {_between(on_page)}{_doubt(of.apart_on_page)}")
    if there:
        yield Fact("adds", _times(there), f"to clicks, in this segment, {_between(there)}{_doubt(of.apart)}")
    elif of.segment_name != "*":
        yield Fact("adds", "", "in this segment its title and its items cannot be told apart")
    if orders:
        yield Fact("orders", _times(orders), f"to orders per click, {_between(orders)}")


def _doubt(apart: Apart) -> str:
    return "" if apart.from_items else "; its items stood on no other shelf, so a part of that may be theirs"


def _times(factor: FactorInterval) -> str:
    return f"×{factor.mean:.2f}"


def _between(factor: FactorInterval) -> str:
    return f"95 % between {factor.low:.2f} and {factor.high:.2f}"


def _row(row: ShelfInRow, currency: str) -> str:
    beside = f"; ×{row.factor.mean:.2f} there beside, {_between(row.factor)}" if row.factor else ""
    counted = (
        f"{row.impressions:,.0f} impressions, {row.clicks:,.0f} clicks, {row.orders:,.0f} orders, "
        f"{outcome('revenue', row.revenue, currency)} revenue"
    )
    allowed = "" if row.allowed else "; it may not stand there now"
    return f"in view in {row.reach:.0%} of page views, then looked at {row.look:.0%}; {counted}{beside}{allowed}"
