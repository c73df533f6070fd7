"""What attribution remembers of one partition: what is in its store, and what is not written yet."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from policy.attribution.clicks import ClickRecord, CreditRule, Match, Moment, SignalRecord, counts, matches
from policy.attribution.outcomes import OrderLine, ReturnedLine
from schemas.topics import DAY_MS
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
        self._store = store
        self.marks = marks
        """Up to where the logs are in the store."""
        self.complete_since = store.complete_since
        self._clicks: defaultdict[str, list[ClickRecord]] = defaultdict(list)
        self._signals: defaultdict[str, list[SignalRecord]] = defaultdict(list)
        self._lines: defaultdict[str, list[OrderLine]] = defaultdict(list)
        self._returned: defaultdict[str, list[ReturnedLine]] = defaultdict(list)
        self._forgotten: set[str] = set()

    def add(self, unit: str, click: ClickRecord) -> None:
        """Remember the next click of the log."""
        self._clicks[unit].append(click)

    def add_signal(self, unit: str, signal: SignalRecord) -> None:
        """Remember the next signal that was credited, the first of its kind to its click."""
        self._signals[unit].append(signal)

    def add_line(self, unit: str, line: OrderLine) -> None:
        """Remember the next line of an order that was credited."""
        self._lines[unit].append(line)

    def add_returned(self, unit: str, line: ReturnedLine) -> None:
        """Remember the next line of a return that was credited."""
        self._returned[unit].append(line)

    def forget(self, unit: str) -> None:
        """Drop all clicks and signals of a unit; what it bought may come back all the same."""
        self._clicks.pop(unit, None)
        self._signals.pop(unit, None)
        self._forgotten.add(unit)

    def of_unit(self, unit: str, criteria: Criteria) -> UnitMemory:
        """What is remembered of a unit, for as long as no more comes; `criteria` say for what clicks are looked for."""
        days = [] if unit in self._forgotten else self._store.holding(unit)
        return UnitMemory(unit, self._store, criteria, days, self._clicks.get(unit, ()), self._signals.get(unit, ()))

    def lines_of(self, unit: str, order_id: str) -> list[OrderLine]:
        """The lines of an order that were credited."""
        new = [line for line in self._lines.get(unit, ()) if line.conversion.order_id == order_id]
        return [*self._store.order(unit, order_id), *new]

    def returned_of(self, unit: str, order_id: str) -> list[ReturnedLine]:
        """What was returned of an order and credited."""
        new = [line for line in self._returned.get(unit, ()) if line.credit.order_id == order_id]
        return [*self._store.returned(unit, order_id), *new]

    def earlier(self, unit: str, click: ClickRecord, offset: int) -> list[OrderLine]:
        """The lines that were credited to a click before, by purchases below an offset and by this one so far."""
        stored = self._store.converted(unit, click.click_id, min(click.append_time, click.occurred_at))
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
        self._store.let_go()
        new = self._clicks or self._signals or self._lines or self._returned or self._forgotten
        if _places(marks) == _places(self.marks) and not new:
            return
        units = (self._clicks, self._signals, self._lines, self._returned)
        clicks, signals, lines, returned = units
        added = Additions(_pairs(clicks), _pairs(signals), _pairs(lines), _pairs(returned), self._forgotten)
        self._store.write(added, marks, self.complete_since)
        for each in units:
            each.clear()
        self._forgotten, self.marks = set(), marks

    def expire(self, first_time: int, first_order: int) -> None:
        """Drop days that ended before an event time, and orders from before an append time."""
        self._store.expire(first_time, first_order)
        self.complete_since = self._store.complete_since

    def window_ms(self, time: int, longest: int) -> int:
        """How much of the longest window is there for a purchase that happens at `time`."""
        if not self.complete_since:
            return longest
        return max(0, min(longest, time - self.complete_since))


class UnitMemory(NamedTuple):
    """What is remembered of a unit: the days on which the store has something, and what is not written yet."""

    unit: str
    store: ClickStore
    criteria: Criteria
    days: list[int]
    added: Iterable[ClickRecord]
    added_signals: Iterable[SignalRecord]

    def clicks(self, match: Match) -> list[ClickRecord]:
        """Those not written yet, and of the others the only one that may be the latest that counts."""
        criteria = self.criteria
        best: ClickRecord | None = None
        for day in self._days():
            if best is not None and best.time >= (day + 1) * DAY_MS:
                break  # no later one follows: a click is no later than it claims
            for click in self.store.clicks(self.unit, match, [day], criteria.latest):
                if best is not None and click.occurred_at < best.time:
                    break
                if counts(click, match, criteria.purchase, criteria.rule):
                    best = max(best or click, click, key=lambda each: (each.time, each.offset))
        return [*self.added, *([best] if best else [])]

    def signals(self, match: Match) -> list[SignalRecord]:
        """Those that were credited to such clicks."""
        added = [signal for signal in self.added_signals if match.fits(signal.click)]
        return [*self.store.signals(self.unit, match, self.days), *added]

    def _days(self) -> list[int]:
        """Those of clicks that may count."""
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
        stored = next(self.store.clicks(self.unit, match, self.days, END_OF_TIME), None)
        return [*filter(match.fits, self.added), *([stored] if stored else [])]

    def _clicked_any(self, items: Sequence[str]) -> bool:
        prefixes = [clicks_prefix(self.unit, Match("item", item)) for item in items]
        stored = (self.store.has(day, prefix) for prefix in prefixes for day in self.days)
        return any(click.item in items for click in self.added) or any(stored)


def _pairs(of_units: Mapping[str, list[T]]) -> list[tuple[str, T]]:
    return [(unit, each) for unit, some in of_units.items() for each in some]


def _places(marks: Marks) -> tuple[Any, ...]:
    """Watermarks are equal by their offsets alone; how far nothing was read behind them counts, too."""
    return marks, marks.clicks.empty_to, marks.signals and marks.signals.empty_to


def parents(item: str) -> list[str]:
    """What may be the parents of a variant by its id: `shirt-1` and `shirt` of `shirt-1-red`."""
    return [item[: cut.start()] for cut in SEPARATORS.finditer(item) if cut.start()]
