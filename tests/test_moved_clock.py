"""A run on another day: all that is started is on it, and nothing waits the longer for it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.moved_clock import PRELOAD, library, shift_s

NOON, DAY_S = datetime(2026, 11, 28, 12, tzinfo=UTC), 86_400
CHILD = """
import datetime, queue, subprocess, time
from confluent_kafka import Consumer

began = time.monotonic()
print(time.time(), datetime.datetime.now().timestamp(), subprocess.check_output(["date", "+%s"], text=True))
for wait in (queue.Queue().get, lambda timeout: Consumer({"group.id": "g"}).poll(timeout)):
    try:
        wait(timeout=0.05)
    except queue.Empty:
        pass
print(time.monotonic() - began)
"""


@pytest.mark.parametrize(
    ("text", "moved_s"),
    [
        ("2026-11-28", 0),
        ("2026-11-29", DAY_S),
        ("2026-11-27", -DAY_S),
        ("2028-02-29", 458 * DAY_S),
        ("2026-11-28T12:00:30", 30),
        ("2026-11-29T00:00:00", DAY_S // 2),
    ],
)
def test_a_date_alone_leaves_the_time_of_day(text: str, moved_s: int) -> None:
    assert shift_s(text, NOON) == moved_s


def test_a_date_that_is_none_is_refused() -> None:
    with pytest.raises(pytest.UsageError, match="RESHELF_TEST_DATE: expected a date such as 2028-02-29, got '30'"):
        shift_s("30", NOON)


@pytest.mark.parametrize("days", [457, -40])
def test_a_process_and_its_children_are_on_another_day(tmp_path: Path, days: int) -> None:
    own = os.environ | {PRELOAD: str(library(tmp_path, days * DAY_S))}
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=own, capture_output=True, text=True, timeout=60, check=True
    )
    *times, waited_s = map(float, done.stdout.split())
    # A file's time is the kernel's, and no library's.
    (tmp_path / "now").touch()
    there = (tmp_path / "now").stat().st_mtime + days * DAY_S
    assert times == pytest.approx([there] * 3, abs=90)
    assert 0.1 <= waited_s < 30
