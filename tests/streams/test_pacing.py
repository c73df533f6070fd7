"""A sponsored slot gets what was sold for the day, spread over it, whatever the traffic does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules
from schemas.rules import Match, Sponsored
from schemas.times import moment
from streams.fitter.pacing import BEGINNING, pacing
from streams.fold.buckets import span_of
from streams.fold.deltas import Traffic
from streams.settings import DAY_MS, FoldSettings
from streams.state.arrays.tables import Table
from tests.streams.layout_inputs import table

FOLD = FoldSettings(bucket_ms=DAY_MS)
TODAY = 100 * DAY_MS
STEPS = 96
"""How often a day the share is set: rarer than in operation, where it is the harder to keep."""


def rules(impressions: int, **fields: int) -> PageRules:
    rule = Sponsored(name="ad", match=Match(items=["paid"]), slot="top", impressions=impressions, **fields)  # type: ignore[arg-type]
    return PageRules("home", 1, ["top"], rules=[rule])


def shown(bucket: int, paid: int, others: int) -> Table:
    one = table(bucket, Traffic.LEARNED, ["paid", "other"], ["top"])
    one.impressions[:, 0] = paid, others
    return one


def share(tables: list[Table], at: float, impressions: int) -> float:
    return pacing(rules(impressions), {"s": tables}, {}, FOLD, TODAY + round(at * DAY_MS))["ad"]


@pytest.mark.parametrize("sold", [0.05, 0.3, 0.5])
@given(st.integers(0, 99))
def test_a_day_ends_with_what_was_sold_although_traffic_swings(sold: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    wave = np.sin(2.0 * np.pi * np.arange(STEPS) / STEPS + rng.uniform(0, 6))
    traffic = rng.integers(1_500, 4_500, STEPS) * (1.0 + 0.6 * wave)
    wanted, paid, others = round(sold * traffic.sum()), 0, 0
    before = shown(TODAY - DAY_MS, 0, round(traffic.sum() * 1.1))
    for step, views in enumerate(traffic):
        now = share([before, shown(TODAY, paid, others)], step / STEPS, wanted)
        extra = rng.binomial(int(views), now)
        paid, others = paid + int(extra), others + int(views - extra)
    assert paid == pytest.approx(wanted, rel=0.1)


@pytest.mark.parametrize(("width", "most_off"), [(DAY_MS, 0.15), (DAY_MS // 24, 0.05)])
def test_a_day_of_the_shop_ends_with_what_was_sold(width: int, most_off: float) -> None:
    """Berlin's days begin at 22:00 or 23:00 UTC: days of UTC would have sold to two of the shop's."""
    zone, fold = ZoneInfo("Europe/Berlin"), FOLD.changed(bucket_ms=width)
    first = moment("2026-07-01", zone)
    counts, sold = dict[int, list[int]](), [0, 0, 0]
    for step in range(3 * STEPS):
        now = first + step * DAY_MS // STEPS
        views = round(300 * (1.0 + 0.6 * math.sin(2.0 * math.pi * step / STEPS)))
        tables = [merged(span, counts, width) for span in {span_of(at, now, fold) for at in counts}]
        page = rules(6_000 if step < 2 * STEPS else 9_000)
        paid = round(views * pacing(page, {"s": tables}, {}, fold, now, zone)["ad"])
        sold[step // STEPS] += paid
        for side, more in enumerate((paid, views - paid)):
            counts.setdefault(now - now % width, [0, 0])[side] += more
    assert sold[1:] == [pytest.approx(6_000, rel=most_off), pytest.approx(9_000, rel=most_off)]


def merged(span: range, counts: Mapping[int, list[int]], width: int) -> Table:
    paid, others = (sum(counts[at][side] for at in counts if at in span) for side in (0, 1))
    return replace(shown(span.start, paid, others), buckets=range(span.start, span.stop, width))


def test_what_is_used_up_gets_nothing_and_what_cannot_be_reached_gets_all() -> None:
    assert share([shown(TODAY, 500, 500)], 0.5, 500) == 0.0
    assert share([shown(TODAY, 5, 995)], 0.5, 9_000) == 1.0


def test_a_day_that_was_merged_by_a_clock_ahead_is_not_exceeded() -> None:
    """Nobody knows then what was shown today: at most all that the span holds."""
    merged = replace(shown(TODAY - DAY_MS, 500, 500), buckets=range(TODAY - DAY_MS, TODAY + DAY_MS, DAY_MS))
    assert share([merged], 0.5, 500) == 0.0
    assert 0.0 < share([merged], 0.5, 600) < 1.0


def test_without_any_traffic_yet_a_little_is_tried() -> None:
    assert share([], 0.01, 100) == BEGINNING


def test_rules_of_another_time_are_not_paced() -> None:
    assert pacing(rules(9, starts_at=TODAY), {}, {}, FOLD, TODAY - 1) == {}


@pytest.mark.parametrize("at", [0.001, 0.01, 0.5])
def test_nothing_is_shown_beyond_what_was_sold_however_early_in_the_day(at: float) -> None:
    assert share([shown(TODAY, 5_000, 45_000)], at, 100) == 0.0


def test_what_sells_out_or_grows_old_during_the_day_was_shown_all_the_same() -> None:
    rule = Sponsored(name="ad", match=Match(brands=["n"], newer_than_days=7.0), slot="top", impressions=1_000)
    page, now = PageRules("home", 1, ["top"], rules=[rule]), TODAY + DAY_MS // 2
    tables = {"s": [shown(TODAY - DAY_MS, 0, 4_000), shown(TODAY, 990, 1_010)]}
    sold_out = CatalogItem("paid", "paid", brand="n", available=False, created_at=TODAY - 7 * DAY_MS + 1)
    assert pacing(page, tables, {"paid": sold_out}, FOLD, now) == {"ad": 0.005}


def test_without_days_nothing_can_be_paced() -> None:
    assert pacing(rules(100), {"s": [shown(0, 1, 9)]}, {}, FoldSettings(bucket_ms=0), TODAY) == {"ad": 0.0}
