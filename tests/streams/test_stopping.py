"""A worker ends when it is asked to, whatever it is doing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.cancellation import cancel_all as tasks_ended
from streams.cancellation import run_exclusively
from tests.deadline import Deadline

LIMIT_S = 60.0
_HANGS = """
import asyncio, sys
from streams.transport import app
app.STOP_WAIT_S = 0.5
async def make():
    print("making", flush=True)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
sys.exit(app.run_app(make))
"""


def cancel_all(child: subprocess.Popen[str]) -> tuple[int, str]:
    child.send_signal(signal.SIGTERM)
    said = finished(child)
    return child.returncode, said


def finished(child: subprocess.Popen[str]) -> str:
    """What a child said that ends by itself; one that does not is killed."""
    try:
        return child.communicate(timeout=LIMIT_S)[0]
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise


def start(command: list[str], process_group: int | None = None, **settings: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command],
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=process_group,
    )


def test_what_hangs_is_ended_and_says_so() -> None:
    child = start(["-c", _HANGS])
    assert child.stdout is not None
    assert child.stdout.readline() == "making\n"
    status, said = cancel_all(child)
    assert status == 1
    assert "The application did not stop within" in said


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_an_end_asked_for_during_the_imports_is_not_lost(name: str) -> None:
    command = """
import signal, sys, os, importlib.abc
class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "reshelf.processes.roles":
            try:
                os.kill(os.getpid(), signal.NAME)
            except BaseException:
                pass
        return None
sys.meta_path.insert(0, Slow())
from reshelf.cli.main import run
sys.exit(run(["worker", "learner"]))
""".replace("NAME", name)
    child = start(["-c", command], RESHELF_KAFKA__BOOTSTRAP="127.0.0.1:1")
    said = finished(child)
    assert child.returncode == 0, said


@pytest.mark.parametrize("role", ["learner", "attribution", "fitter", "layouts"])
@pytest.mark.parametrize("after_s", [0.5, 1.0, 1.5])
def test_a_worker_that_is_still_starting_ends_quietly(
    role: str, after_s: float, broker: str, redis_url: str, prefix: str, make_topics: Callable[..., None]
) -> None:
    make_topics(broker)
    child = start(
        ["-m", "reshelf", "worker", role],
        RESHELF_KAFKA__BOOTSTRAP=broker,
        RESHELF_KAFKA__PREFIX=prefix,
        RESHELF_REDIS__URL=redis_url,
        RESHELF_REDIS__NAMESPACE=prefix.strip("-"),
    )
    time.sleep(after_s)
    status, said = cancel_all(child)
    # On a slow machine Python itself may still be starting: then the signal ends it as it ends any program.
    assert status in (0, 143, -signal.SIGTERM), said
    assert "Traceback" not in said


def parts_of(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def started_with_parts() -> tuple[subprocess.Popen[str], list[int]]:
    """A worker in a process group of its own as a terminal starts it, and its two parts."""
    child = start(
        ["-m", "reshelf", "worker", "learner", "layouts"], RESHELF_KAFKA__BOOTSTRAP="127.0.0.1:1", process_group=0
    )
    end = Deadline(LIMIT_S)
    while len(parts := parts_of(child.pid)) < 2 and end.ahead:
        time.sleep(0.05)
    return child, parts


@pytest.mark.parametrize("after_s", [0.2, 0.6, 1.0])
def test_ctrl_c_ends_all_parts_quietly(after_s: float) -> None:
    child, _ = started_with_parts()
    time.sleep(after_s)
    os.killpg(child.pid, signal.SIGINT)
    said = finished(child)
    assert child.returncode in (0, 130), said
    assert "Traceback" not in said and "KeyboardInterrupt" not in said


def test_a_part_that_is_killed_is_told_with_the_signal() -> None:
    child, parts = started_with_parts()
    os.kill(parts[0], signal.SIGKILL)
    said = finished(child)
    assert child.returncode == 1
    assert "reshelf: the learner was killed by SIGKILL, and not by us: see whether memory ran out" in said


def test_a_task_that_loses_its_cancellation_is_asked_again() -> None:
    lost = 0

    async def deaf() -> None:
        nonlocal lost
        while lost < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
        await asyncio.sleep(60)

    async def run() -> bool:
        task = asyncio.create_task(deaf())
        await asyncio.sleep(0)
        await tasks_ended([task, asyncio.create_task(asyncio.sleep(0))])
        return task.cancelled()

    assert asyncio.run(run())
    assert lost == 2


def test_what_a_task_starts_while_it_is_ended_is_ended_too() -> None:
    others: list[asyncio.Task[None]] = []

    async def restarts() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            if len(others) < 3:
                others.append(asyncio.create_task(restarts()))

    async def run() -> int:
        others.append(asyncio.create_task(restarts()))
        await asyncio.sleep(0)
        return 7

    assert asyncio.run(run_exclusively(run())) == 7
    assert len(others) == 3 and all(task.done() for task in others)


def test_a_worker_that_waits_for_its_broker_ends() -> None:
    child = start(["-m", "reshelf", "worker", "learner"], RESHELF_KAFKA__BOOTSTRAP="127.0.0.1:1")
    assert child.stdout is not None
    assert child.stdout.readline()
    status, said = cancel_all(child)
    assert status == 0, said
    assert "Traceback" not in said
