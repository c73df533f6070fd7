"""Logs of simulated pages with shelves as events and layouts, and what is counted of them in the plainest way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from policy.assignment import choose, slate_chances, unit_bin
from policy.evaluation.shelves import PARTS, row_shares
from policy.pages.compiled import CompiledPage
from policy.pages.model.counts import ShelfCounts
from policy.simulation.pages.world import PageShape, PageWorld
from schemas.messages.events import Click, Impression, SlotItem
from schemas.messages.fields import BASELINE
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRow, PageRules, PageShelf, PageTemplate, PolicyChoice, TemplateRow
from streams.catalog.layouts.arranged import row_codes
from tests.reshelf.decision_logs import NOW, a_layout

SHAPE = PageShape(segments=2, items=30, rows=3, columns=2, shelves=4, candidates=12)
VARIANTS = 8


class ArrangedLog(NamedTuple):
    """A page's truth, its declaration, its layouts of two segments, and what visitors saw and clicked."""

    world: PageWorld
    rules: PageRules
    layouts: list[Layout]
    events: list[Any]

    @property
    def page(self) -> CompiledPage:
        return self.world.page

    @property
    def items(self) -> list[str]:
        return [item.item for item in self.world.offer.items]


def arranged_log(
    units: int = 1_500, seed: int = 1, shape: PageShape = SHAPE, versions: int = 2, moved: float = 1.0
) -> ArrangedLog:
    """Each unit views the page twice; shelves stand in the declared order, or in any with chance `moved`."""
    rng = np.random.default_rng([seed, 7])
    world = PageWorld(shape, rng)
    page, items = world.page, [item.item for item in world.offer.items]
    rules = declared(page)
    layouts = [
        _layout(world, items, segment, version, moved, rng)
        for version in range(1, versions + 1)
        for segment in range(shape.segments)
    ]
    events: list[Any] = []
    for number in range(2 * units):
        layout = layouts[int(rng.integers(len(layouts)))]
        events += _visit(world, items, layout, f"u{number // 2}", number, rng)
    return ArrangedLog(world, rules, layouts, events)


def declared(page: CompiledPage, **changes: Any) -> PageRules:
    """The page's file: `short` lacks its last row, `narrow` has one column, `lower` lacks the first row."""
    names = page.page.row_names
    templates = [
        PageTemplate("short", [TemplateRow(row) for row in names[:-1]]),
        PageTemplate("narrow", [TemplateRow(row, columns=1) for row in names]),
        PageTemplate("lower", [TemplateRow(row) for row in names[1:]]),
    ]
    rules = PageRules(
        "home",
        1,
        shelves=[PageShelf(shelf.name, kind=shelf.kind) for shelf in page.page.shelves],
        rows=[PageRow(row.name, columns=len(row.slots)) for row in page.page.rows],
        templates=templates,
        policy=PolicyChoice(variants=VARIANTS),
    )
    return msgspec.structs.replace(rules, **changes)


def _layout(
    world: PageWorld, items: Sequence[str], segment: int, version: int, moved: float, rng: np.random.Generator
) -> Layout:
    page = world.page
    height, shelves, _ = page.shape
    rows = np.tile(np.arange(height, dtype=np.int32), (VARIANTS + 1, 1))
    for variant in range(VARIANTS):
        if rng.random() < moved:
            rows[variant] = rng.permutation(shelves)[:height]
    rows, slates = world.place(np.full(len(rows), segment), rows)
    names = [dict(zip(page.page.slots, (items[item] for item in slate), strict=True)) for slate in slates.tolist()]
    stands = [
        dict(zip(page.page.row_names, (page.page.shelf_names[shelf] for shelf in row), strict=True))
        for row in rows.tolist()
    ]
    return a_layout(
        version, segment=f"s{segment}", slates=names[:-1], baseline=names[-1], rows=stands[:-1], shadow=[],
        baseline_rows=stands[-1], propensities={slot: {} for slot in page.page.slots}, holdout_share=0.1,
    )  # fmt: skip


def _visit(
    world: PageWorld, items: Sequence[str], layout: Layout, unit: str, number: int, rng: np.random.Generator
) -> list[Any]:
    """The impression of all rows down to the one that was reached, and clicks."""
    page, segment = world.page, int(layout.segment[1:])
    variant, slate, rows = choose(layout, unit)
    codes, at = row_codes(page, [rows]), {name: place for place, name in enumerate(items)}
    chances = world.chances(np.array([segment]), codes, np.array([[at[slate[slot]] for slot in page.page.slots]]))[0]
    reached = int((rng.random() < world.reach).sum())
    common: dict[str, Any] = {"unit": unit, "page": "home", "segment": layout.segment, "variant": variant}
    common |= {"occurred_at": NOW + number, "layout_version": layout.version, "page_view_id": f"v{number}"}
    in_view = [at for at, row in enumerate(page.row_of.tolist()) if row < reached]
    seen = [SlotItem(page.page.slots[at], slate[page.page.slots[at]]) for at in in_view]
    shown = {row: rows[row] for row in page.page.row_names[:reached]}
    events: list[Any] = [Impression(event_id=f"i{number}", slots=seen, rows=shown, **common)]
    for place in in_view:
        if rng.random() < chances[place]:
            slot, row = page.page.slots[place], page.page.row_names[page.row_of[place]]
            cell: dict[str, Any] = {"slot": slot, "item": slate[slot], "shelf": rows[row]}
            events.append(Click(event_id=f"c{number}-{place}", **cell, **common))
    return events


def plain_parts(log: ArrangedLog) -> list[ShelfCounts]:
    """What events say, counted one after the other, by part of the units."""
    page, items, segments = log.page, log.items, log.world.shape.segments
    parts = [ShelfCounts.empty(page, segments, len(items)) for _ in range(PARTS)]
    for event in log.events:
        if event.variant == BASELINE:
            continue
        part, group = parts[unit_bin(event.unit) % PARTS], int(event.segment[1:])
        if isinstance(event, Impression):
            part.views[group] += 1
        cells = [(cell, event.shelf_of(cell)) for cell in event.slots] if isinstance(event, Impression) else []
        for cell, name in cells or [(event, event.shelf)]:
            item, slot = items.index(cell.item), page.page.slots.index(cell.slot)
            shelf = page.page.shelf_names.index(name)
            if isinstance(event, Impression):
                part.impressions[group, item, slot] += 1
                part.shelf_impressions[group, shelf, slot] += 1
                part.placed[group, item, shelf] += 1
            else:
                part.clicks[group, item, slot] += 1
                part.shelf_clicks[group, shelf, slot] += 1
    return parts


def plain_shares(log: ArrangedLog, move: Any) -> Any:
    """How likely shelves stand in rows by segment, with the slates of each page view moved."""
    page, segments = log.page, log.world.shape.segments
    sums = np.zeros((segments, *page.declared.shape))
    views = np.zeros(segments)
    layouts = {(layout.segment, layout.version): layout for layout in log.layouts}
    for event in log.events:
        if isinstance(event, Impression) and event.variant != BASELINE:
            layout, group = layouts[event.segment, event.layout_version], int(event.segment[1:])
            rows = move(row_codes(page, layout.rows or []))
            sums[group] += row_shares(rows, np.array(slate_chances(layout)), page.shape[1])
            views[group] += 1
    return sums / views[:, None, None]
