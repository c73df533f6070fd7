"""A word to whoever waits: that a command is at work, where it has nothing to show for a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

AFTER_S = 0.5
"""Whoever waits for longer asks whether anything happens."""
_timers: list[threading.Timer] = []


@contextmanager
def at_work(errors: TextIO, after_s: float = AFTER_S) -> Iterator[None]:
    """Say on a terminal that a command works, where the block shows nothing for so long."""

    def say() -> None:
        errors.write("Working ...\n")
        errors.flush()

    timer = threading.Timer(after_s, say)
    timer.daemon = True
    if errors.isatty():
        _timers.append(timer)
        timer.start()
    try:
        yield
    finally:
        shown()


def shown() -> None:
    """Something is shown: nobody waits any more."""
    while _timers:
        _timers.pop().cancel()
