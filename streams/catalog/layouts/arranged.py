"""Shelves stand still as they were published, until enough came for another decision; items live within them.

What was published is a part of what a layout is made from: it names the version in which its shelves were decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec import UNSET

from policy.arrays import EMPTY, Codes
from policy.pages.compiled import CompiledPage
from policy.pages.period import is_over
from schemas.messages.layouts import Arranged, Layout

_decode_rows = msgspec.json.Decoder(list[dict[str, str]]).decode


@dataclass(frozen=True, slots=True)
class PublishedRows:
    """Row to shelf for each slate of a published layout, as JSON; of an epoch and a version of its page's rules."""

    encoded: bytes
    arranged: Arranged
    rules_version: int
    epoch: int

    @classmethod
    def of(cls, layout: Layout) -> PublishedRows | None:
        """Those of a layout; None where its page has no shelves, or where all visitors get the baseline."""
        if layout.rows is UNSET or layout.arranged is UNSET:
            return None
        return cls(msgspec.json.encode(layout.rows), layout.arranged, layout.rules_version, layout.epoch)

    def holds(self, rules_version: int, epoch: int, views: float) -> bool:
        """Whether they are for the same page and epoch, and the period in which they stand still is not over."""
        same = (self.rules_version, self.epoch) == (rules_version, epoch)
        return same and not is_over(views, self.arranged.views)

    def codes(self, page: CompiledPage) -> Codes:
        """As numbers of shelves, int32[V, R], -1 where none stands."""
        return row_codes(page, _decode_rows(self.encoded))


def row_codes(page: CompiledPage, rows: Sequence[Mapping[str, str]]) -> Codes:
    """Row to shelf for each slate as numbers of shelves, int32[V, R], -1 where none stands."""
    shelves = {name: at for at, name in enumerate(page.page.shelf_names)}
    numbers = [[shelves.get(slate.get(row, ""), EMPTY) for row in page.page.row_names] for slate in rows]
    return np.array(numbers, dtype=np.int32).reshape(len(rows), len(page.page.row_names))
