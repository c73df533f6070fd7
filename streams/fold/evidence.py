"""How much was counted, in two numbers: what tells a layout whether there is anything to learn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from streams.fold.deltas import TableDelta, TableKey, Traffic


class Evidence(NamedTuple):
    """Items that were seen in a slot, and clicks with the purchases that came from them."""

    impressions: float = 0
    clicks: float = 0

    def plus(self, more: Evidence) -> Evidence:
        """Both together."""
        return Evidence(self.impressions + more.impressions, self.clicks + more.clicks)


NO_EVIDENCE = Evidence()


def evidence_of(deltas: Iterable[Mapping[TableKey, TableDelta]]) -> dict[tuple[str, str], Evidence]:
    """What deltas add to each page and segment that they touch.

    What visitors do on a renderer's own fallback says nothing about layouts, but that they came does.
    """
    added: dict[tuple[str, str], Evidence] = {}
    for tables in deltas:
        for key, table in tables.items():
            name = key.page, key.segment
            more = NO_EVIDENCE if key.traffic is Traffic.FALLBACK else _evidence_in(table)
            added[name] = added.get(name, NO_EVIDENCE).plus(more)
    return added


def _evidence_in(table: TableDelta) -> Evidence:
    impressions, clicks, conversions = (
        sum(table.amounts[name].values()) if name in table.amounts else 0
        for name in ("impressions", "clicks", "conversions")
    )
    if table.fast_events:
        impressions += table.fast_events.total()
    return Evidence(impressions, clicks + conversions)
