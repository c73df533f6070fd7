"""What is believed of each arm of a page, in columns: a thousand arms are sent twice a second."""

from __future__ import annotations

from typing import Any

import numpy as np

from reshelf.console.live_view import LiveView, State
from reshelf.console.views.shop import rendered
from reshelf.inspect.posterior_summary import PosteriorSummary, posterior_summary
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRules


async def arms(view: LiveView, state: State, rules: PageRules, segment: str) -> dict[str, Any]:
    """Columns of equal length, and the slots with how likely each is looked at."""
    summary, stored = await believed(view, state, rules, segment), rendered(view, rules.page, segment)[1]
    items = [view.catalog.texts.get(name) for name in summary.items]
    return {
        "page": rules.page,
        "segment": segment,
        "item": summary.items,
        "title": [item.title if item else name for item, name in zip(items, summary.items, strict=True)],
        "category": [item.category if item else "" for item in items],
        **{name: np.round(getattr(summary, name), 6) for name in ("prior", "low", "mean", "high")},
        **{name: np.round(getattr(summary, name), 1) for name in ("strength", "clicks", "shown", "examined", "sold")},
        "placed": _placed(summary.items, stored.layout() if stored else None),
        "slots": [
            {"slot": slot, "examination": round(float(share), 4)}
            for slot, share in zip(rules.slots, summary.examination, strict=True)
        ],
        "fitted_at": parameters.fitted_at if (parameters := view.catalog.parameters.get(rules.page)) else None,
    }


async def believed(view: LiveView, state: State, rules: PageRules, segment: str) -> PosteriorSummary:
    """The beliefs on a page's arms for a segment; sums are kept from one call to the next."""
    counts = await state.reader.read_segment(rules.page, segment)
    weighted_counts = state.weighted_counts.of(
        (rules.page, segment), view.catalog.candidates(rules.page), tuple(rules.slots)
    )
    return posterior_summary(view.catalog.page(rules.page), counts, segment, state.settings.layouts, weighted_counts)


def _placed(items: tuple[str, ...], layout: Layout | None) -> list[float]:
    """The share of slates that have each item somewhere."""
    if layout is None:
        return [0.0] * len(items)
    shares: dict[str, float] = {}
    for by_item in layout.propensities.values():
        for item, share in by_item.items():
            shares[item] = shares.get(item, 0.0) + share
    return [round(shares.get(item, 0.0), 4) for item in items]
