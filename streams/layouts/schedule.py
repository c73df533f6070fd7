"""Which key is composed next: a pure object, the time comes in with every call.

Laws: a key is not taken twice within the refresh interval; of the keys that may
be taken, the one that could have been taken for longest goes first, so none
starves; and composing takes at most its share of the time, whatever is due.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import NamedTuple


class Key(NamedTuple):
    """What a layout is for."""

    page: str
    segment: str


class Schedule:
    """Keys that wait for composition; all times are milliseconds of one steady clock.

    `budget` is the share of the time, in (0, 1], that `spent` may take up.
    """

    def __init__(self, refresh_ms: float, budget: float) -> None:
        self._refresh = refresh_ms
        self._budget = budget
        self._ready: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._taken: dict[Key, float] = {}
        self._running: dict[Key, float] = {}
        self._free_at = float("-inf")
        self._marks = 0

    def mark(self, key: Key, at: float) -> None:
        """The key is due at `at`, or as soon after as its refresh interval allows; an earlier mark stays."""
        if key in self._running:
            self._running[key] = min(at, self._running[key])
            return
        ready = max(at, self._taken.get(key, float("-inf")) + self._refresh)
        if ready < self._ready.get(key, float("inf")):
            self._ready[key] = ready
            self._marks += 1
            heapq.heappush(self._heap, (ready, self._marks, key))

    def take(self, now: float) -> Key | None:
        """The next key to compose, or None; it is not handed out again until it is `finished`."""
        if self.wait(now) > 0:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._ready[key]
        self._taken[key] = now
        self._running[key] = float("inf")
        return key

    def finished(self, key: Key) -> None:
        """The composition of a taken key ended, well or not; what was marked meanwhile is due now."""
        again = self._running.pop(key)
        if again < float("inf"):
            self.mark(key, again)

    def spent(self, ended: float, duration: float) -> None:
        """Composing took `duration` until `ended`: rest in proportion."""
        self._free_at = max(self._free_at, ended - duration) + duration / self._budget

    def keep(self, keys: Iterable[Key]) -> None:
        """Forget all keys but these."""
        kept = set(keys)
        self._ready = {key: ready for key, ready in self._ready.items() if key in kept}
        self._taken = {key: taken for key, taken in self._taken.items() if key in kept}
        self._heap = [entry for entry in self._heap if self._ready.get(entry[2]) == entry[0]]
        heapq.heapify(self._heap)
        for key in self._running.keys() - kept:
            self._running[key] = float("inf")

    def wait(self, now: float) -> float:
        """How long `take` will answer None if nothing more is marked or finished; infinite when nothing waits."""
        while self._heap and self._ready.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        if not self._heap:
            return float("inf")
        return max(self._heap[0][0], self._free_at) - now

    def waiting(self) -> set[Key]:
        """All keys that wait."""
        return set(self._ready)

    @property
    def running(self) -> int:
        """How many keys are taken and not finished."""
        return len(self._running)
