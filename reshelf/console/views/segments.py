"""Learned segments: how large they are, what sets them apart, who moved, and what they gain."""

from __future__ import annotations

import asyncio
from typing import Any

from policy.defaults import LEVEL
from reshelf.console.live_view import LiveView
from reshelf.console.views.shop import card
from reshelf.inspect.experiment import uplifts_as_json
from reshelf.inspect.segments.gains import SegmentGain, segment_gains
from reshelf.inspect.segments.model import segment_rows, version_row
from schemas.messages.segments import SegmentModel


async def segments(view: LiveView) -> dict[str, Any]:
    """The newest model with the versions before it, and what pages with learned segments gain by them."""
    model = view.catalog.segment_model.model
    content: dict[str, Any] = {"model": None, "segments": [], "versions": [], "pages": await _pages(view)}
    if model is None:
        return content
    versions = await asyncio.to_thread(view.segment_history.rows, model)
    return content | {
        "model": version_row(model)._asdict(),
        "segments": _segments(view, model),
        "versions": [row._asdict() for row in reversed(versions)],
    }


def _segments(view: LiveView, model: SegmentModel) -> list[dict[str, Any]]:
    texts = view.catalog.texts
    return [
        row._asdict() | {"items": [card(item, texts.get(item)) for item in row.items]} for row in segment_rows(model)
    ]


async def _pages(view: LiveView) -> list[dict[str, Any]]:
    """Each page with learned segments, with its gains where a branch has the slates of the whole page."""
    pages = [rules for _, rules in sorted(view.catalog.rules.items()) if rules.has_learned_segments]
    if (state := view.state) is None:
        return [{"page": rules.page, "gains": []} for rules in pages]
    bins = [await state.reader.read_bins(rules.page) for rules in pages]
    versions = [view.rules_history.versions(rules) for rules in pages]
    return [
        {"page": rules.page, "gains": [_gain(gain) for gain in segment_gains(of_rules, counts, state.settings, LEVEL)]}
        for rules, of_rules, counts in zip(pages, versions, bins, strict=True)
    ]


def _gain(gain: SegmentGain) -> dict[str, Any]:
    return {"branch": gain.branch, **uplifts_as_json(gain.uplifts, gain.sample_ratio)}
