"""The fitter where click rates move: what it takes from counts by day, on pages of every kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.messages.pages import PageRules
from schemas.messages.parameters import EffectFit, PolicyParameters, VisitFit
from schemas.topics import DAY_MS
from streams.fitter.page import PageState, Start, fit
from streams.page_settings import LayoutSettings
from streams.settings import FoldSettings
from streams.state.arrays.tables import Table
from tests.streams.test_layouts_shelves import RULES, SLOTS, page, table

FLAT = PageRules("home", 7, list(SLOTS))
BELOW_CLICKS = VisitFit(after_click=EffectFit(0.5, 0.4, 0.6, 9.0, 8.0, True))


def on_day(day: int, seed: int, segment: str = "s") -> Table:
    return replace(table(seed, segment=segment), buckets=range(day * DAY_MS, day * DAY_MS + 1))


def fitted(rules: PageRules, visits: VisitFit | None, drift: float) -> PolicyParameters:
    tables = {"s": [on_day(0, 1), on_day(1, 2), on_day(4, 3)], "t": [on_day(1, 4, "t")]}
    state = PageState(rules, tables, dict(page().items), visits=visits)
    return fit(state, Start(0.02, 40.0, {}), LayoutSettings(drift=drift), FoldSettings(), 4 * DAY_MS)


@pytest.mark.parametrize(
    ("rules", "visits"), [(RULES, None), (FLAT, None), (FLAT, BELOW_CLICKS)], ids=["shelves", "flat", "below clicks"]
)
def test_where_rates_hardly_move_hardly_anything_is_forgotten(rules: PageRules, visits: VisitFit | None) -> None:
    steady, hardly, moving = (fitted(rules, visits, drift) for drift in (0.0, 1e-9, 0.1))
    for name, (clicks, expected) in steady.arms.items():
        assert hardly.arms[name] == pytest.approx((clicks, expected), rel=1e-3)
        assert moving.arms[name][1] < 0.95 * expected
    for segment, one in steady.segments.items():
        assert hardly.segments[segment].examined == pytest.approx(one.examined, rel=1e-5)
