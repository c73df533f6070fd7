"""Events and layouts of the log as tables: what is accepted goes to disk as it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec import Struct

from policy.assignment import slate_chances, unit_bin
from reshelf.evaluation.tables.engine import insert, run_file, view_of
from schemas.codec import decoder
from schemas.errors import BadRecord
from schemas.messages.fields import BASELINE, FALLBACK, RETURN
from schemas.messages.layouts import Layout
from schemas.topics import CLICKS, CONVERSIONS, CREDITS, IMPRESSIONS
from streams.fold.deltas import WHOLE_PAGE
from streams.fold.judge import Accepted
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

    from reshelf.evaluation.clock import Clock
    from reshelf.evaluation.decision_log import Source

PARTITION_BITS = 44
"""The offset has the lower bits of a record's number."""
Columns = dict[str, Any]


class Named(Struct, frozen=True):
    """Which layout a record of the history is."""

    page: str
    version: int


def joined(connection: Connection, source: Source, fold: FoldSettings, clock: Clock) -> EventTables:
    """The log of a source in the tables of `schema.sql` and `join.sql`."""
    tables = EventTables(connection)
    for tp, accepted in source.events(fold, clock):
        tables.add(tp, accepted)
    tables.name_layouts()
    for contents in source.history():
        tables.add_layouts(contents)
    tables.join(fold.amount_cap)
    return tables


def number_of(partition: int, offset: int) -> int:
    """The number that a record has in the table of its topic."""
    return (partition << PARTITION_BITS) + offset


