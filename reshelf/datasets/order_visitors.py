"""Whose an order is that names no visitor: that of the same order in another row of the files.

Shops record an order twice, in the browser with its visitor and in the back office without, and what goes back is
in the back office alone.  Rows are joined on disk by the order's id.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import msgspec

from reshelf.dialects.action import LeftOut
from reshelf.dialects.entry import Event, Mapped
from reshelf.dialects.events import TOPIC_OF
from schemas.codec import encode
from schemas.messages.events import Purchase
from streams.sorted_rows import SortedRows

KINDS = tuple(TOPIC_OF)
OWNER, STRAY = 0, 1
RUN = 20_000
"""Rows that are sorted in memory."""
JOINED = "rows without a visitor, who is that of the same order in another row"


class OrderVisitors:
    """Orders and their visitors, and rows whose visitor is to be looked for; its files are in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._rows = SortedRows(folder, RUN)
        self._strays = 0

    def add_orders(self, mapped: Mapped) -> None:
        """Remember whose the orders of a row are."""
        for _, event in mapped.events:
            if isinstance(event, Purchase):
                self._rows.add([[event.order_id, OWNER, event.occurred_at, event.unit]])

    def add_stray(self, mapped: Mapped, where: str) -> None:
        """Take over a row that has strays alone; they are all of one order."""
        self._strays += 1
        events = [[source, KINDS.index(type(event)), encode(event).decode()] for source, event in mapped.strays]
        faults = [_as_list(error) for error in (mapped.no_visitor, *mapped.left_out) if error]
        content = [where, events, faults, mapped.changed]
        self._rows.add([[mapped.order, STRAY, self._strays, content]])

    def joined(self) -> Iterator[tuple[str, Mapped | LeftOut]]:
        """Where each stray row stands, and its events; or that it has no visitor."""
        for _, group in groupby(self._rows, key=lambda row: row[0]):
            unit = ""
            for row in group:
                if row[1] == OWNER:
                    unit = unit or row[3]
                    continue
                where, events, faults, changed = row[3]
                first, *others = (LeftOut(*fault) for fault in faults)
                if unit:
                    yield where, Mapped(_with_unit(events, unit), others, [*changed, JOINED])
                else:
                    yield where, first


def _with_unit(events: list[tuple[str, int, str]], unit: str) -> list[tuple[str, Event]]:
    return [
        (source, msgspec.structs.replace(msgspec.json.decode(value, type=KINDS[kind]), unit=unit))
        for source, kind, value in events
    ]


def _as_list(error: LeftOut) -> list[str]:
    return [error.reason, error.step, error.detail]
