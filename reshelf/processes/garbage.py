"""When the garbage collector looks at a process that reads records: rarely, and also where little happens."""

from __future__ import annotations

import gc
import threading
import time

COLLECT_AFTER = (50_000, 20, 100)
"""Thresholds of the collector: each record is an object it tracks, and by default it looks at
them every 700, which took almost half of a reader's time."""
REST_S = 60.0
"""In a process at rest it would take an hour until so many objects are garbage, and some MiB of memory."""


def collect_rarely() -> None:
    """Look at new objects as often as is right for who reads records, and once in `REST_S`."""
    gc.set_threshold(*COLLECT_AFTER)
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    while True:
        time.sleep(REST_S)
        gc.collect(0)