class EventTables:
    """Fills the tables of `schema.sql`, and joins them."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.codes: dict[str, int] = {}
        self.layouts = 0
        self._columns: Mapping[str, Callable[[list[Any]], Columns]] = {
            IMPRESSIONS.name: self._impressions,
            CLICKS.name: self._clicks,
            CONVERSIONS.name: self._conversions,
            CREDITS.name: self._credits,
        }
        self._decode = decoder(Layout)
        self._name_of = decoder(Named)
        run_file(connection, "schema.sql")

    def add(self, tp: TopicPartition, accepted: Sequence[Accepted]) -> None:
        """Take over events of a partition."""
        if not accepted:
            return
        events = [entry.event for entry in accepted]
        columns: Columns = {
            "n": _ints([number_of(tp.partition, entry.offset) for entry in accepted]),
            "bucket": _ints([entry.bucket for entry in accepted]),
            "page": self._coded([event.page for event in events]),
            "segment": self._coded([event.segment for event in events]),
            "version": _ints([event.layout_version for event in events]),
            "variant": _ints([event.variant for event in events]),
            **self._columns[tp.topic](events),
        }
        if tp.topic == IMPRESSIONS.name:
            self._insert_impressions(columns, events)
        else:
            insert(self.connection, tp.topic.removeprefix("events-"), columns)

    def name_layouts(self) -> None:
        """Collect which layouts the events name: all of them have been added."""
        self.connection.execute(
            "CREATE TABLE named AS SELECT DISTINCT page, version FROM ("
            "SELECT page, version FROM impressions UNION ALL SELECT page, version FROM clicks "
            "UNION ALL SELECT page, version FROM conversions UNION ALL SELECT page, version FROM credits)"
        )

    def add_layouts(self, contents: Sequence[bytes]) -> None:
        """Take over those layouts of the history that events name; one that cannot be read is skipped."""
        layouts, variants, slates = list[tuple[Any, ...]](), list[tuple[int, int]](), list[tuple[Any, ...]]()
        for content in self._wanted(contents):
            try:
                layout = self._decode(content)
            except BadRecord:
                continue
            names = self.code(layout.page), self.code(layout.segment)
            slotless = not layout.propensities and not layout.baseline
            about = slotless, bool(layout.shadow), layout.has_shelves, layout.policy, layout.holdout_share
            layouts.append((self.layouts, *names, layout.version, *about, content))
            for variant in possible(layout):
                variants.append((self.layouts, variant))
                slates += [(self.layouts, variant, *cell) for cell in self._cells(layout, variant)]
            self.layouts += 1
        for table, rows in (("layouts", layouts), ("variants", variants), ("slates", slates)):
            if rows:
                columns = {f"c{number}": _array(column) for number, column in enumerate(zip(*rows, strict=True))}
                insert(self.connection, table, columns)

    def _wanted(self, contents: Sequence[bytes]) -> list[bytes]:
        names = list[tuple[bytes, Named]]()
        for content in contents:
            with suppress(BadRecord):
                names.append((content, self._name_of(content)))
        pairs = {
            "number": np.arange(len(names)),
            "page": _ints([self.codes.get(name.page, -1) for _, name in names]),
            "version": _ints([name.version for _, name in names]),
        }
        with view_of(self.connection, "pairs", pairs):
            query = "SELECT number FROM pairs SEMI JOIN named USING (page, version) ORDER BY number"
            return [names[number][0] for (number,) in self.connection.execute(query).fetchall()]

    def join(self, amount_cap: int) -> None:
        """Join what was added; the tables of decisions are those of `join.sql`."""
        for at in range(0, len(self.codes), 100_000):
            names = np.array(list(self.codes)[at : at + 100_000], dtype=object)
            insert(self.connection, "names", {"code": np.arange(at, at + len(names)), "name": names})
        parameters = {
            "fallback": FALLBACK,
            "whole_page": self.code(WHOLE_PAGE),
            "amount_cap": amount_cap,
            "returned": RETURN,
        }
        run_file(self.connection, "join.sql", parameters)

    @property
    def left_out(self) -> dict[str, int]:
        """How many records the join left out, by reason."""
        query = "SELECT reason, records::BIGINT FROM left_out ORDER BY reason"
        return dict(self.connection.execute(query).fetchall())

    def code(self, name: str) -> int:
        """The number that stands for a name."""
        return self.codes.setdefault(name, len(self.codes))

    def _coded(self, names: Sequence[str]) -> Any:
        codes = self.codes
        return _ints([codes.setdefault(name, len(codes)) for name in names])

    def _cells(self, layout: Layout, variant: int) -> Iterable[tuple[Any, ...]]:
        """Slot, item, position and propensity of what is in a slate."""
        positions = {slot: at for at, slot in enumerate(dict.fromkeys([*layout.propensities, *layout.baseline]))}
        slate = layout.baseline if variant == BASELINE else layout.slates[variant]
        for slot, item in slate.items():
            share = 1.0 if variant == BASELINE else layout.propensities.get(slot, {}).get(item, np.nan)
            yield self.code(slot), self.code(item), positions.get(slot, -1), share

    def _impressions(self, events: list[Any]) -> Columns:
        return {
            "occurred_at": _ints([event.occurred_at for event in events]),
            "view": _texts([event.page_view_id for event in events]),
            "unit": _texts([event.unit for event in events]),
            "bin": _ints([unit_bin(event.unit) for event in events]),
        }

    def _clicks(self, events: list[Any]) -> Columns:
        return {
            "view": _texts([event.page_view_id for event in events]),
            "event": _texts([event.event_id for event in events]),
            "slot": self._coded([event.slot for event in events]),
            "item": self._coded([event.item for event in events]),
            "shelf": self._coded([event.shelf for event in events]),
        }

    def _conversions(self, events: list[Any]) -> Columns:
        return {
            "click": _texts([event.click_id for event in events]),
            "item": self._coded([event.item for event in events]),
            "amount": _ints([event.amount for event in events]),
            "delay": _ints([event.delay for event in events]),
            "repeat": np.array([event.repeat for event in events], dtype=np.bool_),
            "earlier": _ints([event.earlier for event in events]),
            "via": _texts([msgspec.json.encode(event.via).decode() if event.via else "" for event in events]),
            "shelf": self._coded([event.shelf for event in events]),
        }

    def _credits(self, events: list[Any]) -> Columns:
        return {
            "click": _texts([event.click_id for event in events]),
            "item": self._coded([event.item for event in events]),
            "kind": _texts([event.kind for event in events]),
            "amount": _ints([event.amount for event in events]),
            "delay": _ints([event.delay for event in events]),
            "shelf": self._coded([event.shelf for event in events]),
        }

    def _insert_impressions(self, columns: Columns, events: list[Any]) -> None:
        number = np.arange(len(events))
        cells = {
            "number": np.repeat(number, [len(event.slots) for event in events]),
            "slot": self._coded([cell.slot for event in events for cell in event.slots]),
            "item": self._coded([cell.item for event in events for cell in event.slots]),
            "shelf": self._coded([event.shelf_of(cell) for event in events for cell in event.slots]),
        }
        with (
            view_of(self.connection, "columns", columns | {"number": number}),
            view_of(self.connection, "cells", cells),
        ):
            self.connection.execute(
                "INSERT INTO impressions SELECT e.* EXCLUDE (number), c.slots, c.items, c.shelves FROM columns e "
                "JOIN (SELECT number, list(slot) AS slots, list(item) AS items, list(shelf) AS shelves "
                "FROM cells GROUP BY number) c "
                "USING (number)"
            )


def possible(layout: Layout) -> list[int]:
    """The variants that some visitor is shown: a branch of a small share may have none of the bins."""
    learned = slate_chances(layout) if layout.holdout_share < 1.0 else []
    variants = [variant for variant, chance in enumerate(learned) if chance > 0.0]
    return [BASELINE, *variants] if layout.holdout_share > 0.0 else variants


def _ints(values: Sequence[int]) -> Any:
    return np.array(values, dtype=np.int64)


def _texts(values: Sequence[str]) -> Any:
    return np.array(values, dtype=object)


def _array(values: Sequence[Any]) -> Any:
    return np.array(values, dtype=object) if isinstance(values[0], str | bytes) else np.array(values)
