"""Layouts a second over HTTP: the edge beside a bare route of Starlette, by turns on the same core.

Each server is a process of its own, with the settings of uvicorn that the edge runs
with.  `wrk` asks for the slates of many visitors, so the choice is made anew each time.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import re
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.pace import paced
from bench.pages import PAGE, SEGMENT, Size, layout
from reshelf.edge.app import Parts, application
from reshelf.edge.intake import Record, Refusal
from reshelf.edge.run import server
from reshelf.edge.settings import EdgeSettings
from reshelf.edge.shelf import Shelf
from schemas.codec import encode, encode_key
from schemas.errors import BadSettings, Transient
from schemas.topics import LAYOUTS

HOST = "127.0.0.1"
FAR_MS = 4_000_000_000_000
START_S = 20.0
CONNECTIONS = 16
RATE = 1_000
MILLIS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True)
class Edge:
    """Medians over the rounds; `busy_p99_ms` with all connections busy, `p99_ms` at `RATE` requests a second."""

    per_s: int
    busy_p99_ms: float
    p99_ms: float
    bare_per_s: int
    ratio: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of wrk found."""

    per_s: float
    p99_ms: float


def measure(size: Size, seconds: int, rounds: int) -> Edge:
    """Both servers by turns for `seconds`, then the edge at a steady rate; one round goes before and does not count.

    Raises BadSettings where wrk is missing.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise BadSettings("bench edge: expected the program wrk, found none. Install it: `apt-get install wrk`.")
    with _served("edge", size) as own, _served("bare", size) as bare, as_file(files("bench") / "edge.lua") as script:
        pairs, calm = [], []
        for _ in range(rounds + 1):
            pairs.append([_run(wrk, str(script), port, seconds) for port in (own, bare)])
            calm.append(_calm(own, seconds))
    pairs, calm = pairs[1:], calm[1:]
    per_s, bare_per_s = (round(statistics.median(pair[at].per_s for pair in pairs)) for at in (0, 1))
    busy = statistics.median(pair[0].p99_ms for pair in pairs)
    ratio = statistics.median(pair[0].per_s / pair[1].per_s for pair in pairs)
    return Edge(per_s, round(busy, 2), round(statistics.median(calm), 2), bare_per_s, round(ratio, 2), rounds)


def parse(text: str) -> Run:
    """The figures in what wrk prints; raises Transient where a request failed."""
    if "Non-2xx" in text or "Socket errors" in text:
        raise Transient(f"bench edge: expected every request to be answered with 200, got:\n{text}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    slowest = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    if rate is None or slowest is None:
        raise Transient(f"bench edge: expected the figures of wrk, got:\n{text}")
    return Run(float(rate[1]), round(float(slowest[1]) * MILLIS[slowest[2]], 3))


def _run(wrk: str, script: str, port: int, seconds: int) -> Run:
    address = f"http://{HOST}:{port}/layouts/{PAGE}/{SEGMENT}"
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", script, address]
    return parse(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _calm(port: int, seconds: int) -> float:
    """The 99th percentile at RATE requests a second, milliseconds."""
    took = paced(HOST, port, lambda number: f"/layouts/{PAGE}/{SEGMENT}?unit=unit-{number}", RATE, seconds, CONNECTIONS)
    return statistics.quantiles(took, n=100)[98]


@contextlib.contextmanager
def _served(kind: str, size: Size) -> Iterator[int]:
    """The port of a server in a process of its own."""
    with socket.create_server((HOST, 0), backlog=1024) as listener:
        port: int = listener.getsockname()[1]
        process = multiprocessing.get_context("fork").Process(target=_serve, args=(kind, size, listener), daemon=True)
        process.start()
    try:
        _until_open(port)
        yield port
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


def _edge(size: Size) -> Starlette:
    shelf = Shelf()
    shelf.take(_Published(size))  # type: ignore[arg-type]  # what the shelf reads of a message
    return application(Parts(EdgeSettings(), shelf, _Reader(), _Nowhere()))


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
