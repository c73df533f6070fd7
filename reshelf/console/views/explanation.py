"""Why an item stands in a slot, or a shelf in its rows, as a page shows it."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET

from reshelf.console.live_view import LiveView, State
from reshelf.console.views.answer import answer
from reshelf.console.views.shop import card, rendered, title_of
from reshelf.inspect.explain import explain_now
from reshelf.inspect.shelves.explained import read_states, shelf_of_now
from reshelf.inspect.shelves.words import facts
from reshelf.inspect.stage_rows import stage_rows, visit_rows
from reshelf.inspect.trials.words import Cell, on_trial, trials_of_cell
from reshelf.words.read import as_said, crossed, relaxed
from reshelf.words.said import Said
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRules
from streams.layouts.explain import Arm

OTHERS = 12
"""Arms that are listed beside those in the slot, the likeliest to be clicked."""


async def why(view: LiveView, state: State, rules: PageRules, segment: str, cell: tuple[str, str], now_ms: int) -> Any:
    """What stands in a slot, how likely, and all that led to one item there.

    `asked` are slot and item; of what is empty or not known the first is taken.
    It is worked out from the state of now by what makes the layouts themselves, so a
    layout that was published a moment ago may differ a little.
    """
    catalog, page = view.catalog, rules.page
    counts = await state.reader.read_segment(page, segment)
    explanation = explain_now(catalog, counts, state.settings, page, segment, now_ms)
    slot = cell[0] if cell[0] in rules.slots else rules.slots[0]
    arms = sorted(explanation.arms, key=lambda arm: -arm.slots.get(slot, 0.0))
    standing = [arm for arm in arms if slot in arm.slots]
    chosen = next((arm for arm in arms if arm.item == cell[1]), arms[0] if arms else None)
    published = rendered(view, page, segment)[1]
    return {
        "page": page,
        "segment": segment,
        "slot": slot,
        "slots": rules.slots,
        "examination": round(explanation.examination[slot], 4),
        "policy": explanation.layout.policy,
        "guard_rail": crossed(explanation.layout.guard_rail),
        "relaxed": [relaxed(text) for text in explanation.layout.relaxed],
        "published": published.version if published else None,
        "standing": [card(arm.item, catalog.texts.get(arm.item)) | {"share": arm.slots[slot]} for arm in standing],
        "others": [card(arm.item, catalog.texts.get(arm.item)) for arm in explanation.arms if arm not in standing][
            :OTHERS
        ],
        "stages": [row._asdict() for row in stage_rows(explanation)],
        "visits": [row._asdict() for row in visit_rows(explanation.visits)],
        "shelves": _shelves(rules, published.layout() if published else None),
        "answer": chosen and answer(rules, explanation, chosen, (slot, segment), now_ms, view.settings.shop.zone),
        "trials": _trials(view, rules, explanation.layout, Cell(slot, chosen.item if chosen else ""), now_ms),
        "arm": chosen and (card(chosen.item, catalog.texts.get(chosen.item)) | _plain(chosen)),
    }


def _trials(view: LiveView, rules: PageRules, layout: Layout, cell: Cell, now_ms: int) -> list[Said]:
    tried = on_trial(rules, layout.segment, now_ms)
    return trials_of_cell(tried, layout, cell, view.catalog.items, partial(title_of, view), now_ms)


def _plain(arm: Arm) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.to_builtins(arm)
    return content | {"rules": [as_said(text, "effect.") for text in arm.rules]}


async def why_shelf(view: LiveView, state: State, rules: PageRules, segment: str, shelf: str, now_ms: int) -> Any:
    """Where a shelf of a page stands in the published layout, and what led to that; of one not known the first."""
    page, stored = rules.page, rendered(view, rules.page, segment)[1]
    layout = stored.layout() if stored else None
    shelves = _shelves(rules, layout)
    chosen = next((each for each in shelves if each["shelf"] == shelf), shelves[0])
    states = await read_states(state.reader, page, segment)
    names = page, segment, chosen["shelf"]
    explanation = shelf_of_now(view.catalog, states, state.settings, layout, names, now_ms)
    return {
        "page": page,
        "segment": segment,
        "slots": rules.slots,
        "policy": layout.policy if layout else "",
        "guard_rail": crossed(layout.guard_rail) if layout else "",
        "relaxed": [relaxed(text) for text in layout.relaxed] if layout else [],
        "published": layout.version if layout else None,
        "shelves": shelves,
        "shelf": chosen | {"facts": [fact._asdict() for fact in facts(explanation, state.settings.fold.currency)]},
    }


def _shelves(rules: PageRules, layout: Layout | None) -> list[dict[str, Any]]:
    """The shelves of a page, each with the share of slates in which it stands somewhere; none of a flat page."""
    rows = (layout.row_propensities or {}).values() if layout else ()
    return [
        {
            "shelf": shelf.name,
            "title": shelf.title or shelf.name,
            "kind": shelf.kind,
            "share": sum(shares.get(shelf.name, 0.0) for shares in rows),
        }
        for shelf in (() if rules.shelves is UNSET else rules.shelves)
    ]
