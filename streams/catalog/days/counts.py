"""Learned impressions and clicks of each day, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from policy.arrays import Floats
from policy.model.posteriors import DayCounts, Remembered
from schemas.topics import DAY_MS
from streams.catalog.candidates import CandidateSet
from streams.catalog.weights import ONE
from streams.fold.deltas import Traffic
from streams.state.arrays.adding import add_weighted
from streams.state.arrays.tables import Table


def by_day(tables: Iterable[Table]) -> dict[int, list[Table]]:
    """Learned tables by the day in the middle of their buckets, the oldest first."""
    days: dict[int, list[Table]] = {}
    for table in tables:
        if table.traffic is Traffic.LEARNED:
            days.setdefault((table.buckets[0] + table.buckets[-1]) // (2 * DAY_MS), []).append(table)
    return dict(sorted(days.items()))


def added_up(
    tables: Iterable[Table], weight_of: Mapping[range, int], candidates: CandidateSet, slots: tuple[str, ...]
) -> tuple[Floats, Floats]:
    """Weighted impressions [A, S] and clicks [A] of some tables; sums of integers, which have no order."""
    impressions, clicks = (np.zeros((len(candidates.items), len(slots)), dtype=np.int64) for _ in range(2))
    for table in tables:
        index, weight = candidates.places(table.items, table.slots, slots), weight_of[table.buckets]
        add_weighted(table, "impressions", *index, [(impressions, weight)])
        add_weighted(table, "clicks", *index, [(clicks, weight)])
    return impressions / ONE, clicks.sum(axis=1) / ONE


def day_counts(
    segments: Sequence[Sequence[Table]],
    weight_of: Mapping[range, int],
    candidates: CandidateSet,
    slots: tuple[str, ...],
    impressions: Floats,
    seen_as: Floats,
) -> DayCounts | None:
    """The counts of some segments by day, of which all `impressions` [G, A, S] are known; None where there is one day.

    A page is fitted by K slots, as which its own are seen to the shares `seen_as`, float64[S, K].
    """
    of_segments = [by_day(tables) for tables in segments]
    days = sorted({day for those in of_segments for day in those})

    def each(examination: Floats) -> Iterator[tuple[float, Remembered]]:
        looked = seen_as @ examination
        for day in days:
            looks, clicks = (np.zeros((len(segments), len(candidates.items))) for _ in range(2))
            for segment, those in enumerate(of_segments):
                if tables := those.get(day):
                    shown, clicks[segment] = added_up(tables, weight_of, candidates, slots)
                    looks[segment] = shown @ looked
            yield day, Remembered(looks, clicks)

    return DayCounts(impressions @ seen_as, each) if len(days) > 1 else None
