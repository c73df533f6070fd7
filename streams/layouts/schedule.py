"""Which key is composed next: a pure object, the time comes in with every call.

Laws: a key is not taken twice within the refresh interval; of the keys that may
be taken, the one that could have been taken for longest goes first, where an
urgent one counts as if it had waited its head start more, so none starves; and
composing takes at most its share of the time, whatever is due, give or take SAVED_MS.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import NamedTuple

from streams.catalog.page import Key

SAVED_MS = 1_000.0
"""How much time without composing counts as rest for what is composed after it: some keys are taken at once and
are read first, which takes as long."""


SPARE = 1_000
"""When so many keys were taken, it is looked which of them are of no more use."""


class Mark(NamedTuple):
    """From when on a key may be taken, and whether before others."""

    ready: float
    urgent: bool

    def joined(self, other: Mark) -> Mark:
        """The earlier time, and urgent if one of them is."""
        return Mark(min(self.ready, other.ready), self.urgent or other.urgent)


class Schedule:
    """Keys that wait for composition; all times are milliseconds of one steady clock.

    `cpu_share` is the share of the time, in (0, 1], that `spent` may take up; `head_start_ms` is how much longer
    another key must have waited to go before an urgent one: where there is too much to do,
    keys of which little came wait, but what is to be vouched for in time must be.
    """

    def __init__(self, refresh_ms: float, cpu_share: float, head_start_ms: float) -> None:
        self._refresh = refresh_ms
        self._cpu_share = cpu_share
        self._head_start = head_start_ms
        self._waiting: dict[Key, Mark] = {}
        self._later: list[tuple[float, int, Key, Mark]] = []
        self._ready: list[tuple[float, int, Key, Mark]] = []
        self._started_at: dict[Key, float] = {}
        self._running: dict[Key, Mark | None] = {}
        self._most = SPARE
        self._free_at = float("-inf")
        self._marks = 0

    def mark(self, key: Key, at: float, urgent: bool = False) -> None:
        """The key is due at `at`, or as soon after as its refresh interval allows; an earlier mark stays."""
        if key in self._running:
            before = self._running[key]
            self._running[key] = Mark(at, urgent).joined(before) if before else Mark(at, urgent)
            return
        mark = Mark(max(at, self._started_at.get(key, float("-inf")) + self._refresh), urgent)
        present = self._waiting.get(key)
        if present is not None:
            mark = mark.joined(present)
        if mark != present:
            self._waiting[key] = mark
            self._marks += 1
            heapq.heappush(self._later, (mark.ready, self._marks, key, mark))

    def take(self, now: float) -> Key | None:
        """The next key to compose, or None; it is not handed out again until it is `finished`."""
        if self.wait(now) > 0:
            return None
        key = heapq.heappop(self._ready)[2]
        del self._waiting[key]
        self._started_at[key] = now
        self._running[key] = None
        if len(self._started_at) > self._most:
            self._forget_old(now)
        return key

    def _forget_old(self, now: float) -> None:
        """Forget when keys were taken whose refresh interval is over: many of them may never be taken again."""
        recent = {key for key, at in self._started_at.items() if now - at < self._refresh}
        self._started_at = {key: at for key, at in self._started_at.items() if key in recent or key in self._running}
        self._most = SPARE + 2 * len(self._started_at)

    def finished(self, key: Key) -> None:
        """The composition of a taken key ended, well or not; what was marked meanwhile is due now."""
        again = self._running.pop(key)
        if again is not None:
            self.mark(key, *again)

    def spent(self, ended: float, duration: float) -> None:
        """Composing took `duration` until `ended`: rest in proportion, less what was rested before."""
        self._free_at = max(self._free_at, ended - duration - SAVED_MS) + duration / self._cpu_share

    def keep(self, is_owned: Callable[[Key], bool]) -> None:
        """Forget keys that went to another worker."""
        self._waiting = {key: mark for key, mark in self._waiting.items() if is_owned(key)}
        self._started_at = {key: at for key, at in self._started_at.items() if is_owned(key)}
        self._running = {key: mark if is_owned(key) else None for key, mark in self._running.items()}

    def wait(self, now: float) -> float:
        """How long `take` will answer None if nothing more is marked or finished; infinite when nothing waits."""
        self._drop_old(self._later)
        while self._later and self._later[0][0] <= now:
            _, number, key, mark = heapq.heappop(self._later)
            rank = mark.ready - self._head_start if mark.urgent else mark.ready
            heapq.heappush(self._ready, (rank, number, key, mark))
            self._drop_old(self._later)
        self._drop_old(self._ready)
        if self._ready:
            return max(now, self._free_at) - now
        return max(self._later[0][0], self._free_at) - now if self._later else float("inf")

    def _drop_old(self, heap: list[tuple[float, int, Key, Mark]]) -> None:
        """Take marks off the top that others replaced."""
        while heap and self._waiting.get(heap[0][2]) != heap[0][3]:
            heapq.heappop(heap)

    @property
    def running(self) -> int:
        """How many keys are taken and not finished."""
        return len(self._running)
