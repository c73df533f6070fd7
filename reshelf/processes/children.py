"""Children of this process: they die with it, and answer before they count as started.

Linux ties a child to the *thread* that started it: start servers from a thread
that lives as long as they shall, best the main one.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from schemas.errors import ReshelfError

ATTEMPTS = 3
PORTS = range(20_000, 32_000)
STOP_S = 10.0
MOST_WAITS = 4
"""How many times its limit a server is waited for that has not come up and gets on."""
PR_SET_PDEATHSIG = 1
FOR_PEOPLE = "RESHELF_LOG__FORMAT"
"""A child of ours is asked for words: its last lines are shown when it ends."""

Answers = Callable[[int, subprocess.Popen[bytes]], bool]


class ServerFailed(ReshelfError):
    """A server that was to be started did not come up; its last words are in the message."""


class Served(NamedTuple):
    """A server that answers at `address`, host:port."""

    address: str
    child: subprocess.Popen[bytes]


def free_port() -> int:
    """A loopback port that nothing listens on just now, of those that no system gives to outgoing connections.

    One of these would be taken again before the server that is to listen there has started.
    """
    chance = random.SystemRandom()
    while True:
        port = chance.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def process(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child that writes to `log`, ends with us, and has ended when the block is left."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {}), FOR_PEOPLE: "text"},
            start_new_session=True,
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 (two system calls, no lock is taken)
        )
    try:
        yield child
    finally:
        _stop(child)


@contextlib.contextmanager
def serving(
    name: str,
    command: Callable[[int], list[str]],
    answers: Answers,
    folder: Path,
    start_s: float,
    env: Mapping[str, str] | None = None,
    port: int | None = None,
) -> Iterator[Served]:
    """The server on a port of its own; a port lost to another program is tried again."""
    with contextlib.ExitStack() as stack:
        for attempt in range(1, ATTEMPTS + 1):
            chosen = free_port() if port is None else port
            log = folder / f"log-{attempt}.txt"
            child = stack.enter_context(process(command(chosen), log, env))
            if _wait(child, lambda: answers(chosen, child), start_s, log):  # noqa: B023
                break
            if child.poll() is None or attempt == ATTEMPTS:
                raise ServerFailed(f"{name} did not start on 127.0.0.1:{chosen}; its last words:\n{tail(log)}")
        yield Served(f"127.0.0.1:{chosen}", child)


def _wait(child: subprocess.Popen[bytes], answers: Callable[[], bool], limit_s: float, log: Path) -> bool:
    """Whether it answers; one that still gets on, if slowly, has `MOST_WAITS` times the time."""
    begin = time.monotonic()
    moved_at, before = begin, _progress(child, log)
    while child.poll() is None and (now := time.monotonic()) - begin < MOST_WAITS * limit_s:
        if answers():
            return True
        if (progress := _progress(child, log)) != before:
            moved_at, before = now, progress
        elif now - moved_at >= limit_s:
            break
        time.sleep(0.05)
    return False


def _progress(child: subprocess.Popen[bytes], log: Path) -> tuple[int, ...]:
    """How much a child has said, and the seconds of a processor that it has had, where that is known."""
    with contextlib.suppress(OSError):
        return log.stat().st_size, int(processor_s(child.pid))
    return (log.stat().st_size,)


def processor_s(pid: int) -> float:
    """Processor time that a process has had so far, all threads, in seconds; raises OSError where it is not known."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def session_processor_s(leader: int) -> float:
    """Processor time of all processes of a session that run or were waited for, in seconds."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader:
                total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _die_with_parent() -> Callable[[], None] | None:
    return partial(_tie, prctl, os.getpid()) if (prctl := _prctl()) else None


def die_with(parent: int) -> None:
    """End this process when `parent` ends, which started it and may have ended already."""
    if prctl := _prctl():
        _tie(prctl, parent)


def _prctl() -> Callable[..., int] | None:
    return ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _tie(prctl: Callable[..., int], parent: int) -> None:
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) or "(it said nothing)"
