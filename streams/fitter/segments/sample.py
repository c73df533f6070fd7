"""The last items that visitors of a sample looked at; a hash chooses the visitors, and nothing else of them is kept.

It is in the memory of the fitter alone: what is learned of it are sums of many.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Container, Mapping, Sequence
from typing import NamedTuple

from policy.segments.votes import Votes, votes_of
from streams.fitter.view_sample import UnitShare, unit_hash

UnitKey = int | str
"""What a visitor is known by: a hash of the unit, or the unit itself where the segments of visitors are published."""

SPAN_MS = 30 * 86_400_000
"""What was looked at longer ago does not count, and visitors who did not come for as long are let go."""
WINDOW = 16
DAY_MS = 86_400_000
MOST_EVENTS = 500
"""Who looks at items more often on one day is taken for a robot, or for many people."""
CONSENT, REFUSED = "consent", "no"
"""In a context: that a visitor does not agree to learned segments."""


class _Unit:
    """One visitor: items, the newest last, and when each was looked at last; one value for each attribute."""

    __slots__ = ("day", "events", "items", "refused", "robot", "times", "values")

    def __init__(self, attributes: int) -> None:
        self.items: list[str] = []
        self.times = array("q")
        self.values = ("",) * attributes
        self.day = self.events = 0
        self.refused = self.robot = False

    def see(self, item: str, at: int) -> None:
        """Put an item to its place in time; of the same item the newest counts, of more than WINDOW the newest."""
        self._count(at // DAY_MS)
        if item in self.items:
            place = self.items.index(item)
            if at <= self.times[place]:
                return
            del self.items[place], self.times[place]
        place = bisect_right(self.times, at)
        self.items.insert(place, item)
        self.times.insert(place, at)
        if len(self.items) > WINDOW:
            del self.items[0], self.times[0]

    def _count(self, day: int) -> None:
        if day != self.day:
            self.day, self.events = day, 0
        self.events += 1
        self.robot |= self.events > MOST_EVENTS

    def clear(self) -> None:
        self.items, self.times = [], array("q")


class Seen(NamedTuple):
    """What a visitor did: an item that they looked at or "", when, and what their visit is known by."""

    unit: UnitKey
    item: str
    at: int
    context: Mapping[str, str]


class Evidence(NamedTuple):
    """What a segment is chosen by: the items that a visitor looked at, the newest last, and values of attributes."""

    items: Sequence[str]
    values: Mapping[str, str]


class LeftOut(NamedTuple):
    """Visitors that are not learned from: who did not agree, who look at too much, and those beyond the limit.

    The last are about as many as the hash leaves out, by how many it leaves in.
    """

    refused: int
    robots: int
    beyond_limit: int = 0


def _ignore(_: UnitKey) -> None:
    pass


class UnitSample:
    """At most `limit` visitors, chosen by the hashes of their units; `touch` is called for each of whom more is known.

    It is called for those who go, too.
    """

    def __init__(self, limit: int, attributes: Sequence[str] = (), touch: Callable[[UnitKey], None] = _ignore) -> None:
        self.share = UnitShare()
        self._touch = touch
        self._limit = limit
        self._attributes = tuple(attributes)
        self._units: dict[UnitKey, _Unit] = {}
        self._newest = 0

    def __len__(self) -> int:
        return len(self._units)

    def see(self, seen: Seen) -> None:
        """Take in what a visitor looked at."""
        if seen.at < self._newest - SPAN_MS or not self._is_chosen(seen.unit):
            return
        self._touch(seen.unit)
        self._newest = max(self._newest, seen.at)
        unit = self._units.get(seen.unit)
        if unit is None:
            unit = self._units[seen.unit] = _Unit(len(self._attributes))
        if seen.context:
            self._know(unit, seen.context)
        if seen.item and not unit.refused:
            unit.see(seen.item, seen.at)
        while len(self._units) > self._limit:
            self.share.halve()
            for name in [name for name in self._units if not self._is_chosen(name)]:
                self._let_go(name)

    def _is_chosen(self, unit: UnitKey) -> bool:
        return self.share.has(unit if isinstance(unit, int) else unit_hash(unit.encode()))

    def _let_go(self, unit: UnitKey) -> None:
        if self._units.pop(unit, None) is not None:
            self._touch(unit)

    def _know(self, unit: _Unit, context: Mapping[str, str]) -> None:
        if CONSENT in context:
            unit.refused = context[CONSENT] == REFUSED
        if unit.refused:
            unit.clear()
            unit.values = ("",) * len(self._attributes)
            return
        values = (context.get(name) or before for name, before in zip(self._attributes, unit.values, strict=True))
        unit.values = tuple(values)

    def forget(self, unit: UnitKey) -> None:
        """Let go of a visitor."""
        self._let_go(unit)

    def expire(self) -> None:
        """Let go of visitors who were not there for SPAN_MS; who refused is kept until then, too."""
        first = self._newest - SPAN_MS
        for name, unit in list(self._units.items()):
            if unit.times and unit.times[0] < first:
                self._touch(name)
            while unit.times and unit.times[0] < first:
                del unit.items[0], unit.times[0]
            if not unit.times and not unit.refused:
                self._let_go(name)

    def left_out(self) -> LeftOut:
        """How many visitors are not learned from."""
        refused = sum(unit.refused for unit in self._units.values())
        robots = sum(unit.robot for unit in self._units.values())
        size = len(self._units)
        return LeftOut(refused, robots, round(size / self.share.size) - size if size else 0)

    def units(self) -> list[UnitKey]:
        """Whoever is in the sample, those that are not learned from among them."""
        return list(self._units)

    def evidence(self, unit: UnitKey) -> Evidence | None:
        """A copy of what a visitor's segment is chosen by; None for one that is not learned from."""
        own = self._units.get(unit)
        if own is None or own.robot or not own.items:
            return None
        return Evidence(own.items.copy(), dict(zip(self._attributes, own.values, strict=True)))

    def looked_at(self, since_ms: int = 0) -> tuple[list[list[str]], dict[str, list[str]]]:
        """Copies of what the others looked at who came since then, the newest last, and their attributes' values."""
        units = [unit for unit in self._units.values() if unit.items and not unit.robot and unit.times[-1] >= since_ms]
        values = {name: [unit.values[at] for unit in units] for at, name in enumerate(self._attributes)}
        return [unit.items.copy() for unit in units], values


def votes(sample: tuple[Sequence[Sequence[str]], Mapping[str, Sequence[str]]], among: Container[str] | None) -> Votes:
    """The votes of what was looked at, for items that may have points; None: all of them."""
    units, values = sample
    return votes_of(units, values, WINDOW, among)
