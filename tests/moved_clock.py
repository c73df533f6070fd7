"""The whole run on another day: `RESHELF_TEST_DATE=2028-02-29 .venv/bin/pytest` tests as it will be on that day.

The date is moved for this process and all that tests start: workers, brokers, Redis, Node, browsers.  A library that is
loaded before all others answers for the kernel, so that no clock of theirs is left behind; the product knows nothing of
it.  Clocks that count from the machine's start stay, and so does the time of day unless it is given
(`2027-03-28T00:59:50`, in UTC).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

DATE, PRELOAD = "RESHELF_TEST_DATE", "LD_PRELOAD"
_SOURCE = Path(__file__).with_suffix(".c")


def shift_s(text: str, now: datetime) -> int:
    """By how many seconds the date is moved so that it is the one of `text`."""
    try:
        date = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise pytest.UsageError(f"{DATE}: expected a date such as 2028-02-29, got {text!r}") from None
    at = date if len(text) > len("2028-02-29") else datetime.combine(date, now.time(), UTC)
    return round((at - now).total_seconds())


def real_clock() -> dict[str, str]:
    """The environment of a program that has to do with the world outside, whose certificates expire by its date."""
    return {name: value for name, value in os.environ.items() if name != PRELOAD}


def restart_on_date(config: pytest.Config) -> None:
    """Where a date is asked for, begin the run again on it: a clock is moved before a process begins."""
    text = os.environ.get(DATE, "")
    if not text or _SOURCE.stem in os.environ.get(PRELOAD, ""):
        return
    cache, capture = getattr(config, "cache", None), config.pluginmanager.getplugin("capturemanager")
    if cache is None:
        raise pytest.UsageError(f"{DATE}: expected a run with pytest's cache, where the clock is kept")
    clock = library(cache.mkdir("clock"), shift_s(text, datetime.now(UTC)))
    if capture is not None:
        capture.stop_global_capturing()
    own = os.environ | {PRELOAD: " ".join(filter(None, (os.environ.get(PRELOAD), str(clock))))}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], own)


def library(folder: Path, moved_s: int) -> Path:
    """What a process loads first so that its date is moved."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None or sys.platform != "linux":
        raise pytest.UsageError(f"{DATE}: expected Linux and a C compiler, got {compiler} on {sys.platform}")
    fresh = folder / f"{os.getpid()}.so"
    options = "-shared", "-fPIC", "-O1", f"-DMOVED_S={moved_s}"
    subprocess.run([compiler, *options, "-o", fresh, _SOURCE, "-ldl"], check=True)
    return fresh.replace(folder / f"{_SOURCE.stem}{moved_s:+d}.so")


def heading() -> str | None:
    """What a run says of its date, and how to have it again."""
    if not os.environ.get(DATE):
        return None
    return f"date: {time.strftime('%F %T %Z')}; the same again: {DATE}={datetime.now(UTC):%FT%T} make test"
