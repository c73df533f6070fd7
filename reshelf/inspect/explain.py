"""An explanation from live topics and state, for people and scripts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
from rich.console import Group, RenderableType

from reshelf.inspect.layouts_topic import by_likelihood
from reshelf.inspect.stage_rows import StageRow, stage_rows, visit_rows
from reshelf.namespaces.open_state import open_state
from reshelf.numbers import difference, figures, number, share
from reshelf.rules.topic import undeclared
from reshelf.settings import Settings
from reshelf.terminal.tables import table
from schemas.errors import ReshelfError
from schemas.messages.pages import PageRules
from streams.catalog.page import Key
from streams.catalog.snapshot import read_catalog
from streams.catalog.view import CatalogView
from streams.layouts.explain import Arm, Explanation, explain
from streams.layouts.guard_rail import fallen, without_segments_of
from streams.layouts.segments.borrowing import borrows
from streams.layouts.segments.serving import page_epoch
from streams.state.reader import KeyState

LISTED = 20
HANG = len("click rate ")
"""Where what is told of an arm begins in its lines."""


def explained(settings: Settings, page: str, segment: str, now_ms: int) -> tuple[Explanation, CatalogView]:
    """What the layout of a page and segment is made from now; raises `ReshelfError` where the page is not declared."""
    state = asyncio.run(state_of(settings, page, segment))
    catalog = read_catalog(settings.kafka)
    declared(catalog, page)
    return explain_now(catalog, state, settings, page, segment, now_ms), catalog


def explain_now(
    catalog: CatalogView, state: KeyState, settings: Settings, page: str, segment: str, now_ms: int
) -> Explanation:
    """The layout of a declared page as it would be made now: in the epoch of now, and as published ones fell back.

    Shelves stand where the published layout has them, for as long as they stand still.  What a segment takes from the
    whole page it takes from the layout of `*` that is published.
    """
    rules, published = catalog.rules[page], catalog.published
    return explain(
        segment,
        state,
        catalog.page(page),
        settings.layouts,
        page_epoch(rules, segment, now_ms, settings.layouts.epoch_ms).number,
        now_ms,
        fell_back=fallen(published, settings.experiment).get(page, ""),
        published=catalog.latest_layout(Key(page, segment)).rows,
        whole=catalog.wholes.get(page) if borrows(rules, segment) else None,
        withdrawn=without_segments_of(published, settings.experiment).get(page, ""),
    )


def declared(catalog: CatalogView, page: str) -> PageRules:
    """The page as declared; raises `ReshelfError` where it is not."""
    if page not in catalog.rules:
        raise undeclared(page, catalog.rules)
    return catalog.rules[page]


async def state_of(settings: Settings, page: str, segment: str) -> KeyState:
    """What is counted now for a page and segment; '*' is the whole page."""
    async with open_state(settings) as state:
        return await state.reader.read_segment(page, segment)


def arm_of(explanation: Explanation, item: str) -> Arm:
    """One arm; raises `ReshelfError` where the item is no candidate of the page."""
    match = next((arm for arm in explanation.arms if arm.item == item), None)
    if match is None:
        raise ReshelfError(
            f"{item!r} is no candidate of page {explanation.layout.page!r}: it is not in the catalog, not available, "
            "or the page's candidates leave it out (`reshelf rules show`)"
        )
    return match


def as_json(explanation: Explanation, item: str | None, trials: Sequence[str] = ()) -> dict[str, Any]:
    """The explanation as plain values; of one item alone where it is named.  `trials` tell of rules on trial."""
    arms = [arm_of(explanation, item)] if item else explanation.arms
    return {
        "page": explanation.layout.page,
        "segment": explanation.layout.segment,
        "epoch": explanation.layout.epoch,
        "policy": explanation.layout.policy,
        "guard_rail": explanation.layout.guard_rail,
        "segments_withdrawn": explanation.layout.segments_withdrawn or "",
        "examination": explanation.examination,
        "rows": explanation.layout.row_propensities or {},
        "relaxed": explanation.layout.relaxed,
        "on_trial": list(trials),
        "signals": msgspec.to_builtins(explanation.signals),
        "returns": msgspec.to_builtins(explanation.returns),
        "stages": [msgspec.to_builtins(stage) for stage in explanation.stages],
        "visits": msgspec.to_builtins(explanation.visits),
        "arms": [msgspec.to_builtins(arm) for arm in arms],
    }


def listing(
    explanation: Explanation, titles: Mapping[str, str] = MappingProxyType({}), trials: Sequence[str] = ()
) -> RenderableType:
    """The likeliest arms, one a line, with what people call them where that is known; `trials` are told below."""
    if not explanation.arms:
        return "the page has no candidates: no available item of the catalog fits them (`reshelf rules show`)"
    head = ["item", "seen", "clicks", "rate", "95%", "slots", "title", "shelves", "rules"]
    rows = [_row(arm, titles) for arm in explanation.arms[:LISTED]]
    for column in ("rules", "shelves", "title"):
        at = head.index(column)
        if not any(row[at] for row in rows):
            head, rows = head[:at] + head[at + 1 :], [row[:at] + row[at + 1 :] for row in rows]
    left = len(explanation.arms) - LISTED
    notes = [f"and {left} more items"] if left > 0 else []
    notes += [f"all visitors get the baseline: {reason}"] if (reason := explanation.layout.guard_rail) else []
    notes += [f"all segments get the slates of *: {why}"] if (why := explanation.layout.segments_withdrawn) else []
    notes += [f"relaxed: {text}" for text in explanation.layout.relaxed]
    notes += trials
    return Group(
        table(head, rows, spare=len(head) - 6),
        *row_lines(explanation),
        *notes,
        *aligned(visit_rows(explanation.visits)),
        *stage_lines(explanation),
    )


def _row(arm: Arm, titles: Mapping[str, str]) -> tuple[str, ...]:
    return (
        arm.item,
        number(arm.impressions),
        number(arm.clicks),
        share(arm.click_rate, 2),
        f"{share(arm.low, 2)} to {share(arm.high, 2)}",
        _likeliest(arm.slots),
        titles.get(arm.item, ""),
        _shelves(arm),
        "; ".join(arm.rules),
    )


def _likeliest(slots: Mapping[str, float]) -> str:
    """The slot that an arm is most often in, and in how many others it is, too."""
    if not slots:
        return "-"
    best = max(slots, key=lambda slot: slots[slot])
    return f"{best} {share(slots[best], 0)}" + (f" +{len(slots) - 1}" if len(slots) > 1 else "")


def _shelves(arm: Arm) -> str:
    """The shelves that may show an arm, those that do first, each with its share of slates."""
    ordered = sorted(arm.shelves.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{name} {share(part, 0)}" if part else name for name, part in ordered)


def row_lines(explanation: Explanation) -> Iterator[str]:
    """Which shelves stand in the rows of a page, one row a line; nothing where it has none."""
    for row, shares in (explanation.layout.row_propensities or {}).items():
        yield f"row {row}: {by_likelihood(shares)}"


def story(arm: Arm, title: str = "", trials: Sequence[str] = ()) -> str:
    """One arm in words, with what people call it where that is known; `trials` tell of rules on trial."""
    prior = arm.prior
    parts = ", ".join(f"{name} {difference(part, 2)}" for name, part in prior.features.items())
    lines = [
        f"{arm.item}  {title}".rstrip(),
        f"seen       {number(arm.impressions)} times, {_looked_at(arm)}; {number(arm.clicks)} clicks"
        + (f"; {share(arm.retained, 0)} of that still counts" if arm.retained < 0.995 else ""),
        f"prior      {share(prior.click_rate, 3)}, weighing {number(prior.strength)} looks: the page's "
        + share(prior.base, 3)
        + (f", features {parts}" if parts else "")
        + (f", text {difference(prior.text, 2)}" if prior.text else "")
        + (f", picture {difference(prior.picture, 2)}" if prior.picture else "")
        + (f", times {number(prior.variance, 2)} for what is in doubt" if prior.variance != 1.0 else "")
        + (f", times {number(prior.factor, 2)} by clicks in other segments" if prior.factor != 1.0 else ""),
        f"click rate {share(arm.click_rate, 3)}, 95% between {share(arm.low, 3)} and {share(arm.high, 3)}",
        f"draws      {', '.join(f'{share(draw, 2)}' for draw in arm.draws)}",
    ]
    if arm.value:
        value = arm.value
        lines.append(
            f"value      {figures(value.total, 3)} a click: {value.click:g} + {share(value.purchase_rate, 2)} "
            f"x {number(value.amount)} x {value.earned:g}"
        )
    places = ", ".join(f"{slot} in {share(part, 0)} of slates" for slot, part in arm.slots.items()) or "in no slate"
    lines.append(f"stands     {places}" + (f"; {arm.baseline} in the baseline" if arm.baseline else ""))
    lines += [f"shelves    {_shelves(arm)}"] if arm.shelves else []
    lines += [f"rule       {text}" for text in arm.rules]
    lines += [f"trial      {text}" for text in trials]
    return "\n".join(lines)


def _looked_at(arm: Arm) -> str:
    if arm.shelves:
        return f"which were {number(arm.examined)} full looks by row, column and shelf"
    return f"{number(arm.examined)} of them looked at"


def stage_lines(explanation: Explanation) -> Iterator[str]:
    """The stages behind a page's clicks, one a line; nothing where there are none."""
    return aligned(stage_rows(explanation))


def aligned(rows: Iterable[StageRow]) -> Iterator[str]:
    """Rows as text, one a line; nothing where there are none."""
    listed = list(rows)
    width = max((len(row.title) for row in listed), default=0)
    for row in listed:
        yield f"{row.title:<{width}} " + ("" if row.share is None else f"{share(row.share, 2)} ") + row.text
