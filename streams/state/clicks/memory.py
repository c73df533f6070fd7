"""What attribution remembers of one partition: what is in its store, and what is not written yet."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from policy.attribution.clicks import (
    ClickRecord,
    CreditRule,
    Match,
    Moment,
    SignalRecord,
    attribute,
    counts,
    is_later,
    matches,
)
from policy.attribution.outcomes import OrderLine, ReturnedLine
from schemas.topics import DAY_MS
from streams.state.clicks.recent import RecentClicks
from streams.state.clicks.rows import END_OF_TIME, clicks_prefix
from streams.state.clicks.store import Additions, ClickStore, Marks

T = TypeVar("T")
MISSES = AFTER_PURCHASE, OUTSIDE_WINDOW, PARENT_CLICKED, OTHER_ITEM, NO_CLICK = (
    "after_purchase",
    "outside_window",
    "parent_clicked",
    "other_item",
    "no_click",
)
"""Why a line of a purchase, or a signal, is credited to no click."""

SEPARATORS = re.compile(r"[-_.:/ ]+")
"""Between the parts of an item's id."""


class Criteria(NamedTuple):
    """A purchase or a signal, which clicks count for it, and the longest window of any page, in milliseconds."""

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
    """Remembers what units did in the order of the logs; `write` puts what is new into the store."""

    def __init__(self, store: ClickStore, marks: Marks) -> None:
        self.store = store
        self.marks = marks
        """Up to where the logs are in the store."""
        self.complete_since = store.complete_since
        self.lookups = 0
        """How many purchases and signals what is in memory did not decide."""
        self.recent = RecentClicks(marks.clicks.append_time, store.most_recent)
        self._clicks: list[tuple[str, ClickRecord]] = []
        self._signals: list[tuple[str, SignalRecord]] = []
        self._lines: defaultdict[str, list[OrderLine]] = defaultdict(list)
        self._returned: defaultdict[str, list[ReturnedLine]] = defaultdict(list)
        # By unit, how many clicks and signals came before it was forgotten.
        self._forgotten: dict[str, tuple[int, int]] = {}

    def add(self, unit: str, click: ClickRecord) -> None:
        """Remember the next click of the log."""
        self._clicks.append((unit, click))
        self.recent.add(unit, click)

    def add_signal(self, unit: str, signal: SignalRecord) -> None:
        """Remember the next signal that was credited, the first of its kind to its click."""
        self._signals.append((unit, signal))
        self.recent.add_signal(unit, signal)

    def add_line(self, unit: str, line: OrderLine) -> None:
        """Remember the next line of an order that was credited."""
        self._lines[unit].append(line)

    def add_returned(self, unit: str, line: ReturnedLine) -> None:
        """Remember the next line of a return that was credited."""
        self._returned[unit].append(line)

    def forget(self, unit: str) -> None:
        """Drop all clicks and signals of a unit; what it bought may come back all the same."""
        self.recent.forget(unit)
        self._forgotten[unit] = len(self._clicks), len(self._signals)

    def of_unit(self, unit: str, criteria: Criteria) -> UnitMemory:
        """What is remembered of a unit, for as long as no more comes; `criteria` say for what clicks are looked for."""
        return UnitMemory(self, unit, criteria)

    def days(self, unit: str) -> list[int]:
        """The days on which the store has something of a unit, the last one first."""
        self.lookups += 1
        return [] if unit in self._forgotten else self.store.holding(unit)

    def lines_of(self, unit: str, order_id: str) -> list[OrderLine]:
        """The lines of an order that were credited."""
        new = [line for line in self._lines.get(unit, ()) if line.conversion.order_id == order_id]
        return [*self.store.order(unit, order_id), *new]

    def returned_of(self, unit: str, order_id: str) -> list[ReturnedLine]:
        """What was returned of an order and credited."""
        new = [line for line in self._returned.get(unit, ()) if line.credit.order_id == order_id]
        return [*self.store.returned(unit, order_id), *new]

    def earlier(self, unit: str, click: ClickRecord, offset: int) -> list[OrderLine]:
        """The lines that were credited to a click before, by purchases below an offset and by this one so far."""
        stored = self.store.converted(unit, click.click_id, min(click.append_time, click.occurred_at))
        new = [line for line in self._lines.get(unit, ()) if line.conversion.click_id == click.click_id]
        # One that is decided again, as Redis does not have it as decided yet, may be in both.
        lines = {(line.offset, line.conversion.line): line for line in stored if line.offset < offset}
        return list((lines | {(line.offset, line.conversion.line): line for line in new}).values())

    def begin(self, append_time: int) -> None:
        """The first record that was read was appended then: where it is not known, clicks are complete since."""
        if self.complete_since is None:
            self.complete_since = append_time

    def write(self, marks: Marks) -> None:
        """Put into the store what the logs have up to the marks."""
        self.store.let_go()
        new = self._clicks or self._signals or self._lines or self._returned or self._forgotten
        if _places(marks) == _places(self.marks) and not new:
            return
        clicks, signals = self._not_forgotten(self._clicks, 0), self._not_forgotten(self._signals, 1)
        added = Additions(clicks, signals, _pairs(self._lines), _pairs(self._returned), self._forgotten)
        self.store.write(added, marks, self.complete_since)
        for each in (self._clicks, self._signals, self._lines, self._returned, self._forgotten):
            each.clear()
        self.marks = marks
        self.recent.let_go()

    def _not_forgotten(self, pairs: list[tuple[str, T]], which: int) -> list[tuple[str, T]]:
        """What came after its unit was forgotten, if it was."""
        gone = self._forgotten
        if not gone:
            return pairs
        return [pair for at, pair in enumerate(pairs) if pair[0] not in gone or at >= gone[pair[0]][which]]

    def expire(self, first_time: int, first_order: int) -> None:
        """Drop days that ended before an event time, and orders from before an append time."""
        self.store.expire(first_time, first_order)
        self.complete_since = self.store.complete_since

    def window_ms(self, time: int, longest: int) -> int:
        """How much of the longest window is there for a purchase that happens at `time`."""
        if not self.complete_since:
            return longest
        return max(0, min(longest, time - self.complete_since))


