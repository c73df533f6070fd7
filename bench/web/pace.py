"""Requests over HTTP at a steady rate, each timed from when it was due.

Counting from the due time, as wrk2 does, keeps a stall of the server in the figures: who
waits for one answer before asking again would ask less while the server is slow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from schemas.errors import Transient

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


def paced(host: str, port: int, path: Callable[[int], str], rate: int, seconds: int, connections: int) -> list[float]:
    """Milliseconds from due time to the whole answer, of `rate` requests a second; `path` gives each one's.

    Connections take turns.  What the event loop sends late, up to a millisecond, counts too.
    Raises Transient for an answer that is not 200.
    """
    return asyncio.run(_all(host, port, path, rate, seconds, connections))


async def _all(
    host: str, port: int, path: Callable[[int], str], rate: int, seconds: int, connections: int
) -> list[float]:
    begin = time.perf_counter() + 0.1
    turns = [range(first, rate * seconds, connections) for first in range(connections)]
    delays = await asyncio.gather(*(_connection(host, port, path, begin, rate, turn) for turn in turns))
    return [millis for some in delays for millis in some]


async def _connection(
    host: str, port: int, path: Callable[[int], str], begin: float, rate: int, turn: range
) -> list[float]:
    """The requests of one connection."""
    reader, writer = await asyncio.open_connection(host, port)
    took: list[float] = []
    for number in turn:
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        writer.write(f"GET {path(number)} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        await _answer(reader)
        took.append((time.perf_counter() - due) * 1000)
    writer.close()
    await writer.wait_closed()
    return took


async def _answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(HEAD_END)).lower()
    if not head.startswith(b"http/1.1 200 "):
        raise Transient(f"bench edge: expected every request to be answered with 200, got {head.splitlines()[0]!r}")
    at = head.index(LENGTH) + len(LENGTH)
    await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
