"""The clicks of one partition: those in its store, and those that are not written yet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from policy.attribution import ClickRecord, CreditRule, Moment, counts
from schemas.topics import DAY_MS
from streams.state.clicks.store import END_OF_TIME, ClickStore
from streams.state.watermark import Watermark

MISSES = AFTER_PURCHASE, OUTSIDE_WINDOW, PARENT_CLICKED, OTHER_ITEM, NO_CLICK = (
    "after_purchase",
    "outside_window",
    "parent_clicked",
    "other_item",
    "no_click",
)
"""Why a line of a purchase is credited to no click."""

SEPARATORS = re.compile(r"[-_.:/ ]+")
"""Between the parts of an item's id."""


class Criteria(NamedTuple):
    """A purchase, which clicks count for it, and the longest window of any page, in milliseconds."""

    purchase: Moment
    rule: CreditRule
    longest: int

    @property
    def latest(self) -> int:
        """The latest time that a click which counts may claim: no click is further ahead of its append than the skew.

        Where no skew is tolerated, clocks were not looked at.
        """
        return self.purchase.time + 2 * self.rule.skew_ms if self.rule.skew_ms else END_OF_TIME


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
        first, last = criteria.purchase.time - criteria.longest, criteria.latest
        days = [day for day in self.days if first // DAY_MS <= day <= last // DAY_MS]
        best: ClickRecord | None = None
        for click in self.store.newest_first(self.unit, item, days, last):
            if best is not None and click.occurred_at < best.time:
                break  # no later one follows: a click is no later than it claims
            if counts(click, item, criteria.purchase, criteria.rule):
                best = max(best or click, click, key=lambda each: (each.time, each.offset))
        return [*self.added, *([best] if best else [])]

    def miss(self, item: str, criteria: Criteria) -> str:
        """Why a purchase of the item is credited to none of them."""
        added = [click for click in self.added if click.item == item]
        stored = next(self.store.newest_first(self.unit, item, self.days, END_OF_TIME), None)
        clicks = [*added, stored] if stored else added
        if clicks:
            after = max(click.time for click in clicks) > criteria.purchase.time
            return AFTER_PURCHASE if after else OUTSIDE_WINDOW
        if self._clicked_any(parents(item)):
            return PARENT_CLICKED
        return OTHER_ITEM if self.days or self.added else NO_CLICK

    def _clicked_any(self, items: Sequence[str]) -> bool:
        stored = (self.store.has(self.unit, day, item) for item in items for day in self.days)
        return any(click.item in items for click in self.added) or any(stored)


def parents(item: str) -> list[str]:
    """What may be the parents of a variant by its id: `shirt-1` and `shirt` of `shirt-1-red`."""
    return [item[: cut.start()] for cut in SEPARATORS.finditer(item) if cut.start()]
