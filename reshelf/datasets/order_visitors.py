"""Whose an order is that names no visitor: that of the same order in another row, or in what was imported before.

Shops record an order twice, in the browser with its visitor and in the back office without, and what goes back is
in the back office alone, often weeks later.  Rows are joined on disk by the order's id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import msgspec

from reshelf.dialects.action import LeftOut
from reshelf.dialects.entry import Event, Mapped
from reshelf.dialects.events import TOPIC_OF
from reshelf.dialects.rows import rows
from schemas.codec import decoder, encode
from schemas.errors import BadRecord, BadSettings
from schemas.messages.events import Purchase
from streams.sorted_rows import SortedRows

KINDS = tuple(TOPIC_OF)
OWNER, STRAY = 0, 1
OF_FILES, OF_BEFORE = 0, 1
RUN = 20_000
"""Rows that are sorted in memory."""
JOINED = (
    "rows without a visitor, who is that of the same order in another row",
    "rows without a visitor, who is that of the same order, which was imported before",
)
"""How a row's visitor was learned, by where the order is."""


class OrderVisitors:
    """Orders and their visitors, and rows whose visitor is to be looked for; its files are in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._rows = SortedRows(folder, RUN)
        self._strays = 0

    @property
    def has_strays(self) -> bool:
        """Whether there are rows whose visitor is to be looked for."""
        return self._strays > 0

    def add_orders(self, mapped: Mapped) -> None:
        """Remember whose the orders of a row are."""
        for _, event in mapped.events:
            if isinstance(event, Purchase):
                self._rows.add([_owner(event, OF_FILES)])

    def add_before(self, orders: Iterable[Purchase]) -> None:
        """Remember whose orders are that were imported before."""
        self._rows.add(_owner(order, OF_BEFORE) for order in orders)

    def add_stray(self, mapped: Mapped, where: str) -> None:
        """Take over a row that has strays alone; they are all of one order."""
        self._strays += 1
        events = [[source, KINDS.index(type(event)), encode(event).decode()] for source, event in mapped.strays]
        faults = [_as_list(error) for error in (mapped.no_visitor, *mapped.left_out) if error]
        content = [where, events, faults, mapped.changed]
        self._rows.add([[mapped.order, STRAY, self._strays, content]])

    def joined(self) -> Iterator[tuple[str, Mapped | LeftOut]]:
        """Where each stray row stands, and its events; or that it has no visitor.

        An order's visitor is that of the earliest purchase that names it.
        """
        for _, group in groupby(self._rows, key=lambda row: row[0]):
            unit, place = "", OF_FILES
            for row in group:
                if row[1] == OWNER:
                    unit, place = (unit, place) if unit else row[3:]
                    continue
                where, events, faults, changed = row[3]
                first, *others = (LeftOut(*fault) for fault in faults)
                if unit:
                    yield where, Mapped(_with_unit(events, unit), others, [*changed, JOINED[place]])
                else:
                    yield where, first


def orders_in(file: Path) -> Iterator[Purchase]:
    """The orders of a file of JSON lines as `events-purchases` has them; raises `BadSettings` for any other line."""
    for where, content in rows(file):
        try:
            if isinstance(content, LeftOut):
                raise BadRecord("not-json", content.reason)
            yield decoder(Purchase)(msgspec.json.encode(content))
        except (BadRecord, UnicodeError) as error:
            detail = error.detail if isinstance(error, BadRecord) else error
            raise BadSettings(
                f"--orders: expected orders as events-purchases has them, for instance events-purchases.jsonl of "
                f"--output, got at {where}: {detail}. An export of a tracker goes among the files in place of it."
            ) from None


def _owner(order: Purchase, place: int) -> list[str | int]:
    return [order.order_id, OWNER, order.occurred_at, order.unit, place]


def _with_unit(events: list[tuple[str, int, str]], unit: str) -> list[tuple[str, Event]]:
    return [
        (source, msgspec.structs.replace(msgspec.json.decode(value, type=KINDS[kind]), unit=unit))
        for source, kind, value in events
    ]


def _as_list(error: LeftOut) -> list[str]:
    return [error.reason, error.step, error.detail]
