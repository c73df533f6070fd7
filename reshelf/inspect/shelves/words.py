"""An explanation of a shelf for people and scripts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from policy.pages.model.factors import FactorInterval
from reshelf.numbers import number, outcome, share
from reshelf.words.read import as_said, crossed
from reshelf.words.said import joined, plain, say
from streams.layouts.slates.shelf_evidence import Apart
from streams.layouts.slates.shelf_explanation import Period, RuleState, ShelfExplanation, ShelfInRow


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
    limited = most < max(256, of.items)
    columns = say("shelf.least-most" if limited else "shelf.least", least=of.least_columns, most=most)
    kind = say("shelf.kind-titled" if of.title else "shelf.kind", title=plain(of.title), kind=of.kind)
    yield Fact(say("shelf.is"), "", kind)
    yield Fact(say("shelf.items"), number(of.items), say("shelf.may-be", available=of.available, columns=columns))
    yield Fact(say("shelf.stands"), "", _standing(of))
    yield Fact(say("shelf.decided"), "", _decided(of))
    yield from _added(of)
    rows = (row for row in of.rows if row.allowed or row.impressions)
    yield from (Fact(say("shelf.row", row=row.row), "", _row(row, currency)) for row in rows)
    yield from (Fact(say("shelf.rule"), "", _rule(rule, of.slates)) for rule in of.rules)


def _rule(state: RuleState, slates: int) -> str:
    rule = as_said(state.text, "shelf-rule.")
    if slates:
        return say("shelf.lacking" if state.lacking else "shelf.holds", rule=rule, slates=state.lacking, all=slates)
    return rule


def _standing(of: ShelfExplanation) -> str:
    if not of.version:
        return say("shelf.unpublished")
    places = joined("join.list", (say("shelf.place", row=row.row, share=share(row.share, 0)) for row in of.standing))
    return say(
        "shelf.standing",
        places=places or say("shelf.nowhere"),
        baseline=say("shelf.baseline", row=of.baseline) if of.baseline else "",
        version=str(of.version),
        whose="" if of.of == of.segment_name else say("shelf.of-other", segment=plain(of.of)),
        fell_back=say("shelf.fell-back", why=crossed(of.guard_rail)) if of.guard_rail else "",
    )


def _decided(of: ShelfExplanation) -> str:
    period = of.period
    if period is None:
        if of.guard_rail:
            return say("shelf.declared-order")
        return say("shelf.when-made")
    return say("shelf.since", version=str(period.version), views=number(period.since), next=_next(period))


def _next(period: Period) -> str:
    if period.over:
        return say("shelf.next")
    end = f"{datetime.fromtimestamp(period.epoch_end / 1000, UTC):%Y-%m-%d %H:%M}"
    return say("shelf.next-at", until=number(period.until), views=number(period.views), end=end)


def _added(of: ShelfExplanation) -> Iterator[Fact]:
    """What the shelf adds, only where its title can be told from its items."""
    adds = say("shelf.adds")
    if not of.fitted:
        yield Fact(adds, "", say("shelf.unfitted"))
        return
    if not of.apart_on_page.is_told:
        yield Fact(adds, "", say("shelf.apart-not"))
        return
    if page := of.page:
        text = say("shelf.on-page", between=_between(page), shared=_shared(of.apart_on_page))
        yield Fact(adds, _times(page), text)
    if there := of.segment:
        yield Fact(adds, _times(there), say("shelf.in-segment", between=_between(there), shared=_shared(of.apart)))
    elif of.segment_name != "*":
        yield Fact(adds, "", say("shelf.segment-apart-not"))
    if orders := of.orders:
        yield Fact(say("shelf.orders"), _times(orders), say("shelf.per-click", between=_between(orders)))


def _shared(apart: Apart) -> str:
    return "" if apart.from_items else say("shelf.shared")


def _times(factor: FactorInterval) -> str:
    return f"×{number(factor.mean, 2)}"


def _between(factor: FactorInterval) -> str:
    return say("shelf.between", low=number(factor.low, 2), high=number(factor.high, 2))


def _row(row: ShelfInRow, currency: str) -> str:
    factor = row.factor
    beside = say("shelf.beside", factor=_times(factor), between=_between(factor)) if factor else ""
    return say(
        "shelf.reach",
        reach=share(row.reach, 0),
        look=share(row.look, 0),
        impressions=number(row.impressions),
        clicks=number(row.clicks),
        orders=number(row.orders),
        revenue=outcome("revenue", row.revenue, currency),
        beside=beside,
        allowed="" if row.allowed else say("shelf.not-allowed"),
    )
