"""When memory that nobody needs goes back: rarely in a process that reads records, and also where little happens."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

COLLECT_AFTER = (50_000, 20, 100)
"""Thresholds of the collector: each record is an object it tracks, and by default it looks at
them every 700, which took almost half of a reader's time."""
REST_S = 60.0
"""In a process at rest it would take an hour until so many objects are garbage, and some MiB of memory."""
FULL_EVERY = 60
"""Rests between two looks at all objects: what lived for more than a rest is looked at by no other."""
M_ARENA_MAX, HEAPS = -8, 2
"""By default each thread has a heap of its own, eight for each core; what is free in one serves no other."""


def collect_rarely() -> None:
    """Look at new objects as often as is right for who reads records, and at all that came lately once in `REST_S`."""
    gc.set_threshold(*COLLECT_AFTER)
    if "MALLOC_ARENA_MAX" not in os.environ:
        _c_function("mallopt", ctypes.c_int, ctypes.c_int)(M_ARENA_MAX, HEAPS)
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    trim = _c_function("malloc_trim", ctypes.c_size_t)
    for number in count(1):
        time.sleep(REST_S)
        # A look at new objects alone puts off, time and again, the one at those that it left over.
        gc.collect(2 if number % FULL_EVERY == 0 else 1)
        # A heap gives nothing back by itself that is free below what is in use.
        trim(0)


def _c_function(name: str, *arguments: Any) -> Callable[..., object]:
    """A function of the C library for its heaps; one that does nothing where the library is not glibc."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):
            function = getattr(ctypes.CDLL(None), name)
            function.argtypes = arguments
            return function  # type: ignore[no-any-return]
    return lambda *_: None
