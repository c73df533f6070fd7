"""The events of one page and segment in the order of the log, read from disk a stretch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from reshelf.evaluation.recompose import Stretch
from reshelf.evaluation.tables.engine import rows_of
from reshelf.evaluation.tables.events import PARTITION_BITS, EventTables, number_of
from schemas.messages.events import Click, Conversion, Credit, Impression, SlotItem
from schemas.topics import CLICKS, CONVERSIONS, CREDITS, IMPRESSIONS
from streams.fold.deltas import WHOLE_PAGE
from streams.fold.judge import Accepted
from streams.kafka.records import TopicPartition

Row = tuple[Any, ...]
_COLUMNS = {
    IMPRESSIONS.name: "slots, items, shelves",
    CLICKS.name: "slot, item, shelf",
    CONVERSIONS.name: "item, amount, delay, repeat, earlier, via, shelf",
    CREDITS.name: "item, amount, delay, kind, shelf",
}


class PastEvents:
    """The events of `EventTables` by page and segment; what counts do not depend on is empty in them.

    In an impression each slot is a row of its own, of the shelf that it was part of.
    """

    def __init__(self, tables: EventTables) -> None:
        self._connection = connection = tables.connection
        self._codes = tables.codes
        self._names = list(tables.codes)
        self._read: Mapping[str, Callable[[Row], Any]] = {
            IMPRESSIONS.name: self._impression,
            CLICKS.name: self._click,
            CONVERSIONS.name: self._conversion,
            CREDITS.name: self._credit,
        }
        self.partitions: list[TopicPartition] = []
        for topic, columns in _COLUMNS.items():
            table = _table(topic)
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS past_{table} AS SELECT page, segment, n, bucket, variant, {columns} "
                f"FROM {table} ORDER BY page, segment, n"
            )
            query = f"SELECT DISTINCT n >> {PARTITION_BITS} FROM {table} ORDER BY 1"
            self.partitions += [TopicPartition(topic, number) for (number,) in connection.execute(query).fetchall()]

    def of(self, page: str, segment: str) -> KeyEvents:
        """Those of one key; '*' is all segments of the page."""
        return KeyEvents(
            self, self._codes.get(page, -1), None if segment == WHOLE_PAGE else self._codes.get(segment, -1)
        )

    def read(self, topic: str, where: str, parameters: list[Any]) -> Iterator[list[Accepted]]:
        """Events of a topic."""
        event_of = self._read[topic]
        query = (
            f"SELECT n, bucket, page, segment, variant, {_COLUMNS[topic]} FROM past_{_table(topic)} "
            f"WHERE {where} ORDER BY n"
        )
        offsets = (1 << PARTITION_BITS) - 1
        for rows in rows_of(self._connection, query, parameters):
            yield [Accepted(row[0] & offsets, row[1], event_of(row), False, False, False) for row in rows]

    def _impression(self, row: Row) -> Impression:
        names = self._names
        _, _, page, segment, variant, slots, items, shelves = row
        standing = {names[slot]: names[shelf] for slot, shelf in zip(slots, shelves, strict=True) if names[shelf]}
        cells = [
            SlotItem(names[slot], names[item], row=names[slot] if standing else "")
            for slot, item in zip(slots, items, strict=True)
        ]
        return Impression("", 0, "", names[page], names[segment], "", 0, variant, cells, standing)

    def _click(self, row: Row) -> Click:
        _, _, page, segment, variant, slot, item, shelf = row
        names = self._names
        return Click(
            "", 0, "", names[page], names[segment], names[slot], names[item], "", 0, variant, shelf=names[shelf]
        )

    def _conversion(self, row: Row) -> Conversion:
        _, _, page, segment, variant, item, amount, delay, repeat, earlier, via, shelf = row
        names = self._names
        return Conversion(
            event_id="", occurred_at=0, unit="", order_id="", purchase_id="", line=0, click_id="", clicked_at=0,
            delay=delay, page=names[page], segment=names[segment], slot="", item=names[item], layout_version=0,
            variant=variant, quantity=1, amount=amount, currency="", repeat=repeat, earlier=earlier,
            via=msgspec.json.decode(via) if via else {}, shelf=names[shelf],
        )  # fmt: skip

    def _credit(self, row: Row) -> Credit:
        _, _, page, segment, variant, item, amount, delay, kind, shelf = row
        names = self._names
        return Credit(
            event_id="", occurred_at=0, unit="", kind=kind, source_id="", click_id="", clicked_at=0, delay=delay,
            page=names[page], segment=names[segment], slot="", item=names[item], layout_version=0, variant=variant,
            currency="", amount=amount, shelf=names[shelf],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyEvents:
    """As `reshelf.evaluation.recompose.KeyLog` has it."""

    events: PastEvents
    page: int
    segment: int | None

    @property
    def partitions(self) -> Sequence[TopicPartition]:
        """Those that events were read from."""
        return self.events.partitions

    def between(self, stretches: Mapping[TopicPartition, Stretch]) -> Iterator[tuple[str, list[Accepted]]]:
        """The events of these stretches, by topic."""
        for topic in _COLUMNS:
            parts = [
                f"(n >= {number_of(tp.partition, first)} AND n < {number_of(tp.partition, end)})"
                for tp, (first, end) in stretches.items()
                if tp.topic == topic and first < end
            ]
            if parts:
                own = "" if self.segment is None else f" AND segment = {self.segment}"
                for some in self.events.read(topic, f"page = ?{own} AND ({' OR '.join(parts)})", [self.page]):
                    yield topic, some


def _table(topic: str) -> str:
    return topic.removeprefix("events-")
