"""How long a test waits: on a busy machine a second counts for as much as one process gets of it."""

from __future__ import annotations

import os
import time


class Deadline:
    """`limit_s` seconds of a machine that has nothing else to do."""

    def __init__(self, limit_s: float) -> None:
        self._left_s = limit_s
        self._at = time.monotonic()

    @property
    def ahead(self) -> bool:
        """Whether there is time left; to be asked again and again."""
        now, busy = time.monotonic(), os.getloadavg()[0] / (os.cpu_count() or 1)
        self._left_s -= (now - self._at) / max(1.0, busy)
        self._at = now
        return self._left_s > 0
