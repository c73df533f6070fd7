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
from policy.rules.compiled import in_force
from schemas.messages.layouts import Arranged, Layout
from schemas.messages.pages import PageRules
from schemas.rules import SHELF_KINDS, Pin, Sponsored

CHOOSING = (Pin, Sponsored, *SHELF_KINDS)
"""The kinds of rules that choose among shelves."""

_decode_rows = msgspec.json.Decoder(list[dict[str, str]]).decode


@dataclass(frozen=True, slots=True)
class PublishedRows:
    """Row to shelf for each slate of a published layout, as JSON; of an epoch and a version of its page's rules.

    `decided_at` is the time that rules were looked at for, in milliseconds.
    """

    encoded: bytes
    arranged: Arranged
    rules_version: int
    epoch: int
    decided_at: int = 0

    @classmethod
    def of(cls, layout: Layout) -> PublishedRows | None:
        """Those of a layout; None where its page has no shelves, or where all visitors get the baseline."""
        if layout.rows is UNSET or layout.arranged is UNSET:
            return None
        encoded = msgspec.json.encode(layout.rows)
        return cls(encoded, layout.arranged, layout.rules_version, layout.epoch, layout.decided_at)

    def holds(self, rules: PageRules, segment: str, epoch: int, views: float, now_ms: int) -> bool:
        """Whether they are for the same rules and epoch, and the period in which they stand still is not over.

        The same rules that shelves are chosen by are in force for the segment then.
        """
        same = (self.rules_version, self.epoch) == (rules.version, epoch)
        alike = _are_in_force_alike(rules, segment, self.decided_at, now_ms)
        return same and alike and not is_over(views, self.arranged.views)

    def codes(self, page: CompiledPage) -> Codes:
        """As numbers of shelves, int32[V, R], -1 where none stands."""
        return row_codes(page, _decode_rows(self.encoded))


def _are_in_force_alike(rules: PageRules, segment: str, then_ms: int, now_ms: int) -> bool:
    """Whether the same of the rules that shelves are chosen by are in force for a segment at both times."""
    choosing = [rule for rule in rules.rules if isinstance(rule, CHOOSING)]
    return all(in_force(rule, segment, then_ms, None) == in_force(rule, segment, now_ms, None) for rule in choosing)


def row_codes(page: CompiledPage, rows: Sequence[Mapping[str, str]]) -> Codes:
    """Row to shelf for each slate as numbers of shelves, int32[V, R], -1 where none stands."""
    shelves = {name: at for at, name in enumerate(page.page.shelf_names)}
    numbers = [[shelves.get(slate.get(row, ""), EMPTY) for row in page.page.row_names] for slate in rows]
    return np.array(numbers, dtype=np.int32).reshape(len(rows), len(page.page.row_names))
