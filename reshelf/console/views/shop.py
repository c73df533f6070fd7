"""A page as a visitor sees it now, and what changed for this visitor."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from policy.assignment import choose
from reshelf.console.live_view import LiveView
from reshelf.inspect.layout_store import StoredLayout
from reshelf.rules.marks import marks, rules_of
from reshelf.words.read import crossed, relaxed
from schemas.messages.catalog import CatalogItem
from schemas.messages.fields import BASELINE, FALLBACK
from schemas.messages.layouts import Layout, LayoutShelf
from schemas.messages.pages import PageRules
from streams.catalog.page import Key
from streams.fold.deltas import WHOLE_PAGE

CHANGES = 40


def shop(view: LiveView, page: str, segment: str, unit: str, now_ms: int) -> dict[str, Any]:
    """The page's slots with the items that stand there, by rows where it has shelves, and the latest changes first."""
    key, stored = rendered(view, page, segment)
    content: dict[str, Any] = {"page": page, "segment": segment, "unit": unit, "slots": [], "changes": []}
    expires_at = view.layout_history.newest.expires_at(stored) if stored else 0
    if stored is None or expires_at <= now_ms:
        return content | {"variant": FALLBACK, "version": 0, "of": ""}
    layout = stored.layout()
    variant, slate, standing = choose(layout, unit)
    rules = view.catalog.rules.get(page)
    rows = list(rows_of(rules, layout, standing)) if rules else []
    slots = [slot for row in rows for slot in row["slots"]] or (rules.slots if rules else list(slate))
    return content | {
        "variant": variant,
        "variants": len(layout.slates),
        "rules_version": layout.rules_version,
        "holdout": variant == BASELINE,
        "version": layout.version,
        "produced_at": layout.produced_at,
        "expires_at": expires_at,
        "of": key.segment,
        "policy": layout.policy,
        "relaxed": [relaxed(text) for text in layout.relaxed],
        "guard_rail": crossed(layout.guard_rail),
        "rows": rows,
        "slots": _slots(view, rules, layout, [(slot, slate.get(slot, "")) for slot in slots], now_ms),
        "changes": list(_changes(view, key, unit)),
    }


def rows_of(rules: PageRules, layout: Layout, standing: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The rows of a page with shelves in rendered order, each with its shelf; rows without one are left out."""
    titles, shares = layout.shelves or {}, layout.row_propensities or {}
    for row in rules.rows or ():
        if (shelf := standing.get(row.name)) is None:
            continue
        called = titles.get(shelf, LayoutShelf())
        yield {
            "row": row.name,
            "shelf": shelf,
            "title": called.title or shelf,
            "kind": called.kind,
            "share": shares.get(row.name, {}).get(shelf, 0.0),
            "slots": row.slot_names,
        }


def rendered(view: LiveView, page: str, segment: str) -> tuple[Key, StoredLayout | None]:
    """The layout that a renderer takes for a segment: its own, else that of '*'."""
    for name in (segment, WHOLE_PAGE):
        stored = view.layout_history.newest.get(page, name)
        if stored is not None:
            return Key(page, name), stored
    return Key(page, segment), None


def card(item: str, entry: CatalogItem | None) -> dict[str, Any]:
    """What people want to see of an item; one that the catalog does not have is a content block or gone."""
    if entry is None:
        return {"item": item, "title": item, "category": "", "price": None, "currency": "", "brand": "", "image": ""}
    return {
        "item": item,
        "title": entry.title,
        "category": entry.category,
        "price": entry.price,
        "currency": entry.currency,
        "brand": entry.brand,
        "image": entry.image,
    }


def title_of(view: LiveView, item: str) -> str:
    """What people call an item; itself where the catalog does not have it."""
    texts = view.catalog.texts
    return texts[item].title if item in texts else item


async def titled(view: LiveView, page: str, words: str) -> dict[str, Any]:
    """Items of the catalog by words of their titles, and whether a declared page may show each."""
    texts, candidates = view.catalog.texts, view.catalog.candidates(page).items
    names = await asyncio.to_thread(view.catalog.titles.find, words)
    return {"items": [card(name, texts.get(name)) | {"may": name in candidates} for name in names]}


def _slots(
    view: LiveView, rules: PageRules | None, layout: Layout, places: Sequence[tuple[str, str]], now_ms: int
) -> list[dict[str, Any]]:
    """Cards in slots, each with the rules that bear on it."""
    those = rules_of(rules, layout.segment, now_ms) if rules else []
    marked = marks(those, places, view.catalog.items, layout.relaxed, now_ms)
    return [
        _slot(view, layout, slot, item) | {"marks": [mark._asdict() for mark in of_slot]}
        for (slot, item), of_slot in zip(places, marked, strict=True)
    ]


def _slot(view: LiveView, layout: Layout, slot: str, item: str) -> dict[str, Any]:
    entry = view.catalog.texts.get(item)
    return card(item, entry) | {
        "slot": slot,
        "share": layout.propensities.get(slot, {}).get(item, 0.0),
        "created_at": entry.created_at if entry else 0,
    }


def _changes(view: LiveView, key: Key, unit: str) -> Iterator[dict[str, Any]]:
    for change in islice(view.layout_history.changes(key, unit), CHANGES):
        yield change._asdict() | {"before": title_of(view, change.before), "after": title_of(view, change.after)}
