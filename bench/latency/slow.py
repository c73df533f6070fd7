"""Slows processes down to a share of their speed: `python -m bench.latency.slow SHARE PID ...`, until SIGTERM.

They are stopped for the rest of each period, whatever they do.  A quota of the kernel
(cpu.max) would not do: a worker that needs less than it has bursts at full speed under
it, and such a burst is what a click waits for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from reshelf.processes.children import process

PERIOD_S = 0.01


@contextlib.contextmanager
def slowed(pids: Sequence[int], share: float, log: Path) -> Iterator[None]:
    """Run these processes for a share of the time only, until the block is left."""
    if share >= 1.0:
        yield
        return
    command = [sys.executable, "-m", "bench.latency.slow", str(share), *map(str, pids)]
    with process(command, log):
        yield


def main(share: float, pids: Sequence[int]) -> int:
    """Stop and continue processes by turns until SIGTERM, or until one has ended; the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    begin = time.monotonic()
    try:
        while True:
            _send(pids, signal.SIGCONT)
            begin = _sleep_until(begin + share * PERIOD_S)
            _send(pids, signal.SIGSTOP)
            begin = _sleep_until(begin + (1 - share) * PERIOD_S)
    except ProcessLookupError:
        return 0
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _send(pids: Sequence[int], what: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, what)


def _sleep_until(end: float) -> float:
    """Where it got late, the next sleep begins now: each turn lasts at least as long as it should."""
    time.sleep(max(0.0, end - time.monotonic()))
    return max(end, time.monotonic())


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), [int(pid) for pid in sys.argv[2:]]))
