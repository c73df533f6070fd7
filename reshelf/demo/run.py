"""Runs the shop until it is stopped, and shows it."""

from __future__ import annotations

import contextlib
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from rich.console import Console
from rich.live import Live

from policy.assignment import choose
from reshelf.demo.cleanup import remove
from reshelf.demo.picture import Picture, summary
from reshelf.demo.screen import line, screen
from reshelf.demo.shop.model import Shop, ShopSettings
from reshelf.demo.traffic import TICK_S, Traffic
from reshelf.processes.children import process
from reshelf.processes.roles import ROLES, of_role
from reshelf.settings import FILE_VARIABLE, Settings, as_environment, as_file
from reshelf.topics.admin import apply
from schemas.errors import BadSettings, ReshelfError

HOST = "127.0.0.1"
USUAL_PORT = 8_765
PICTURE_S = 0.5
LINE_S = 5.0
STOP_S = 2.0
FIT_S = 20.0
"""How often learned segments are fitted: where visitors come back within minutes, and not within days."""
RETURNING = ShopSettings(units=10_000, elsewhere=0.5)
"""Visitors who come back often enough for their tastes to be learned within minutes."""
LOG_LINES = 15
FOR_OTHERS = (
    "kafka.bootstrap",
    "kafka.prefix",
    "kafka.security_protocol",
    "redis.url",
    "redis.namespace",
    "redis.groups",
    "segments.learned",
)
"""Settings by which other commands find the demonstration; secrets are in their environment as they are in ours."""
NO_MORE: Mapping[str, str] = {}
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""The encoder takes no more than one core from the others."""

Show = Callable[[dict[str, Any]], None]
Workers = Sequence[tuple[str, subprocess.Popen[bytes], Path]]


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for: `seconds` None runs until stopped, `port` None serves no console.

    Without `workers` the visitors come to topics on which others work already; with
    `encoder` one is among the workers.  With `learned` the web tier does not know its visitors' segments.
    """

    seconds: float | None
    rate: float
    seed: int
    null: bool
    port: int | None
    embedded: bool
    workers: bool = True
    encoder: bool = False
    learned: bool = False


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


def demonstration(settings: Settings, options: Options, console: Console) -> dict[str, Any]:
    """Open the shop, with workers of its own where they are wanted, and show it; returns the closing figures.

    Being Stopped ends it in good order.  Raises `WorkerEnded` when a worker ends before that.
    """
    run_id = secrets.token_hex(3)
    own = own_settings(settings, run_id, learned=options.learned) if options.workers else settings
    visitors = RETURNING if options.learned else ShopSettings()
    shop = Shop(replace(visitors, null=options.null), np.random.default_rng(options.seed))
    with contextlib.ExitStack() as stack:
        address = "" if options.port is None else console_address(options.port)
        workers, hint = _opened(stack, own, options, address) if options.workers else ([], "")
        traffic = Traffic(shop, own.kafka, choose, options.rate, run_id, learned=options.learned)
        stack.callback(traffic.close)
        with contextlib.suppress(Stopped):
            traffic.open()
            picture = Picture(traffic, f"shop {options.seed}" + (" with items all alike" if options.null else ""))
            show = stack.enter_context(shown_on(console, address, hint))
            run(traffic, picture, show, worker_check(workers), options.seconds)
        return summary(traffic)


def _opened(stack: contextlib.ExitStack, own: Settings, options: Options, address: str) -> tuple[Workers, str]:
    """Topics, workers and console of the demonstration alone, and how other commands find them."""
    apply(own.kafka)
    if not options.embedded:
        stack.callback(remove, own)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reshelf-demo-")))
    own = own.changed(attribution={"folder": str(folder / "clicks")}, learner={"folder": str(folder / "duplicates")})
    workers = [(role, *_worker(stack, role, of_role(own, at), folder)) for at, role in enumerate(ROLES)]
    if address:
        port = address.rstrip("/").rpartition(":")[2]
        workers.append(("console", *_started(stack, ["console", "--port", port], own, folder)))
    if options.encoder:
        workers.append(("encoder", *_started(stack, ["encoder"], of_role(own, len(ROLES)), folder, ONE_THREAD)))
    stack.callback(_stop, workers)
    file = folder / "reshelf.toml"
    file.write_text(as_file(own, FOR_OTHERS), encoding="utf-8")
    return workers, f"export {FILE_VARIABLE}={file}"


def own_settings(settings: Settings, run_id: str, *, learned: bool = False) -> Settings:
    """The settings with topics and a namespace that no other run uses; learned segments are fitted often."""
    own = settings.changed(
        kafka={"prefix": f"{settings.kafka.prefix}demo-{run_id}-"}, redis={"namespace": f"demo-{run_id}"}
    )
    return own.changed(segments={"learned": True, "interval_s": FIT_S}) if learned else own


def default_port() -> int:
    """The console's port, or 0 for any where that is taken."""
    try:
        console_address(USUAL_PORT)
    except BadSettings:
        return 0
    return USUAL_PORT


def console_address(port: int) -> str:
    """Where the console will be; port 0 takes a free one.  Raises BadSettings where the port is taken."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return f"http://{HOST}:{probe.getsockname()[1]}/"
    except OSError as error:
        raise BadSettings(
            f"--port: expected a free port on {HOST}, got {port}: {error.strerror}. Use --port 0 for any."
        ) from None


def _worker(
    stack: contextlib.ExitStack, role: str, settings: Settings, folder: Path
) -> tuple[subprocess.Popen[bytes], Path]:
    return _started(stack, ["worker", role], settings, folder)


def _started(
    stack: contextlib.ExitStack,
    arguments: Sequence[str],
    settings: Settings,
    folder: Path,
    env: Mapping[str, str] = NO_MORE,
) -> tuple[subprocess.Popen[bytes], Path]:
    log = folder / f"{'-'.join(arguments)}.log"
    command = [sys.executable, "-m", "reshelf", *arguments]
    return stack.enter_context(process(command, log, {**as_environment(settings), **env})), log


def _stop(workers: Workers) -> None:
    """All at once, and not for long: nobody reads this state again, and a killed worker does it no harm."""
    children = [child for _, child, _ in workers if child.poll() is None]
    for child in children:
        child.terminate()
    until = time.monotonic() + STOP_S
    for child in children:
        try:
            child.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()


@contextlib.contextmanager
def shown_on(console: Console, address: str, hint: str = "") -> Iterator[Show]:
    """How a picture is shown: live on a terminal, as a line now and then elsewhere, not at all where it is quiet."""
    if address:
        console.print(f"The console is at {address}", highlight=False)
    if hint:
        console.print(f"Look at it from another terminal:\n  {hint}", highlight=False, soft_wrap=True)
        console.print("  reshelf doctor; reshelf layouts home '*' --follow; reshelf experiment status", highlight=False)
    if console.quiet:
        yield lambda picture: None
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False, screen=True) as live:
            yield _screens(live, address, hint)
    else:
        yield _lines(console)


def _screens(live: Live, address: str, hint: str) -> Show:
    def show(picture: dict[str, Any]) -> None:
        live.update(screen(picture, address, hint), refresh=True)

    return show


def _lines(console: Console) -> Show:
    last = 0.0

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


def worker_check(workers: Workers) -> Callable[[], None]:
    """A function that raises WorkerEnded, with the log's last lines, when a worker has ended."""

    def check() -> None:
        for name, child, log in workers:
            status = child.poll()
            if status is not None:
                last = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
                raise WorkerEnded(f"the {name} ended with status {status}. Its last lines were:\n{last}")

    return check
