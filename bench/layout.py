"""How long a layout takes with every kind of rule on: the pure part, on one core."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from bench.pages import PAGE, SEGMENT, Size, page, state
from bench.sold_pages import History, SoldState, sold_page
from schemas.messages.catalog import CatalogItem
from schemas.messages.parameters import PolicyParameters
from schemas.rules import Boost, Cap, Complements, Exposure, Match, Pin, Placement, Rule, Spacing, Sponsored
from schemas.topics import DAY_MS
from streams.catalog.item_features import item_features
from streams.catalog.page import Page
from streams.catalog.weighted_counts import WeightedCounts
from streams.fold.deltas import WHOLE_PAGE
from streams.layouts.compose import compose
from streams.page_settings import LayoutSettings

NOW_MS = 1_790_000_000_000
SALE_VALUE = 0.01


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one layout: medians over the rounds, and how many rules had to be relaxed."""

    items: int
    slots: int
    variants: int
    median_ms: float
    without_rules_ms: float
    relaxed: int


@dataclass(frozen=True, slots=True)
class SalesTiming:
    """Milliseconds of one layout of the whole page, medians over the rounds: by what a click is worth.

    `clicks_ms` where all clicks are worth the same, `sales_ms` where orders count (`layouts.sale_value` above 0), and
    `stages_ms` where signals and returns do, too.
    """

    items: int
    slots: int
    variants: int
    segments: int
    days: int
    clicks_ms: float
    sales_ms: float
    stages_ms: float


def rules_for(size: Size) -> list[Rule]:
    """One rule of each kind, and more of those that stores have many of."""
    slots = [f"slot-{number:02d}" for number in range(size.slots)]
    return [
        Pin(name="pin", item="item-000007", slot=slots[1 % size.slots]),
        Boost(name="lift", match=Match(tags=["sale"]), factor=1.3),
        Boost(name="bury", match=Match(brands=["brand-3"]), factor=0.5),
        Boost(name="off", match=Match(categories=["category-9"]), factor=0.0),
        Cap(name="brands", by="brand", most=2),
        Cap(name="sale", match=Match(tags=["sale"]), most=4),
        Spacing(name="mixed", by="category", distance=2),
        Exposure(name="new", match=Match(newer_than_days=7.0), least=0.5),
        Exposure(name="room", match=Match(), most=0.75),
        Placement(name="low", match=Match(categories=["category-5"]), slots=slots[size.slots // 2 :]),
        Sponsored(name="paid", match=Match(brands=["brand-1"]), slot=slots[-1], impressions=10_000),
        Complements(name="together", factor=1.5),
    ]


def measure(size: Size, rounds: int) -> Timing:
    """Layouts of a page whose counts change a little from one to the next, as a worker makes them."""
    bare, ruled = page(size), _ruled(page(size), size)
    with_rules, relaxed = _timed(ruled, size, rounds)
    without, _ = _timed(bare, size, rounds)
    return Timing(size.items, size.slots, size.variants, with_rules, without, relaxed)


def measure_sales(size: Size, history: History, rounds: int) -> SalesTiming:
    """The three in turn, round by round, so that what else the machine does affects all equally."""
    settings = {"clicks": 0.0, "sales": SALE_VALUE, "stages": SALE_VALUE}
    pages = {name: sold_page(size, history, stages=name == "stages") for name in settings}
    sums = {name: WeightedCounts(of.candidates, tuple(of.rules.slots)) for name, of in pages.items()}
    counts, took = SoldState(size, history), {name: list[float]() for name in settings}
    for turn in range(rounds + 3):
        counts.click(turn)
        now = counts.state()
        for name, of in pages.items():
            began = time.perf_counter()
            compose(WHOLE_PAGE, now, of, LayoutSettings(sale_value=settings[name]), 1, sums[name], NOW_MS)
            took[name].append(1000 * (time.perf_counter() - began))
    medians = {f"{name}_ms": round(statistics.median(spent[3:]), 3) for name, spent in took.items()}
    return SalesTiming(size.items, size.slots, size.variants, history.segments, history.days, **medians)


def _timed(of: Page, size: Size, rounds: int) -> tuple[float, int]:
    weighted_counts, settings = WeightedCounts(of.candidates, tuple(of.rules.slots)), LayoutSettings()
    first, took, relaxed = state(size, 1), list[float](), 0
    for turn in range(rounds + 3):
        changed = first.tables[0].clicks.copy()
        changed[turn % size.items, turn % size.slots] += 1
        learned = replace(first.tables[0], counts={**first.tables[0].counts, "clicks": changed})
        now = replace(first, tables=(learned, first.tables[1]))
        began = time.perf_counter()
        composed = compose(SEGMENT, now, of, settings, 1, weighted_counts, NOW_MS)
        took.append(1000 * (time.perf_counter() - began))
        relaxed = len(composed.relaxed)
    return round(statistics.median(took[3:]), 3), relaxed


def _ruled(bare: Page, size: Size) -> Page:
    rng = np.random.default_rng(3)
    items = {
        name: CatalogItem(
            name,
            name,
            category=f"category-{rng.integers(20)}",
            brand=f"brand-{rng.integers(40)}",
            tags=["sale"] if rng.random() < 0.2 else [],
            created_at=NOW_MS - int(rng.integers(1, 400)) * DAY_MS,
            complements=[f"item-{rng.integers(size.items):06d}"],
        )
        for name in bare.candidates.items
    }
    fitted = PolicyParameters(PAGE, 1, NOW_MS, 0.02, 50.0, pacing={"paid": 0.3}, weights={"category=category-1": 0.4})
    return replace(
        bare,
        rules=msgspec.structs.replace(bare.rules, rules=rules_for(size)),
        items=items,
        item_features=item_features(fitted, bare.candidates, items),
    )
