"""How much of its slot a sponsored rule gets, so that a day's impressions are spread over the day and not exceeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from policy.rules import bind
from schemas.messages import CatalogItem, PageRules
from schemas.rules import Boost, Sponsored
from streams.settings import DAY_MS, FoldSettings
from streams.state.tables import Table

EARLY = 0.02
"""Before this part of the day is over, what it shows is no forecast."""
BEGINNING = 0.1
"""The share of a slot of which nothing is known yet."""


def pacing(
    rules: PageRules,
    tables: Mapping[str, Sequence[Table]],
    items: Mapping[str, CatalogItem],
    fold: FoldSettings,
    now_ms: int,
) -> dict[str, float]:
    """The share of slates of each sponsored rule that holds at `now_ms`, in [0, 1].

    What is left of the day's impressions over what the slot is expected to have left:
    in the morning as the day before, by and by as the day so far.
    Days are the time buckets of the state; wider buckets than a day get as many days' impressions.
    """
    found = {}
    for rule in rules.rules:
        if isinstance(rule, Sponsored) and rule.starts_at <= now_ms < rule.ends_at:
            those = [one for name, some in tables.items() if not rule.segments or name in rule.segments for one in some]
            found[rule.name] = round(_share(rule, those, items, fold, now_ms), 4)
    return found


def _share(
    rule: Sponsored, tables: Sequence[Table], items: Mapping[str, CatalogItem], fold: FoldSettings, now_ms: int
) -> float:
    day = fold.bucket_ms or DAY_MS
    start = now_ms - now_ms % day
    passed = (now_ms - start) / day
    today, before = ([one for one in tables if one.bucket == at] for at in (start, start - day))
    in_slot = sum(_shown(one, rule.slot, None) for one in today)
    whole = sum(_shown(one, rule.slot, None) for one in before)
    if passed > EARLY:
        so_far = in_slot / passed
        whole = round(passed * so_far + (1.0 - passed) * whole if whole else so_far)
    if not whole:
        return BEGINNING
    served = sum(_shown(one, rule.slot, _matching(rule, one.items, items, now_ms)) for one in today)
    left = rule.impressions * day / DAY_MS - served
    return float(np.clip(left / max(1.0, whole * (1.0 - passed)), 0.0, 1.0))


def _shown(table: Table, slot: str, rows: np.ndarray[tuple[int], np.dtype[np.bool_]] | None) -> int:
    if slot not in table.slots:
        return 0
    column = table.impressions[:, table.slots.index(slot)]
    return int(column.sum() if rows is None else column[rows].sum())


def _matching(
    rule: Sponsored, names: Sequence[str], items: Mapping[str, CatalogItem], now_ms: int
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    marked = PageRules("page", 0, [rule.slot], rules=[Boost(name="marked", match=rule.match, factor=2.0)])
    matching: np.ndarray[tuple[int], np.dtype[np.bool_]] = bind(marked, names, items, "*", now_ms).factor > 1.0
    return matching
