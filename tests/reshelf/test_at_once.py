"""Tasks at once: reports of all, results in order, and nobody goes on when one fails, dies or is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reshelf.processes.at_once import Report, run_at_once
from schemas.errors import BadRecord, BadSettings, ReshelfError
from tests.deadline import Deadline

WAIT_S = 60.0


def square(number: int, report: Report) -> int:
    """Reports on the way; -1 is an error, -2 one that only its own process could make, -3 the end of it."""
    if number == -1:
        raise BadSettings("expected a number that is not negative")
    if number == -2:
        raise BadRecord("invalid", "expected a number")
    if number == -3:
        os.kill(os.getpid(), signal.SIGKILL)
    for _ in range(number):
        report(1)
    return number**2


def wait_long(path: Path, report: Report) -> None:
    """Says who it is, and goes on for a long time."""
    if path.suffix == ".fails":
        while not path.with_suffix(".pid").exists():
            time.sleep(0.05)
        raise BadSettings("failed")
    part = path.with_suffix(".part")
    part.write_text(str(os.getpid()))
    part.rename(path)
    time.sleep(10 * WAIT_S)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def until_gone(pid: int) -> None:
    end = Deadline(WAIT_S)
    while is_alive(pid):
        assert end.ahead
        time.sleep(0.05)


def test_results_come_in_order_and_reports_from_all() -> None:
    reports: list[int] = []
    assert run_at_once(square, [3, 0, 2], reports.append) == [9, 0, 4]
    assert sum(reports) == 5


@pytest.mark.parametrize(
    ("number", "error", "said"),
    [
        (-1, BadSettings, "expected a number that is not negative"),
        (-2, ReshelfError, "BadRecord: invalid: expected a number"),
        (-3, ReshelfError, r"process \d+ \(1 of 1\) ended by SIGKILL before its work was done"),
    ],
)
def test_what_happens_to_one_is_raised(number: int, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as raised:
        run_at_once(square, [number], lambda count: None)
    notes = getattr(raised.value, "__notes__", [])
    assert number != -1 or "in square" in notes[0], "where it happened"


def test_an_error_ends_the_others(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="failed"):
        run_at_once(wait_long, [tmp_path / "one.pid", tmp_path / "one.fails"], lambda count: None)
    until_gone(int((tmp_path / "one.pid").read_text()))


def test_an_interrupt_of_all_ends_them_without_a_word(tmp_path: Path) -> None:
    paths = [tmp_path / "one.pid", tmp_path / "two.pid"]
    code = (
        "import pathlib, sys\nfrom reshelf.processes.at_once import run_at_once\n"
        "from tests.reshelf.test_at_once import wait_long\n"
        "try:\n    run_at_once(wait_long, [pathlib.Path(name) for name in sys.argv[1:]], print)\n"
        "except KeyboardInterrupt:\n    sys.exit(130)\n"
    )
    command = [sys.executable, "-c", code, *map(str, paths)]
    parent = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)
    end = Deadline(WAIT_S)
    while not all(path.exists() for path in paths):
        assert end.ahead
        time.sleep(0.05)
    os.killpg(parent.pid, signal.SIGINT)
    assert parent.communicate(timeout=WAIT_S)[1] == b""
    assert parent.returncode == 130
    for path in paths:
        until_gone(int(path.read_text()))
