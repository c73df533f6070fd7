"""Decisions on disk: the joined page views, page by page, in the order of their layouts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from reshelf.evaluation.arrays import LayoutViews, Slate, Target
from reshelf.evaluation.tables.engine import insert, rows_of
from reshelf.evaluation.tables.events import EventTables
from schemas.codec import decoder
from schemas.messages.layouts import Layout

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

LAYOUTS_AT_ONCE = 100
_SORT = """
CREATE TABLE decisions AS
SELECT v.page, v.layout, l.shadowed, v.variant, i.segment, i.bin, o.sums
FROM views v
JOIN impressions i ON i.n = v.id
JOIN layouts l ON l.id = v.layout
LEFT JOIN (SELECT id, list(row(slot, clicks, orders, revenue)) AS sums FROM outcomes GROUP BY id) o ON o.id = v.id
ORDER BY v.page, l.version, v.layout
"""
_SORT_LAYOUTS = """
CREATE TABLE shown_layouts AS
SELECT l.page, l.segment, l.version, l.id, l.shadowed, l.shelved, l.content
FROM layouts l SEMI JOIN views v ON v.layout = l.id
ORDER BY l.page, l.version, l.id
"""


@dataclass(frozen=True, slots=True)
class Decisions:
    """The joined page views; `names` are by number."""

    connection: Connection
    names: Sequence[str]

    @classmethod
    def sort(cls, tables: EventTables) -> Decisions:
        """What was joined."""
        tables.connection.execute(_SORT)
        tables.connection.execute(_SORT_LAYOUTS)
        return cls(tables.connection, list(tables.codes))

    def pages(self, shadowed: bool = False) -> dict[str, int]:
        """Each page's number, by name; with `shadowed` those where some layout holds slates of a shadow."""
        query = f"SELECT DISTINCT page FROM shown_layouts WHERE shadowed >= {shadowed}"
        codes = [code for (code,) in self.connection.execute(query).fetchall()]
        return dict(sorted((self.names[code], code) for code in codes))

    def pages_with_shelves(self) -> set[str]:
        """Pages of which some layout that was shown has shelves."""
        query = "SELECT DISTINCT page FROM shown_layouts WHERE shelved"
        return {self.names[code] for (code,) in self.connection.execute(query).fetchall()}

    def keep_targets(self, page: int, target: Target) -> None:
        """Ask a target about the page's layouts, those of one segment after the other, and keep the slates."""
        self.connection.execute("DELETE FROM targets")
        query = "SELECT id, content FROM shown_layouts WHERE page = ? ORDER BY segment, version, id"
        decode = decoder(Layout)
        for rows in rows_of(self.connection, query, [page], LAYOUTS_AT_ONCE):
            slates = [msgspec.json.encode(target(decode(content))) for _, content in rows]
            columns = {"layout": np.array([number for number, _ in rows]), "slates": np.array(slates, dtype=object)}
            insert(self.connection, "targets", columns)


@dataclass(frozen=True, slots=True)
class PageDecisions:
    """The page views of one page, as `reshelf.evaluation.arrays.PageViews`.

    `target` None: its slates are those that `keep_targets` kept.  `shadowed`: of layouts that hold a shadow alone.
    """

    decisions: Decisions
    page: int
    target: Target | None = None
    shadowed: bool = False

    def layouts(self) -> Iterator[tuple[Layout, Sequence[Slate]]]:
        """Each layout with the target's slates, by version."""
        for _, layout, slates in self._layouts():
            yield layout, slates

    def views(self) -> Iterator[LayoutViews]:
        """All page views, by the versions of their layouts."""
        query = (
            "SELECT layout, variant, segment, bin, sums FROM decisions "
            f"WHERE page = ? AND shadowed >= {self.shadowed} ORDER BY rowid"
        )
        layouts = self._layouts()
        number, layout, slates = next(layouts)
        for rows in rows_of(self.decisions.connection, query, [self.page]):
            for of_layout, views in groupby(rows, key=itemgetter(0)):
                while number != of_layout:
                    number, layout, slates = next(layouts)
                yield self._piece(layout, slates, list(views))

    def _piece(self, layout: Layout, slates: Sequence[Slate], rows: Sequence[tuple[Any, ...]]) -> LayoutViews:
        variants, segments, bins = np.array([row[1:4] for row in rows], dtype=np.int64).T
        names = self.decisions.names
        outcomes = [(at, names[slot], *sums) for at, row in enumerate(rows) for slot, *sums in row[4] or ()]
        return LayoutViews(layout, slates, variants, segments, bins, outcomes)

    def _layouts(self) -> Iterator[tuple[int, Layout, Sequence[Slate]]]:
        query = (
            f"SELECT l.id, l.content, {'NULL' if self.target else 't.slates'} FROM shown_layouts l "
            f"{'' if self.target else 'JOIN targets t ON t.layout = l.id'} "
            f"WHERE l.page = ? AND l.shadowed >= {self.shadowed} ORDER BY l.version, l.id"
        )
        decode = decoder(Layout)
        for rows in rows_of(self.decisions.connection, query, [self.page], LAYOUTS_AT_ONCE):
            for number, content, slates in rows:
                layout = decode(content)
                yield number, layout, self.target(layout) if self.target else msgspec.json.decode(slates)
