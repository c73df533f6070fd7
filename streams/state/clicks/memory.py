"""The clicks of one partition: those in its store, and those that are not written yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from policy.attribution import ClickRecord, counts
from schemas.topics import DAY_MS
from streams.state.clicks.store import ClickStore
from streams.state.watermark import Watermark

MISSES = OUTSIDE_WINDOW, OTHER_ITEM, NO_CLICK = "outside_window", "other_item", "no_click"
"""Why a line of a purchase is credited to no click."""


class Criteria(NamedTuple):
    """Which clicks count for a purchase: see `policy.attribution.attribute`."""

    purchased_at: int
    window_of: Callable[[str], int]
    longest: int
    append_cut: int


class ClickMemory:
    """Remembers clicks of a partition in the order of the log; `write` puts what is new into the store."""

    def __init__(self, store: ClickStore, position: Watermark) -> None:
        self._store = store
        self.position = position
        """Up to where clicks are in the store."""
        self.complete_since = store.complete_since
        self._added: dict[str, list[ClickRecord]] = {}
        self._forgotten: set[str] = set()

    def add(self, unit: str, click: ClickRecord) -> None:
        """Remember the next click of the log."""
        self._added.setdefault(unit, []).append(click)

    def forget(self, unit: str) -> None:
        """Drop all clicks of a unit."""
        self._added.pop(unit, None)
        self._forgotten.add(unit)

    def of_unit(self, unit: str) -> UnitClicks:
        """The clicks of a unit, for as long as no more come."""
        days = [] if unit in self._forgotten else self._store.holding(unit)
        return UnitClicks(unit, self._store, days, self._added.get(unit, ()))

    def begin(self, append_time: int) -> None:
        """The first record that was read was appended then: where it is not known, clicks are complete since."""
        if self.complete_since is None:
            self.complete_since = append_time

    def write(self, position: Watermark) -> None:
        """Put into the store what the log has up to `position`."""
        same = (position, position.empty_to) == (self.position, self.position.empty_to)
        if same and not self._added and not self._forgotten:
            return
        added = ((unit, click) for unit, clicks in self._added.items() for click in clicks)
        self._store.write(added, self._forgotten, position, self.complete_since)
        self._added, self._forgotten, self.position = {}, set(), position

    def expire(self, first_time: int) -> None:
        """Drop days that ended before an event time."""
        self._store.expire(first_time)
        self.complete_since = self._store.complete_since

    def window_ms(self, time: int, longest: int) -> int:
        """How much of the longest window is there for a purchase that happens at `time`."""
        if not self.complete_since:
            return longest
        return max(0, min(longest, time - self.complete_since))


class UnitClicks(NamedTuple):
    """The clicks of a unit: on which days the store has some, and those that are not written yet."""

    unit: str
    store: ClickStore
    days: list[int]
    added: Iterable[ClickRecord]

    def candidates(self, item: str, criteria: Criteria) -> list[ClickRecord]:
        """Those not written yet, and of the others the only one that may be the latest that counts."""
        first = (criteria.purchased_at - criteria.longest) // DAY_MS
        days = [day for day in self.days if first <= day <= criteria.purchased_at // DAY_MS]
        stored = self.store.newest_first(self.unit, item, days, criteria.purchased_at)
        best = (click for click in stored if counts(click, item, *_limits(criteria)))
        return [*self.added, *[click for click in [next(best, None)] if click]]

    def miss(self, item: str) -> str:
        """Why a purchase of the item is credited to none of them."""
        if any(click.item == item for click in self.added) or any(
            self.store.has(self.unit, day, item) for day in self.days
        ):
            return OUTSIDE_WINDOW
        return OTHER_ITEM if self.days or self.added else NO_CLICK


def _limits(criteria: Criteria) -> tuple[int, Callable[[str], int], int]:
    return criteria.purchased_at, criteria.window_of, criteria.append_cut
