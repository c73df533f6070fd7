"""One item on one page over time, and as it is now; and the calendar of campaigns."""

from __future__ import annotations

from typing import Any

from reshelf.console.live_view import LiveView
from reshelf.console.views.arms import believed
from reshelf.console.views.shop import card
from reshelf.rules.calendar import campaigns
from reshelf.rules.timeline import as_json, names, slots_of, timeline
from schemas.messages.pages import PageRules
from streams.catalog.page import Key


async def item_timeline(view: LiveView, rules: PageRules, segment: str, item: str, now_ms: int) -> dict[str, Any]:
    """Slots and rules of an item as far as the console has seen layouts and versions; its rate needs a state."""
    layouts = list(view.layout_history.versions(Key(rules.page, segment)))
    versions = view.rules_history.versions(rules)
    now = {
        "slots": slots_of(item, layouts[-1]) if layouts else {},
        "rules": [rule.name for rule in rules.rules if names(rule, item, view.catalog.items, now_ms)],
        "rate": await _rate(view, rules, segment, item),
    }
    return {
        "page": rules.page,
        "segment": segment,
        "item": card(item, view.catalog.texts.get(item)),
        "seen_since": layouts[0].produced_at if layouts else None,
        "now": now,
        **as_json(timeline(item, layouts, versions, view.catalog.items)),
    }


def calendar(view: LiveView, now_ms: int) -> dict[str, Any]:
    """The rules of all pages that begin or end at a date."""
    return {"campaigns": [campaign._asdict() for campaign in campaigns(view.catalog.rules, now_ms)]}


async def _rate(view: LiveView, rules: PageRules, segment: str, item: str) -> dict[str, float] | None:
    """Clicks per look with the 95 % interval, None where the item is no candidate or nothing is counted."""
    if view.state is None:
        return None
    summary = await believed(view, view.state, rules, segment)
    if item not in summary.items:
        return None
    row = summary.items.index(item)
    columns = {"low": summary.low, "mean": summary.mean, "high": summary.high, "clicks": summary.clicks}
    return {name: float(values[row]) for name, values in columns.items()}