class UnitMemory:
    """What is remembered of a unit: what is in memory, and what the store has, which is looked up where it matters."""

    __slots__ = ("_days", "_memory", "_store", "added", "criteria", "unit")

    def __init__(self, memory: ClickMemory, unit: str, criteria: Criteria) -> None:
        self.unit = unit
        self.criteria = criteria
        self.added = memory.recent.clicks(unit)
        self._memory = memory
        self._store = memory.store
        self._days: list[int] | None = None

    @property
    def days(self) -> list[int]:
        """Those on which the store has something."""
        if self._days is None:
            self._days = self._memory.days(self.unit)
        return self._days

    def clicks(self, match: Match) -> list[ClickRecord]:
        """The latest of those that count, if there is one."""
        latest = self.latest(match)
        return [latest] if latest else []

    def latest(self, match: Match) -> ClickRecord | None:
        """The latest of such clicks that count; the store is looked into where it may have a later one."""
        criteria = self.criteria
        best = attribute(match, criteria.purchase, self.added, criteria.rule)
        # What the store alone has was appended before that, and happened no later than it was appended.
        if best is None or best.time <= self._memory.recent.complete_after:
            best = self._stored(match, best)
        return best

    def _stored(self, match: Match, best: ClickRecord | None) -> ClickRecord | None:
        """The latest that counts of those in the store and `best`."""
        criteria = self.criteria
        for day in self._days_that_count():
            if best is not None and best.time >= (day + 1) * DAY_MS:
                break  # no later one follows: a click is no later than it claims
            for click in self._store.clicks(self.unit, match, [day], criteria.latest):
                if best is not None and click.occurred_at < best.time:
                    break
                if counts(click, match, criteria.purchase, criteria.rule):
                    best = click if best is None or is_later(click, best) else best
        return best

    def signals(self, match: Match) -> list[SignalRecord]:
        """Those that were credited to such clicks."""
        recent = [signal for signal in self._memory.recent.signals(self.unit) if match.fits(signal.click)]
        return [*self._store.signals(self.unit, match, self.days), *recent]

    def signals_of(self, click: ClickRecord) -> Iterable[SignalRecord]:
        """At least those that were credited to a click."""
        if click.append_time > self._memory.recent.complete_after:
            return self._memory.recent.signals(self.unit)
        return self.signals(Match("item", click.item))

    def _days_that_count(self) -> list[int]:
        first, last = self.criteria.purchase.time - self.criteria.longest, self.criteria.latest
        return [day for day in self.days if first // DAY_MS <= day <= last // DAY_MS]

    def miss(self, item: str, family: str = "") -> str:
        """Why a purchase or a signal of the item is credited to none of them."""
        clicks = [click for match in matches(item, family) for click in self._latest(match)]
        if clicks:
            after = max(click.time for click in clicks) > self.criteria.purchase.time
            return AFTER_PURCHASE if after else OUTSIDE_WINDOW
        if self._clicked_any(parents(item)):
            return PARENT_CLICKED
        return OTHER_ITEM if self.days or self.added else NO_CLICK

    def _latest(self, match: Match) -> list[ClickRecord]:
        stored = next(self._store.clicks(self.unit, match, self.days, END_OF_TIME), None)
        return [*filter(match.fits, self.added), *([stored] if stored else [])]

    def _clicked_any(self, items: Sequence[str]) -> bool:
        prefixes = [clicks_prefix(self.unit, Match("item", item)) for item in items]
        stored = (self._store.has(day, prefix) for prefix in prefixes for day in self.days)
        return any(click.item in items for click in self.added) or any(stored)


def _pairs(of_units: Mapping[str, list[T]]) -> list[tuple[str, T]]:
    return [(unit, each) for unit, some in of_units.items() for each in some]


def _places(marks: Marks) -> tuple[Any, ...]:
    """Watermarks are equal by their offsets alone; how far nothing was read behind them counts, too."""
    return marks, marks.clicks.empty_to, marks.signals and marks.signals.empty_to


def parents(item: str) -> list[str]:
    """What may be the parents of a variant by its id: `shirt-1` and `shirt` of `shirt-1-red`."""
    return [item[: cut.start()] for cut in SEPARATORS.finditer(item) if cut.start()]
