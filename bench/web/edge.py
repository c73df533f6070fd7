"""Layouts a second over HTTP: the edge compared with a bare route of Starlette, by turns on the same core.

Each server is a process of its own, with the settings of uvicorn that the edge runs
with.  `wrk` asks for the slates of many visitors, so the choice is made anew each time.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bench.pages import PAGE, SEGMENT, Size, layout
from bench.web.pace import paced
from reshelf.edge.app import Parts, application
from reshelf.edge.intake import Record, Refusal
from reshelf.edge.layout_cache import LayoutCache
from reshelf.edge.run import server
from reshelf.processes.children import processor_s
from reshelf.service_settings import EdgeSettings
from schemas.codec import encode, encode_key
from schemas.errors import BadSettings, Transient
from schemas.topics import LAYOUTS

HOST = "127.0.0.1"
FAR_MS = 4_000_000_000_000
START_S = 20.0
CONNECTIONS = 16
RATE = 1_000
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
MILLIS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True)
class Edge:
    """Medians over the rounds; `busy_p99_ms` with all connections busy, `p99_ms` at `RATE` requests a second.

    The figures by CPU are requests for each second of the server's own processor time: what one core
    answers when nobody else wants it.
    """

    per_s: int
    busy_p99_ms: float
    p99_ms: float
    bare_per_s: int
    ratio: float
    per_cpu_s: int
    bare_per_cpu_s: int
    cpu_ratio: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of wrk reports, and the processor time that the server took, seconds."""

    per_s: float
    p99_ms: float
    requests: int
    cpu_s: float = 0.0

    @property
    def per_cpu_s(self) -> float:
        """Requests for each second of processor time."""
        return self.requests / max(self.cpu_s, 1 / TICKS_PER_S)


@dataclass(frozen=True, slots=True)
class Served:
    """A server in a process of its own."""

    port: int
    process: int

    def cpu_s(self) -> float:
        """Processor time that it took so far."""
        return processor_s(self.process)


def measure(size: Size, seconds: int, rounds: int) -> Edge:
    """Both servers by turns for `seconds`, then the edge at a steady rate; one round goes before and does not count.

    Raises BadSettings where wrk is missing.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise BadSettings("bench edge: expected the program wrk, found none. Install it: `apt-get install wrk`.")
    with (
        _served("edge", size) as own,
        _served("bare", size) as bare,
        as_file(files("bench.web") / "edge.lua") as script,
    ):
        pairs, calm = [], []
        for _ in range(rounds + 1):
            pairs.append((_run(wrk, str(script), own, seconds), _run(wrk, str(script), bare, seconds)))
            calm.append(_calm(own.port, seconds))
    return _summary(pairs[1:], calm[1:])


def _summary(pairs: Sequence[tuple[Run, Run]], calm: Sequence[float]) -> Edge:
    def middle(of: Callable[[Run, Run], float]) -> float:
        return statistics.median(of(own, bare) for own, bare in pairs)

    return Edge(
        per_s=round(middle(lambda own, _: own.per_s)),
        busy_p99_ms=round(middle(lambda own, _: own.p99_ms), 2),
        p99_ms=round(statistics.median(calm), 2),
        bare_per_s=round(middle(lambda _, bare: bare.per_s)),
        ratio=round(middle(lambda own, bare: own.per_s / bare.per_s), 2),
        per_cpu_s=round(middle(lambda own, _: own.per_cpu_s)),
        bare_per_cpu_s=round(middle(lambda _, bare: bare.per_cpu_s)),
        cpu_ratio=round(middle(lambda own, bare: own.per_cpu_s / bare.per_cpu_s), 2),
        rounds=len(pairs),
    )


def parse(text: str) -> Run:
    """The figures in what wrk prints; raises Transient where a request failed."""
    if "Non-2xx" in text or "Socket errors" in text:
        raise Transient(f"bench edge: expected every request to be answered with 200, got:\n{text}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    slowest = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    requests = re.search(r"(\d+) requests in", text)
    if rate is None or slowest is None or requests is None:
        raise Transient(f"bench edge: expected the figures of wrk, got:\n{text}")
    return Run(float(rate[1]), round(float(slowest[1]) * MILLIS[slowest[2]], 3), int(requests[1]))


def _run(wrk: str, script: str, served: Served, seconds: int) -> Run:
    address = f"http://{HOST}:{served.port}/layouts/{PAGE}/{SEGMENT}"
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", script, address]
    before = served.cpu_s()
    report = parse(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return replace(report, cpu_s=served.cpu_s() - before)


def _calm(port: int, seconds: int) -> float:
    """The 99th percentile at RATE requests a second, milliseconds."""
    took = paced(HOST, port, lambda number: f"/layouts/{PAGE}/{SEGMENT}?unit=unit-{number}", RATE, seconds, CONNECTIONS)
    return statistics.quantiles(took, n=100)[98]


@contextlib.contextmanager
def _served(kind: str, size: Size) -> Iterator[Served]:
    with socket.create_server((HOST, 0), backlog=1024) as listener:
        port: int = listener.getsockname()[1]
        process = multiprocessing.get_context("fork").Process(target=_serve, args=(kind, size, listener), daemon=True)
        process.start()
    try:
        _until_open(port)
        yield Served(port, process.pid or 0)
    finally:
        process.terminate()
        process.join()


def _until_open(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionError):
            socket.create_connection((HOST, port), timeout=1).close()
            return
        time.sleep(0.05)
    raise Transient(f"bench edge: the server did not open its port within {START_S:.0f} s. Try again.")


def _serve(kind: str, size: Size, listener: socket.socket) -> None:
    app = _edge(size) if kind == "edge" else _bare(size)
    server(app).run(sockets=[listener])


def _edge(size: Size) -> ASGIApp:
    cache = LayoutCache(EdgeSettings().decoded_layouts)
    cache.take(_Published(size))  # type: ignore[arg-type]  # what the cache reads of a message
    return application(Parts(EdgeSettings(), cache, _Reader(), _Nowhere()))


def _bare(size: Size) -> Starlette:
    slate = msgspec.json.encode(layout(size).slates[0])

    async def answer(_: Request) -> Response:
        return Response(slate, media_type="application/json")

    return Starlette(routes=[Route("/layouts/{page}/{segment}", answer)])


def _lasting(size: Size) -> Any:
    return msgspec.structs.replace(layout(size), expires_at=FAR_MS)


class _Published:
    def __init__(self, size: Size) -> None:
        self._value = encode(_lasting(size))

    def key(self) -> bytes:
        return encode_key(LAYOUTS, PAGE, SEGMENT)

    def value(self) -> bytes:
        return self._value


class _Reader:
    live = ready = True


class _Nowhere:
    async def send(self, records: list[Record]) -> list[Refusal]:
        raise AssertionError(f"no events are sent here, got {len(records)}")
