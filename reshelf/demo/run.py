"""Runs the shop until it is told to stop, and shows it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import orjson
from rich.console import Console
from rich.live import Live

from reshelf.demo.picture import Picture
from reshelf.demo.screen import line, screen
from reshelf.demo.traffic import TICK_S, Traffic
from reshelf.demo.web import Window
from schemas.errors import ReshelfError

PICTURE_S = 0.5
LINE_S = 5.0
LOG_LINES = 15

Show = Callable[[dict[str, Any]], None]


class Stopped(BaseException):
    """The operator asked to stop (Ctrl-C or SIGTERM)."""


class WorkerEnded(ReshelfError):
    """A worker ended although nobody asked it to."""


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Within the block Ctrl-C and SIGTERM raise Stopped, once: a second one does not disturb the clearing up."""

    def stop(number: int, frame: FrameType | None) -> None:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_IGN)
        raise Stopped

    before = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


@contextlib.contextmanager
def shown_on(console: Console, window: Window | None, *, quiet: bool) -> Iterator[Show]:
    """How a picture is shown: live on a terminal, as a line now and then elsewhere, and in the window."""
    with contextlib.ExitStack() as stack:
        show = None if quiet else _lines(console)
        if not quiet and console.is_terminal:
            live = stack.enter_context(Live(console=console, auto_refresh=False, screen=True))
            show = _screens(live, window.address if window else "")

        def show_all(picture: dict[str, Any]) -> None:
            if show is not None:
                show(picture)
            if window is not None:
                window.picture = orjson.dumps(picture)

        yield show_all


def _screens(live: Live, address: str) -> Show:
    def show(picture: dict[str, Any]) -> None:
        live.update(screen(picture, address), refresh=True)

    return show


def _lines(console: Console) -> Show:
    last = -LINE_S

    def show(picture: dict[str, Any]) -> None:
        nonlocal last
        if picture["elapsed"] - last >= LINE_S:
            last = picture["elapsed"]
            console.print(line(picture), soft_wrap=True, highlight=False)

    return show


def run(traffic: Traffic, picture: Picture, show: Show, check: Callable[[], None], seconds: float | None) -> None:
    """Serve visitors for `seconds`, or until Stopped is raised; `check` raises when something else failed."""
    begin = time.monotonic()
    next_picture = 0.0
    while seconds is None or time.monotonic() - begin < seconds:
        started = time.monotonic()
        traffic.step()
        now = started - begin
        if now >= next_picture:
            next_picture = now + PICTURE_S
            check()
            show(picture.at(now))
        time.sleep(max(0.0, TICK_S - (time.monotonic() - started)))


def worker_check(workers: Sequence[tuple[str, subprocess.Popen[bytes], Path]]) -> Callable[[], None]:
    """A function that raises WorkerEnded, with the log's last lines, when a worker has ended."""

    def check() -> None:
        for name, child, log in workers:
            status = child.poll()
            if status is not None:
                last = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
                raise WorkerEnded(f"The {name} ended with status {status}. Its last lines were:\n{last}")

    return check
