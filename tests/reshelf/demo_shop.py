"""A small demonstration shop with its layouts and visitors."""

from __future__ import annotations

from typing import Any

import numpy as np

from policy.assignment import choose
from reshelf.demo.catalog import CANDIDATES, candidates, fallback
from reshelf.demo.renderer import Renderer
from reshelf.demo.shop.model import Shop, ShopSettings, Views
from reshelf.demo.shop.pages import PAGES
from schemas.messages.layouts import Layout

SMALL = ShopSettings(units=2_000, delay=0.05)

FRONT, HOME = ([page.name for page in PAGES].index(name) for name in ("front", "home"))

NOW_MS = 1_700_000_000_000


def shop(seed: int = 1, settings: ShopSettings = SMALL) -> Shop:
    return Shop(settings, np.random.default_rng(seed))


def layout_of(model: Shop, page: int, segment: str, version: int, **changes: Any) -> Layout:
    """A layout whose two slates and baseline are rotations of the page's candidates."""
    slots = PAGES[page].slots
    names = [model.items[row].key for row in candidates(CANDIDATES[PAGES[page].name], model.items)]
    baseline, *slates = (dict(zip(slots, names[turn:], strict=False)) for turn in range(3))
    fields: dict[str, Any] = {
        "page": PAGES[page].name, "segment": segment, "version": version,
        "produced_at": NOW_MS, "expires_at": NOW_MS + 600_000,
        "epoch": 0, "template": "default", "policy": "thompson", "settings_digest": "", "rules_version": 1,
        "parameters_version": 0, "catalog_position": [], "watermarks": {}, "holdout_share": 0.1, "holdout_salt": "h",
        "baseline": baseline, "slates": slates, "propensities": {slot: {slates[0][slot]: 0.5} for slot in slots},
    }  # fmt: skip
    return Layout(**fields | changes)


def shelf_of(model: Shop) -> Renderer:
    made = Renderer(choose, [f"u{number}" for number in range(model.settings.units)], fallback(model))
    made.set_items({item.key: item.row for item in model.items})
    return made


def views_of(model: Shop, page: int, segment: int, count: int = 200) -> Views:
    """Visitors of one segment who scroll to the end of one page."""
    unit = np.flatnonzero(model.unit_segment == segment)[:count]
    ones = np.ones(len(unit), dtype=np.int64)
    return Views(unit, ones * segment, ones * page, ones * len(PAGES[page].slots))
