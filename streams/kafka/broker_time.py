"""What time it is for the brokers at least, from the log alone."""

from __future__ import annotations

import time
from collections.abc import Callable


class BrokerTime:
    """The broker's clock is past the newest append that was read, by as much as has gone by since it was read.

    The clock of this machine is not asked, as it may be set wrong: only how long something takes
    is measured here.
    """

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._ahead = float("-inf")

    def read(self, append_time: int) -> None:
        """A record with this append time, in milliseconds, was read."""
        self._ahead = max(self._ahead, append_time - self._steady() * 1000)

    def at_least(self) -> int | None:
        """The time now, in milliseconds; None before anything was read."""
        return None if self._ahead == float("-inf") else int(self._ahead + self._steady() * 1000)
