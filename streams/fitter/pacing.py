"""How much of its slot a sponsored rule gets, so that a day's impressions are spread over the day and not exceeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

import numpy as np

from policy.arrays import Bools
from policy.items import ItemFacts
from policy.rules.matching import about
from schemas.messages.pages import PageRules
from schemas.rules import Rule, Sponsored
from schemas.times import moment
from streams.settings import DAY_MS, FoldSettings
from streams.state.arrays.tables import Table

EARLY = 0.02
"""Before this part of the day is over, what it shows is no forecast."""
BEGINNING = 0.1
"""The share of a slot of which nothing is known yet."""


class _Day(NamedTuple):
    """A stretch of time that budgets are for, and how many days' impressions it gets."""

    start: int
    end: int
    days: float


def pacing(
    rules: PageRules,
    tables: Mapping[str, Sequence[Table]],
    items: Mapping[str, ItemFacts],
    fold: FoldSettings,
    now_ms: int,
    zone: tzinfo = UTC,
) -> dict[str, float]:
    """The share of slates of each sponsored rule that holds at `now_ms`, in [0, 1].

    What is left of the day's impressions over what the slot is expected to have left:
    in the morning as the day before, by and by as the day so far.
    Days are those of `zone`.  A span of time buckets that reaches over midnight counts by its time on either side.
    Wider buckets than a day get as many days' impressions, and a single bucket for all time, which
    does not say what was shown today, none.
    """
    if not fold.bucket_ms:
        return {rule.name: 0.0 for rule in rules.rules if _holds(rule, now_ms)}
    day, shares = _day(fold, now_ms, zone), {}
    for rule in rules.rules:
        if isinstance(rule, Sponsored) and _holds(rule, now_ms):
            those = [
                table for name, some in tables.items() if not rule.segments or name in rule.segments for table in some
            ]
            shares[rule.name] = round(_share(rule, those, items, fold, now_ms, day), 4)
    return shares


def _holds(rule: Rule, now_ms: int) -> bool:
    return isinstance(rule, Sponsored) and rule.starts_at <= now_ms < rule.ends_at


def _day(fold: FoldSettings, now_ms: int, zone: tzinfo) -> _Day:
    if fold.bucket_ms > DAY_MS:
        start = now_ms - now_ms % fold.bucket_ms
        return _Day(start, start + fold.bucket_ms, fold.bucket_ms / DAY_MS)
    today = datetime.fromtimestamp(now_ms / 1000, zone).date()
    return _Day(moment(today, zone), moment(today + timedelta(days=1), zone), 1.0)


def _share(
    rule: Sponsored,
    tables: Sequence[Table],
    items: Mapping[str, ItemFacts],
    fold: FoldSettings,
    now_ms: int,
    day: _Day,
) -> float:
    def impressions(start: int, end: int, about_rule: bool) -> float:
        """What the slot showed in a stretch of time, all of it or of what the rule is about."""
        parts = ((table, _part(table, fold, now_ms, start, end)) for table in tables)
        # Stock and age may have changed since: what was about the rule when the day began was shown for it.
        return sum(
            part * _impressions(table, rule.slot, about(rule.match, table.items, items, start) if about_rule else None)
            for table, part in parts
            if part
        )

    left = rule.impressions * day.days - impressions(day.start, day.end, about_rule=True)
    if left <= 0:
        return 0.0
    length = day.end - day.start
    passed = (now_ms - day.start) / length
    whole = impressions(day.start - length, day.start, about_rule=False)
    if passed > EARLY:
        so_far = impressions(day.start, day.end, about_rule=False) / passed
        whole = round(passed * so_far + (1.0 - passed) * whole if whole else so_far)
    if not whole:
        return BEGINNING
    return float(np.clip(left / max(1.0, whole * (1.0 - passed)), 0.0, 1.0))


def _part(table: Table, fold: FoldSettings, now_ms: int, start: int, end: int) -> float:
    """Which part of what a table counts was shown from `start` to `end`."""
    first, last = table.buckets.start, table.buckets[-1] + fold.bucket_ms
    if first >= end or last <= start:
        return 0.0
    # Buckets that are not over stay alone.  Where a broker's clock is days ahead they do not: all may be of today.
    if len(table.buckets) > 1 and last > now_ms:
        return 1.0
    last = max(first + 1, min(last, now_ms))
    return max(0, min(last, end) - max(first, start)) / (last - first)


def _impressions(table: Table, slot: str, rows: Bools | None) -> int:
    if slot not in table.slots:
        return 0
    column = table.impressions[:, table.slots.index(slot)]
    return int(column.sum() if rows is None else column[rows].sum())
