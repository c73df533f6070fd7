"""What attribution remembered lately, in memory: most signals follow a click of a moment ago, and need no disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from policy.attribution.clicks import ClickRecord, SignalRecord


class _Generation:
    """Clicks and signals by unit, in the order of the logs; `until` is the append time of the last click."""

    __slots__ = ("clicks", "number", "signals", "until")

    def __init__(self) -> None:
        self.clicks: dict[str, list[ClickRecord]] = {}
        self.signals: dict[str, list[SignalRecord]] = {}
        self.number = 0
        self.until = 0


class RecentClicks:
    """The clicks and signals of all units from some point of the common order of the logs on, in two generations.

    Every click that was appended after `complete_after` is here, unless its unit was forgotten; and so is every
    signal that was credited to one of those, as it comes after its click.  `most` says how many of both may be kept.
    """

    def __init__(self, complete_after: int, most: Callable[[], int]) -> None:
        self.complete_after = complete_after
        self._most = most
        self._new, self._old = _Generation(), _Generation()

    def add(self, unit: str, click: ClickRecord) -> None:
        """Remember the next click of the log."""
        new = self._new
        new.number += 1
        new.until = click.append_time
        clicks = new.clicks.get(unit)
        if clicks is None:
            new.clicks[unit] = [click]
        else:
            clicks.append(click)

    def add_signal(self, unit: str, signal: SignalRecord) -> None:
        """Remember the next signal that was credited."""
        self._new.number += 1
        self._new.signals.setdefault(unit, []).append(signal)

    def forget(self, unit: str) -> None:
        """Drop what a unit did."""
        for generation in (self._new, self._old):
            generation.clicks.pop(unit, None)
            generation.signals.pop(unit, None)

    def clicks(self, unit: str) -> Iterable[ClickRecord]:
        """Those of a unit."""
        old, new = self._old.clicks.get(unit), self._new.clicks.get(unit)
        return [*old, *new] if old and new else new or old or ()

    def signals(self, unit: str) -> Iterable[SignalRecord]:
        """Those of a unit."""
        old, new = self._old.signals.get(unit), self._new.signals.get(unit)
        return [*old, *new] if old and new else new or old or ()

    def let_go(self) -> None:
        """Drop the older half where there are too many; all that is here has to be in the store."""
        if 2 * self._new.number >= self._most():
            self.complete_after = max(self.complete_after, self._old.until)
            self._new, self._old = _Generation(), self._new
