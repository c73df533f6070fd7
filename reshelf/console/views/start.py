"""What matters on all pages: what they earn, what rose and fell, what cannot hold, what is stale."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from reshelf.console.live_view import LiveView
from reshelf.console.views.experiment import decided
from reshelf.console.views.pipeline import warnings
from reshelf.console.views.shop import card
from reshelf.numbers import number
from reshelf.words.read import relaxed
from reshelf.words.said import say
from schemas.topics import DAY_MS

SOON_MS = 3 * DAY_MS
"""A rule that ends within it is told of."""
MOST_ENDING = 6


async def start(view: LiveView, now_ms: int) -> dict[str, Any]:
    """What matters, the page with most visitors first."""
    health, settings = view.monitor.health, view.state.settings if view.state else view.settings
    seen = {page: sum(health[page].sample_ratio[:2]) if page in health else 0 for page in view.catalog.rules}
    order = sorted(seen, key=lambda page: (-seen[page], page))
    segments = {page: view.pages()[page] for page in order}
    news = await asyncio.to_thread(view.news.read, view.layout_history, segments, time.monotonic())
    return {
        "currency": settings.fold.currency,
        "pages": [{"page": page, "visitors": seen[page], **decided(view.monitor.pages.get(page))} for page in order],
        "moved": [mover._asdict() | card(mover.item, view.catalog.texts.get(mover.item)) for mover in news.moved],
        "unkept": [each._asdict() | {"text": relaxed(each.text)} for each in news.unkept],
        "ending": list(_ending(view, now_ms))[:MOST_ENDING],
        "stale": [*warnings(view, now_ms), *_unfitted(view, order, now_ms)],
    }


def _ending(view: LiveView, now_ms: int) -> Iterator[dict[str, Any]]:
    """Rules that end soon, the soonest first."""
    rules = [(rule.ends_at, page.page, rule.name) for page in view.catalog.rules.values() for rule in page.rules]
    for ends_at, page, name in sorted(rules):
        if now_ms < ends_at <= now_ms + SOON_MS:
            yield {"page": page, "name": name, "ends_at": ends_at}


def _unfitted(view: LiveView, pages: list[str], now_ms: int) -> Iterator[str]:
    for page in pages:
        fitted = view.catalog.parameters.get(page)
        if fitted is not None and now_ms - fitted.fitted_at > DAY_MS:
            days = (now_ms - fitted.fitted_at) / DAY_MS
            yield say("start.unfitted", page=page, days=number(days, 1))
