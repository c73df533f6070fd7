"""Ends a process that is stuck: its supervisor starts it again, and the log has what was not applied.

A thread looks every second whether the event loop still turns and whether the
reader still reads.  It counts looks, not seconds, so a process that was frozen
and woken up is not taken for stuck.  Waiting for a broker or Redis that is away
is not being stuck, and neither is having nothing to read.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from types import TracebackType

from schemas.errors import ReshelfError

LOOK_S = 1.0


class Stuck(ReshelfError):
    """The process makes no progress, and nothing that it waits for explains it."""


class Stillness:
    """Whether something has been the same at `limit` looks after the first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._last: object = None
        self._count = 0

    def look(self, now: object) -> bool:
        """True when `now` equals all of the last `limit` looks and the one before them."""
        self._count = self._count + 1 if now == self._last else 0
        self._last = now
        return self._count >= self._limit


class Watchdog:
    """Watches from a thread while its block runs.

    progress: what changes while the reader gets on, or has a reason not to.
    on_stuck: called once, in the thread, with `Stuck`.
    """

    def __init__(
        self, progress: Callable[[], object], stall_timeout_s: float, on_stuck: Callable[[Stuck], None]
    ) -> None:
        self._progress = progress
        self._stuck_s = stall_timeout_s
        self._on_stuck = on_stuck
        self._loop = asyncio.get_running_loop()
        self._turns = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def _watch(self) -> None:
        look_s = min(LOOK_S, self._stuck_s / 4)
        limit = math.ceil(self._stuck_s / look_s)
        loop, reader = Stillness(limit), Stillness(limit)
        while not self._over.wait(look_s):
            if not self._poke():
                break
            if loop.look(self._turns):
                self._on_stuck(self._stuck("the event loop has not turned"))
                break
            if reader.look(self._progress()):
                self._on_stuck(self._stuck("the reader has waited for batches in work"))
                break

    def _poke(self) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._turn)
        except RuntimeError:
            return False
        return True

    def _turn(self) -> None:
        self._turns += 1

    def _stuck(self, what: str) -> Stuck:
        return Stuck(
            f"Stuck: {what} for {self._stuck_s:g} s, and neither Kafka nor Redis is known to be away. "
            "Ending, so that this worker can be started again; it goes on where the state stands."
        )
