"""Why an item stands in a slot, as a page shows it."""

from __future__ import annotations

from typing import Any

import msgspec

from reshelf.console.live_view import LiveView, State
from reshelf.console.views.shop import card, rendered
from reshelf.inspect.explain import explain_now, stage_rows, visit_rows
from schemas.messages.pages import PageRules

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
        "guard_rail": explanation.layout.guard_rail,
        "relaxed": explanation.layout.relaxed,
        "published": published.version if published else None,
        "standing": [card(arm.item, catalog.texts.get(arm.item)) | {"share": arm.slots[slot]} for arm in standing],
        "others": [card(arm.item, catalog.texts.get(arm.item)) for arm in explanation.arms if arm not in standing][
            :OTHERS
        ],
        "stages": [row._asdict() for row in stage_rows(explanation)],
        "visits": [row._asdict() for row in visit_rows(explanation.visits)],
        "arm": chosen and (card(chosen.item, catalog.texts.get(chosen.item)) | msgspec.to_builtins(chosen)),
    }
