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
from streams.catalog.layouts.arranged import row_codes

LAYOUTS_AT_ONCE = 100
_TABLES = """
CREATE OR REPLACE TABLE slots_of_rows (slot INTEGER, row_number INTEGER);
CREATE OR REPLACE TABLE arranged_layouts (layout INTEGER);
CREATE OR REPLACE TABLE standing (layout INTEGER, variant SMALLINT, row_number INTEGER, shelf INTEGER)
"""
_COUNTS = "SELECT segment, slot, item, shelf, impressions, clicks FROM shelf_counts WHERE {}"
_VIEWS = "SELECT segment, count(*)::DOUBLE FROM shelf_views WHERE reason IS NULL AND {} GROUP BY segment"
_SEGMENTS = (
    "SELECT code, name FROM names SEMI JOIN shelf_views v ON v.segment = code AND v.reason IS NULL ORDER BY name"
)
_LEFT_OUT = "SELECT reason, count(*) FROM shelf_views WHERE reason IS NOT NULL GROUP BY 1 ORDER BY 1"


class ServedLayout(NamedTuple):
    """A layout, and how many learned page views of each segment it had, float64[G]."""

    layout: Layout
    views: Floats


@dataclass(frozen=True, slots=True)
class ShelfViews:
    """The learned page views of a page that say which shelves they showed, by the segments of their visitors.

    `segments` and `items`, those that were seen, are numbered as the tables number names, in the order of counts.
    `left_out` are page views that cannot be counted, by reason.
    """

    tables: EventTables
    name: str
    page: CompiledPage
    segments: dict[int, str]
    items: Sequence[int]
    left_out: dict[str, int]

    @classmethod
    def of(cls, tables: EventTables, name: str, page: CompiledPage) -> ShelfViews:
        """Those of the page of a name; the log has been joined."""
        connection, code = tables.connection, tables.code
        connection.execute(_TABLES)
        slots = {"slot": np.array([code(slot) for slot in page.page.slots]), "row_number": page.row_of.astype(np.int64)}
        insert(connection, "slots_of_rows", slots)
        _insert_layouts(tables, name, page)
        run_file(connection, "shelves.sql", {"page": code(name), "parts": PARTS, "unnamed": code(UNNAMED)})
        items = connection.execute("SELECT DISTINCT item FROM shelf_counts ORDER BY 1").fetchall()
        segments, left_out = (dict(connection.execute(query).fetchall()) for query in (_SEGMENTS, _LEFT_OUT))
        return cls(tables, name, page, segments, [item for (item,) in items], left_out)

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
        at = {segment: number for number, segment in enumerate(self.segments)}
        query = "SELECT layout, segment, count(*) FROM shelf_views WHERE reason IS NULL GROUP BY ALL"
        for layout, segment, count in self.tables.connection.execute(query).fetchall():
            views.setdefault(layout, np.zeros(len(at)))[at[segment]] += count
        for number, content in _layouts(self.tables, self.name):
            if number in views:
                yield ServedLayout(content, views[number])

    def _counts(self, where: str) -> ShelfCounts:
        connection, code = self.tables.connection, self.tables.code
        counts = ShelfCounts.empty(self.page, len(self.segments), len(self.items))
        orders = (
            list(self.segments),
            [code(slot) for slot in self.page.page.slots],
            self.items,
            [code(shelf) for shelf in self.page.page.shelf_names],
        )
        segment, slot, item, shelf, seen, clicks = connection.execute(_COUNTS.format(where)).fetchnumpy().values()
        group, slot, item, shelf = (
            _places(numbers, order) for numbers, order in zip((segment, slot, item, shelf), orders, strict=True)
        )
        np.add.at(counts.impressions, (group, item, slot), seen)
        np.add.at(counts.clicks, (group, item, slot), clicks)
        np.add.at(counts.shelf_impressions, (group, shelf, slot), seen)
        np.add.at(counts.shelf_clicks, (group, shelf, slot), clicks)
        np.add.at(counts.placed, (group, item, shelf), seen)
        segment, views = connection.execute(_VIEWS.format(where)).fetchnumpy().values()
        counts.views[_places(segment, orders[0])] = views
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


def _insert_layouts(tables: EventTables, name: str, page: CompiledPage) -> None:
    """Which shelf stands in which row of each slate, in layouts whose rows the page has now."""
    shelves = np.array([tables.code(shelf) for shelf in page.page.shelf_names])
    for number, layout in _layouts(tables, name):
        rows = row_codes(page, layout.rows or ())
        if layout.rows is UNSET or not _stands_now(page, layout, rows):
            continue
        variant, at = np.nonzero(rows != EMPTY)
        insert(tables.connection, "arranged_layouts", {"layout": np.array([number])})
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
