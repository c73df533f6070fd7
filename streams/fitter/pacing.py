"""How much of its slot a sponsored rule gets, so that a day's impressions are spread over the day and not exceeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from policy.arrays import Bools
from policy.items import ItemFacts
from policy.rules.matching import about
from schemas.messages.pages import PageRules
from schemas.rules import Sponsored
from streams.settings import DAY_MS, FoldSettings
from streams.state.arrays.tables import Table

EARLY = 0.02
"""Before this part of the day is over, what it shows is no forecast."""
BEGINNING = 0.1
"""The share of a slot of which nothing is known yet."""


def pacing(
    rules: PageRules,
    tables: Mapping[str, Sequence[Table]],
    items: Mapping[str, ItemFacts],
    fold: FoldSettings,
    now_ms: int,
) -> dict[str, float]:
    """The share of slates of each sponsored rule that holds at `now_ms`, in [0, 1].

    What is left of the day's impressions over what the slot is expected to have left:
    in the morning as the day before, by and by as the day so far.
    Days are the time buckets of the state; wider buckets than a day get as many days' impressions,
    and a single bucket for all time, which does not say what was shown today, none.
    """
    shares = {}
    for rule in rules.rules:
        if isinstance(rule, Sponsored) and rule.starts_at <= now_ms < rule.ends_at:
            those = [
                table for name, some in tables.items() if not rule.segments or name in rule.segments for table in some
            ]
            shares[rule.name] = round(_share(rule, those, items, fold, now_ms), 4)
    return shares


def _share(
    rule: Sponsored, tables: Sequence[Table], items: Mapping[str, ItemFacts], fold: FoldSettings, now_ms: int
) -> float:
    day = fold.bucket_ms
    if not day:
        return 0.0
    start = now_ms - now_ms % day
    # Both are alone in their spans; where a broker's clock is days ahead they are not, and count for too much.
    today, before = ([table for table in tables if at in table.buckets] for at in (start, start - day))
    # Stock and age may have changed since: what was about the rule when the day began was shown for it.
    served = sum(_impressions(table, rule.slot, about(rule.match, table.items, items, start)) for table in today)
    left = rule.impressions * day / DAY_MS - served
    if left <= 0:
        return 0.0
    passed = (now_ms - start) / day
    whole = sum(_impressions(table, rule.slot, None) for table in before)
    if passed > EARLY:
        so_far = sum(_impressions(table, rule.slot, None) for table in today) / passed
        whole = round(passed * so_far + (1.0 - passed) * whole if whole else so_far)
    if not whole:
        return BEGINNING
    return float(np.clip(left / max(1.0, whole * (1.0 - passed)), 0.0, 1.0))


def _impressions(table: Table, slot: str, rows: Bools | None) -> int:
    if slot not in table.slots:
        return 0
    column = table.impressions[:, table.slots.index(slot)]
    return int(column.sum() if rows is None else column[rows].sum())
