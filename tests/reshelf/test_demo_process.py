"""The demonstration as a process: it starts workers, and ends with all that it started."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from reshelf.processes.roles import ROLES
from tests.deadline import Deadline


def start(*arguments: str) -> subprocess.Popen[str]:
    """A demonstration; without the encoder, which takes long to start, unless it is asked for."""
    command = [sys.executable, "-m", "reshelf", "demo", "--port", "0", "--rate", "300", "--no-encoder", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def descendants(pid: int) -> dict[int, str]:
    """Children, and theirs, with their command lines."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return {}
    found = {}
    for child in map(int, children):
        found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ").strip()
        found |= descendants(child)
    return found


def with_workers(demo: subprocess.Popen[str], *more: str) -> dict[int, str]:
    """What the demonstration started, once all workers and the other commands are there."""
    end = Deadline(60)
    while end.ahead:
        found = descendants(demo.pid)
        wanted = [*(f"worker {role}" for role in ROLES), *more]
        if all(any(line.endswith(f"reshelf {name}") for line in found.values()) for name in wanted):
            return found
        time.sleep(0.1)
    demo.kill()
    raise AssertionError(f"no workers: {demo.communicate()}")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes in /proc")


def test_it_ends_by_itself_with_one_object() -> None:
    demo = start("--seconds", "3", "--json")
    out, err = demo.communicate(timeout=120)
    assert demo.returncode == 0, err
    told = orjson.loads(out)
    assert out.count("\n") == 1
    assert told["events"] > 0
    assert told["dead_letters"] == 0


@needs_proc
def test_item_texts_are_encoded_where_that_can_be_done() -> None:
    demo = start("--encoder", "--seconds", "1")
    if importlib.util.find_spec("torch") is None:
        assert demo.wait(120) == 2
        assert "reshelf[encoders]" in demo.communicate()[1]
        return
    with_workers(demo, "encoder")
    _, err = demo.communicate(timeout=120)
    assert (demo.returncode, "No item texts" in err) == (0, False), err


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_it_ends_all_it_started(number: signal.Signals) -> None:
    demo = start()
    started = with_workers(demo)
    time.sleep(0.5)
    demo.send_signal(number)
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == 0, err
    assert not [line for pid, line in started.items() if alive(pid)]


@needs_proc
def test_a_worker_that_dies_ends_it_with_its_name() -> None:
    demo = start()
    started = with_workers(demo)
    os.kill(next(pid for pid, line in started.items() if line.endswith("worker learner")), signal.SIGKILL)
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "learner ended with status -9" in err
    assert not [line for pid, line in started.items() if alive(pid)]
