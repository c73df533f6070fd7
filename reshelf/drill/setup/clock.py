"""A worker by another time than its machine has: what is imported here comes before what reads a clock."""

from __future__ import annotations

import runpy
import sys
import time


def command(role: str, off_s: int) -> list[str]:
    """The command of a worker whose clock is `off_s` ahead."""
    if not off_s:
        return [sys.executable, "-m", "reshelf", "worker", role]
    return [sys.executable, "-c", f"from reshelf.drill.setup.clock import work; work({off_s})", "worker", role]


def work(off_s: int) -> None:
    """Be the worker that the command line names."""
    right, right_ns = time.time, time.time_ns
    time.time, time.time_ns = lambda: right() + off_s, lambda: right_ns() + off_s * 1_000_000_000
    runpy.run_module("reshelf", run_name="__main__", alter_sys=True)
