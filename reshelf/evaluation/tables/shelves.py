"""What the joined page views of a page say of its shelves: counts by parts of the units, as the fit takes them.

They are of learned traffic, and shelves are those that page views name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from msgspec import UNSET

from policy.arrays import EMPTY, Codes, Floats, Ints
from policy.evaluation.shelves import PARTS, fits
from policy.pages.compiled import CompiledPage
from policy.pages.declaration import UNNAMED
from policy.pages.model.counts import ShelfCounts
from reshelf.evaluation.tables.engine import insert, rows_of, run_file
from reshelf.evaluation.tables.events import EventTables
from schemas.codec import decoder
from schemas.messages.layouts import Layout
from schemas.messages.pages import MAIN, PageRules
from streams.catalog.layouts.arranged import row_codes

LAYOUTS_AT_ONCE = 100
MOST_FILLS = 16
"""Eight policies of a page, each with slates of exploration or without."""
GROUP = f"(segment::BIGINT * {MOST_FILLS} + fill)"
_TABLES = """
CREATE OR REPLACE TABLE slots_of_rows (slot INTEGER, row_number INTEGER);
CREATE OR REPLACE TABLE fills (layout INTEGER, variant SMALLINT, fill INTEGER);
CREATE OR REPLACE TABLE standing (layout INTEGER, variant SMALLINT, row_number INTEGER, shelf INTEGER)
"""
_COUNTS = f"SELECT {GROUP} AS grouped, slot, item, shelf, impressions, clicks FROM shelf_counts WHERE {{}}"
_VIEWS = f"SELECT {GROUP} AS grouped, count(*)::DOUBLE FROM shelf_views WHERE reason IS NULL AND {{}} GROUP BY 1"
_OF_LAYOUTS = f"SELECT layout, {GROUP} AS grouped, count(*) FROM shelf_views WHERE reason IS NULL GROUP BY ALL"
_GROUPS = (
    f"SELECT DISTINCT n.name, v.fill, {GROUP} AS grouped FROM names n JOIN shelf_views v ON v.segment = n.code "
    "WHERE v.reason IS NULL ORDER BY 1, 2"
)
_LEFT_OUT = "SELECT reason, count(*) FROM shelf_views WHERE reason IS NOT NULL GROUP BY 1 ORDER BY 1"


class Group(NamedTuple):
    """Page views of a segment whose slates were filled in the same way (`fills_of`)."""

    segment: str
    fill: int
    number: int


class ServedLayout(NamedTuple):
    """A layout, and how many learned page views of each group it had, float64[G]."""

    layout: Layout
    views: Floats


@dataclass(frozen=True, slots=True)
class ShelfViews:
    """The learned page views of a page that say which shelves they showed, by segment of the visitor and kind of slate.

    `groups` and `items`, those that were seen, are in the order of counts.  `left_out` are page views that cannot be
    counted, by reason.
    """

    tables: EventTables
    name: str
    page: CompiledPage
    groups: Sequence[Group]
    items: Sequence[int]
    left_out: dict[str, int]

    @classmethod
    def of(cls, tables: EventTables, rules: PageRules, page: CompiledPage) -> ShelfViews:
        """Those of a page as it is declared; the log has been joined."""
        name = rules.page
        connection, code = tables.connection, tables.code
        connection.execute(_TABLES)
        slots = {"slot": np.array([code(slot) for slot in page.page.slots]), "row_number": page.row_of.astype(np.int64)}
        insert(connection, "slots_of_rows", slots)
        _insert_layouts(tables, rules, page)
        run_file(connection, "shelves.sql", {"page": code(name), "parts": PARTS, "unnamed": code(UNNAMED)})
        items = connection.execute("SELECT DISTINCT item FROM shelf_counts ORDER BY 1").fetchall()
        groups = [Group(*row) for row in connection.execute(_GROUPS).fetchall()]
        left_out = dict(connection.execute(_LEFT_OUT).fetchall())
        return cls(tables, name, page, groups, [item for (item,) in items], left_out)

    def counts(self) -> ShelfCounts:
        """Of all units."""
        return self._counts("true")

    def parts(self) -> Iterator[ShelfCounts]:
        """Of each part of the units, one after the other."""
        for part in range(PARTS):
            yield self._counts(f"part = {part}")

    def layouts(self) -> Iterator[ServedLayout]:
        """Each layout of these page views, those of a segment after each other, by version."""
        views: dict[int, Floats] = {}
        at = {group.number: place for place, group in enumerate(self.groups)}
        for layout, group, count in self.tables.connection.execute(_OF_LAYOUTS).fetchall():
            views.setdefault(layout, np.zeros(len(at)))[at[group]] += count
        for number, content in _layouts(self.tables, self.name):
            if number in views:
                yield ServedLayout(content, views[number])

    def _counts(self, where: str) -> ShelfCounts:
        connection, code = self.tables.connection, self.tables.code
        counts = ShelfCounts.empty(self.page, len(self.groups), len(self.items))
        orders = (
            [group.number for group in self.groups],
            [code(slot) for slot in self.page.page.slots],
            self.items,
            [code(shelf) for shelf in self.page.page.shelf_names],
        )
        group, slot, item, shelf, seen, clicks = connection.execute(_COUNTS.format(where)).fetchnumpy().values()
        group, slot, item, shelf = (
            _places(numbers, order) for numbers, order in zip((group, slot, item, shelf), orders, strict=True)
        )
        np.add.at(counts.impressions, (group, item, slot), seen)
        np.add.at(counts.clicks, (group, item, slot), clicks)
        np.add.at(counts.shelf_impressions, (group, shelf, slot), seen)
        np.add.at(counts.shelf_clicks, (group, shelf, slot), clicks)
        np.add.at(counts.placed, (group, item, shelf), seen)
        group, views = connection.execute(_VIEWS.format(where)).fetchnumpy().values()
        counts.views[_places(group, orders[0])] = views
        return counts


def _places(numbers: Ints, order: Sequence[int]) -> Ints:
    """Where each number stands in an order that has them all."""
    ordered = np.array(order, dtype=np.int64)
    by_number = ordered.argsort()
    return np.asarray(by_number[np.searchsorted(ordered, numbers, sorter=by_number)])


def _layouts(tables: EventTables, page: str) -> Iterator[tuple[int, Layout]]:
    """Layouts of a page with shelves that some page view is of, those of a segment after each other, by version."""
    query = (
        "SELECT id, content FROM layouts l SEMI JOIN views v ON v.layout = l.id "
        "WHERE l.page = ? AND l.shelved ORDER BY l.segment, l.version, l.id"
    )
    decode = decoder(Layout)
    for rows in rows_of(tables.connection, query, [tables.code(page)], LAYOUTS_AT_ONCE):
        for number, content in rows:
            yield number, decode(content)


def fills_of(rules: PageRules, layout: Layout) -> Ints:
    """How each slate of a layout was filled, int64[V]: even by the policy of a branch, odd for its exploration slates.

    A layout does not say how many of its last slates are drawn uniformly: as many as the page's rules have now.
    """
    explored = {MAIN: rules.policy.exploration_slates}
    explored |= {branch.name: branch.policy.exploration_slates for branch in rules.branches}
    branches = [(branch.name, branch.variants) for branch in layout.branches] or [(MAIN, len(layout.slates))]
    fills = []
    for number, (name, variants) in enumerate(branches):
        drawn = min(variants, explored.get(name, 0))
        fills += [2 * number] * (variants - drawn) + [2 * number + 1] * drawn
    return np.array(fills, dtype=np.int64)


def _insert_layouts(tables: EventTables, rules: PageRules, page: CompiledPage) -> None:
    """How each slate was filled and which shelf stands in which row of it, in layouts whose rows the page has now."""
    shelves = np.array([tables.code(shelf) for shelf in page.page.shelf_names])
    for number, layout in _layouts(tables, rules.page):
        rows = row_codes(page, layout.rows or ())
        if layout.rows is UNSET or not _stands_now(page, layout, rows):
            continue
        variant, at = np.nonzero(rows != EMPTY)
        of_layout = {"layout": np.full(len(rows), number), "variant": np.arange(len(rows))}
        insert(tables.connection, "fills", {**of_layout, "fill": fills_of(rules, layout)})
        columns = {
            "layout": np.full(len(at), number),
            "variant": variant,
            "at": at,
            "shelf": shelves[rows[variant, at]],
        }
        insert(tables.connection, "standing", columns)


def _stands_now(page: CompiledPage, layout: Layout, rows: Codes) -> bool:
    """Whether the page has all rows and shelves of the layout, and each shelf may still stand where it stood."""
    names = sum(len(slate) for slate in layout.rows or ())
    fit = np.append(fits(page), np.ones((len(rows[0]), 1), dtype=np.bool_), axis=1)
    return names == int((rows != EMPTY).sum()) and bool(fit[np.arange(rows.shape[1]), rows].all())
