"""Drafts of a page's rules, which live in the browser: as a text, checked, and priced before they are published."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import tzinfo
from functools import partial
from typing import Any

import msgspec

from policy.assignment import Choice, choose, choose_in
from policy.defaults import LEVEL
from reshelf.console.live_view import LiveView
from reshelf.console.views.rules import checked, page_text, pinned_shelves, text_of, titles
from reshelf.console.views.shop import card, rows_of
from reshelf.inspect.prices.preview import PagePair, page_pair, price_pages, price_segment
from reshelf.inspect.prices.priced import Price
from reshelf.inspect.prices.words import as_json
from reshelf.inspect.trials.pages import VISITOR, trial_pages
from reshelf.rules.edits import edited, edits_of
from reshelf.rules.file import check, read
from reshelf.rules.segments import SegmentCheck
from reshelf.words.read import wrong
from reshelf.words.said import plain, say
from schemas.errors import BadSettings
from schemas.messages.layouts import Layout
from schemas.messages.pages import MAIN, PageRules
from schemas.times import moment
from streams.catalog.page import Page

MOVED = 8
"""Items that a preview names of those that are seen more, and of those that are seen less."""


def drafted(view: LiveView, body: Mapping[str, Any]) -> dict[str, Any]:
    """The text of `page` with `edits` made on `text` (empty: what is in force), and what is wrong with it."""
    text, name = _draft(view, body), text_of(body, "page")
    pages, _ = check(text, view.settings.shop.zone, SegmentCheck(view.settings))
    page = next((each for each in pages if each.page == name), None)
    return {
        "text": text,
        **checked(view, {"text": text}),
        "rules": msgspec.to_builtins(page.rules) if page else [],
        "titles": titles(view, page) if page else {},
        "shelves": pinned_shelves(page) if page else {},
    }


async def previewed(view: LiveView, body: Mapping[str, Any]) -> dict[str, Any]:
    """What a draft is expected to change, as `reshelf rules preview` says it, with the page as `unit` would see it.

    `at` is a date or time of the shop, whose rules are those in force; raises BadSettings for what is none.  With
    `alone` it is only how the page of `segment` would look there, which takes a moment however many segments there are.
    """
    segment, unit = text_of(body, "segment"), text_of(body, "unit") or VISITOR
    at_ms = moment_of(text_of(body, "at"), view.settings.shop.zone)
    rules = await asyncio.to_thread(_rules, view, body)
    pair = page_pair(view.catalog, rules, view.settings)
    if body.get("alone"):
        price = await asyncio.to_thread(price_segment, view.settings, private(pair), segment, at_ms)
        return _looks(view, {segment: price}, pair, segment, at_ms, unit)
    preview = await asyncio.to_thread(price_pages, view.settings, private(pair), (), at_ms)
    # Of the most seen one where it was not priced.
    shown = segment if segment in preview.prices else max(preview.prices, key=lambda name: preview.shares[name])
    return as_json(preview, LEVEL) | _looks(view, preview.prices, pair, shown, at_ms, unit)


def _looks(
    view: LiveView, prices: Mapping[str, Price], pair: PagePair, shown: str, at_ms: int, unit: str
) -> dict[str, Any]:
    """How the page looks in a segment, and which items are seen more or less in each."""
    return {
        "sides": _sides(view, prices[shown], pair, shown, at_ms, unit),
        "moved": {name: list(_moved(view, price.looks_before, price.looks_after)) for name, price in prices.items()},
    }


def moment_of(text: str, zone: tzinfo) -> int:
    """The moment, in milliseconds, that a preview is for: now where it names none; raises BadSettings for no date."""
    if not text:
        return time.time_ns() // 1_000_000
    try:
        return moment(text, zone)
    except (ValueError, OverflowError) as error:
        raise BadSettings(say("refused.moment", error=wrong(str(error)))) from None


def _rules(view: LiveView, body: Mapping[str, Any]) -> PageRules:
    pages = read(_draft(view, body), say("publish.the-draft"), view.settings.shop.zone, SegmentCheck(view.settings))
    name = text_of(body, "page")
    page = next((each for each in pages if each.page == name), None)
    if page is None:
        of = ", ".join(each.page for each in pages)
        raise BadSettings(say("refused.draft-page", page=plain(name), pages=of))
    return page


def _draft(view: LiveView, body: Mapping[str, Any]) -> str:
    """The text of a draft: that of the browser, or of what is in force, with edits made on it."""
    text, page = text_of(body, "text"), text_of(body, "page")
    if not text:
        rules = view.catalog.rules.get(page)
        if rules is None:
            raise BadSettings(say("refused.page-here", page=plain(page)))
        text = page_text(rules, view.settings.shop.zone)
    return edited(text, edits_of(body.get("edits", [])))


def private(pair: PagePair) -> PagePair:
    """Pages that share nothing that changes with what the console does meanwhile."""
    before, after = _private(pair.before), pair.after
    if after.candidates is pair.before.candidates:
        return pair._replace(before=before, after=replace(after, candidates=before.candidates, items=before.items))
    return pair._replace(before=before, after=_private(after))


def _private(page: Page) -> Page:
    return replace(page, candidates=page.candidates.apart(), items=dict(page.items))


def _sides(view: LiveView, price: Price, pair: PagePair, segment: str, at_ms: int, unit: str) -> dict[str, Any]:
    """The page now and after, for one visitor of a segment.

    With rules on trial, after is what all others see, and each trial has a page of its own.
    """
    before, after = price.layouts
    tried = trial_pages(pair.after.rules, after, at_ms, unit)
    shows = partial(choose_in, branch=MAIN) if tried else choose
    return {
        "segment": segment,
        "now": _side(view, pair.before.rules, before, shows(before, unit)),
        "after": _side(view, pair.after.rules, after, shows(after, unit)),
        "trials": [_side(view, pair.after.rules, after, page.choice) | {"title": page.title} for page in tried],
    }


def _side(view: LiveView, rules: PageRules, layout: Layout, choice: Choice) -> dict[str, Any]:
    rows = list(rows_of(rules, layout, choice.rows))
    slots = [slot for row in rows for slot in row["slots"]] or rules.slots
    items = [choice.slate.get(slot, "") for slot in slots]
    return {"rows": rows, "slots": [card(item, view.catalog.texts.get(item)) for item in items]}


def _moved(view: LiveView, before: Mapping[str, float], after: Mapping[str, float]) -> Iterable[dict[str, Any]]:
    """Items whose looks of a page view change most, the largest gains first, then the largest losses."""
    items = dict.fromkeys([*before, *after])
    change = {item: after.get(item, 0.0) - before.get(item, 0.0) for item in items}
    ordered = sorted((item for item in items if abs(change[item]) > 1e-4), key=lambda item: -change[item])
    for item in dict.fromkeys([*ordered[:MOVED], *ordered[-MOVED:]]):
        yield card(item, view.catalog.texts.get(item)) | {"looks": change[item]}
