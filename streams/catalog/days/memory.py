"""What a segment's counts of all days still tell of its candidates.

Days before the newest are added up once, and again only where one of their tables changed; what the newest has is what
all have more than these.  So an event of now costs nothing for older days, however many segments there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from policy.arrays import Floats
from policy.model.posteriors import Remembered, remembered
from streams.catalog.candidates import CandidateSet
from streams.catalog.days.counts import added_up, by_day
from streams.state.arrays.tables import Table


class Forgetting(NamedTuple):
    """How counts are forgotten: candidates' rough click rates [A], the drift of these, and looks at slots [S]."""

    rates: Floats
    drift: float
    examination: Floats

    def is_same(self, other: Forgetting) -> bool:
        """Whether both forget the same counts the same."""
        return self.drift == other.drift and all(np.array_equal(self[at], other[at]) for at in (0, 2))


class _Day(NamedTuple):
    """The tables of a day, what they weigh, and their sums where these take long to add up."""

    tables: Sequence[Table]
    weights: Sequence[int]
    counts: Remembered | None = None

    def is_same(self, other: _Day) -> bool:
        """Tables are told apart by what they are, not by their counts, which would take as long as adding them up."""
        return (
            len(self.tables) == len(other.tables)
            and all(table is before for table, before in zip(self.tables, other.tables, strict=True))
            and self.weights == other.weights
        )


class _Older(NamedTuple):
    """What is remembered at the end of some days, and all that was counted in them."""

    remembered: Remembered
    counted: Remembered


@dataclass(slots=True)
class Memory:
    """What is remembered of A candidates in S slots, and of days before the newest as they were when last asked."""

    candidates: CandidateSet
    slots: tuple[str, ...]
    _how: Forgetting | None = field(init=False, default=None)
    _days: dict[int, _Day] = field(init=False, default_factory=dict)
    _older: _Older | None = field(init=False, default=None)

    def of(
        self, tables: Sequence[Table], weight_of: Mapping[range, int], how: Forgetting, counted: Remembered
    ) -> Remembered:
        """What these tables tell of the rates at their newest day, of all that is `counted` in them."""
        days = {
            day: _Day(those, [weight_of[table.buckets] for table in those]) for day, those in by_day(tables).items()
        }
        *before, newest = days or [0]
        if not before:
            return counted
        older = self._before({day: days[day] for day in before}, weight_of, how)
        now = Remembered(*(np.maximum(all_, 0.0) for all_ in map(np.subtract, counted, older.counted)))
        return _after(before[-1], older.remembered, newest, now, how)

    def _before(self, days: dict[int, _Day], weight_of: Mapping[range, int], how: Forgetting) -> _Older:
        if self._how is None or not self._how.is_same(how):
            self._how, self._days, self._older = how, {}, None
        same = {day for day, those in days.items() if day in self._days and those.is_same(self._days[day])}
        if self._older is None or len(same) < len(days) or len(days) < len(self._days):
            held = {day: self._days[day].counts for day in same}
            counts = {day: held.get(day) or self._added_up(those, weight_of, how) for day, those in days.items()}
            self._days = {
                day: those._replace(counts=counts[day]) if len(those.tables) > 1 else those
                for day, those in days.items()
            }
            self._older = _all_of(counts, how)
        return self._older

    def _added_up(self, day: _Day, weight_of: Mapping[range, int], how: Forgetting) -> Remembered:
        impressions, clicks = added_up(day.tables, weight_of, self.candidates, self.slots)
        return Remembered(impressions @ how.examination, clicks)

    @property
    def size(self) -> int:
        """Bytes."""
        held = [*(self._older or ()), *(day.counts for day in self._days.values() if day.counts)]
        return sum(part.nbytes for counts in held for part in counts)


def _all_of(counts: Mapping[int, Remembered], how: Forgetting) -> _Older:
    every = Remembered(*(np.sum(part, axis=0) for part in zip(*counts.values(), strict=True)))
    return _Older(remembered(counts.items(), how.rates, how.drift), every)


def _after(last: int, counts: Remembered, day: int, more: Remembered, how: Forgetting) -> Remembered:
    return remembered(((last, counts), (day, more)), how.rates, how.drift)
