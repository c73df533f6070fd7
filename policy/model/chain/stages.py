"""Counts of the stages by table and item, and their sums by item."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policy.arrays import Bools, Counts, Floats
from policy.model.chain.maturity import Maturity


class StageCounts(NamedTuple):
    """Counts of T tables (segment and bucket of the click, of learned traffic) and A items, [T, A].

    `clicks`; `lines` of purchases credited to them, `repeats` those whose click had converted already;
    `signals` clicks that a signal of the kind followed; `via` converted clicks that such a signal preceded.
    """

    clicks: Counts
    lines: Counts
    repeats: Counts
    signals: Counts
    via: Counts

    @property
    def converted(self) -> Counts:
        """Clicks that were followed by an order, [T, A]."""
        converted: Counts = np.maximum(self.lines - self.repeats, 0)
        return converted

    @property
    def via_lines(self) -> Floats:
        """Lines that a signal preceded, [T, A]: an item's lines in the proportion of its converted clicks."""
        lines, converted = (np.asarray(counts, dtype=np.float64) for counts in (self.lines, self.converted))
        share = np.divide(self.via, converted, out=np.zeros_like(converted), where=converted > 0.0)
        return np.minimum(share, 1.0) * lines


class Followed(NamedTuple):
    """Sums over the tables that log signals as the page does, weighted by age; float64[A].

    `clicks` that have had time for a signal, `signals`, those `matured` enough for their order, `via`
    lines behind a signal; `ordering` clicks that have had time for an order, and their `lines`.
    """

    clicks: Floats
    signals: Floats
    matured: Floats
    via: Floats
    ordering: Floats
    lines: Floats


def follow(tables: StageCounts, maturity: Maturity, included: Bools, weights: Floats) -> Followed:
    """The sums of the tables that are `included` bool[T], with `weights` float64[T] in [0, 1] by their age."""
    share = np.where(included, weights, 0.0)
    return Followed(
        clicks=(share * maturity.signals) @ tables.clicks,
        signals=np.asarray(share @ tables.signals, dtype=np.float64),
        matured=(share * maturity.after_signals) @ tables.signals,
        via=share @ tables.via_lines,
        ordering=(share * maturity.orders) @ tables.clicks,
        lines=np.asarray(share @ tables.lines, dtype=np.float64),
    )
