"""Slow neighbours: a Redis that answers late, and a broker that hands out little."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from schemas.errors import ReshelfError

CHUNK = 65_536
WAITING_CHUNKS = 64
QUOTA_S = 10.0
_ANSWER = struct.Struct(">iiiih")
"""Size, correlation, throttle time, number of entries, and the first one's error code."""


class _Proxy:
    """Hands bytes on in order; what comes from the server is held back for `delay_s`."""

    def __init__(self, port: Callable[[], int], delay_s: float) -> None:
        self._port = port
        self._delay_s = delay_s

    async def serve(self, inward: asyncio.StreamReader, outward: asyncio.StreamWriter) -> None:
        try:
            answers, asking = await asyncio.open_connection("127.0.0.1", self._port())
        except OSError:
            outward.close()
            return
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(self._hand_on(inward, asking, 0.0), self._hand_on(answers, outward, self._delay_s))

    async def _hand_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING_CHUNKS)

        async def write() -> None:
            while True:
                due, chunk = await waiting.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not chunk:
                    break
                target.write(chunk)
                await target.drain()

        writing = loop.create_task(write())
        try:
            while not writing.done():
                chunk = await source.read(CHUNK)
                await waiting.put((loop.time() + delay_s, chunk))
                if not chunk:
                    break
            await writing
        except OSError:
            pass
        finally:
            writing.cancel()
            target.close()


@contextlib.contextmanager
def slow_redis(port: Callable[[], int], delay_s: float) -> Iterator[int]:
    """A port on which the Redis at `port()` answers `delay_s` later."""
    opened: Future[tuple[int, Callable[[], object]]] = Future()

    async def serve() -> None:
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        async with await asyncio.start_server(_Proxy(port, delay_s).serve, "127.0.0.1", 0) as server:
            listening = int(server.sockets[0].getsockname()[1])
            opened.set_result((listening, lambda: loop.call_soon_threadsafe(over.set)))
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="slow-redis", daemon=True)
    thread.start()
    listening, end = opened.result()
    try:
        yield listening
    finally:
        end()
        thread.join()


def throttle_readers(bootstrap: str, bytes_per_s: int) -> None:
    """Let each client read at most `bytes_per_s` from the broker.

    This is request AlterClientQuotas (49) of Kafka's protocol, which no client library here has.
    """
    entity = struct.pack(">i", 1) + _text(b"client-id") + struct.pack(">h", -1)
    quota = struct.pack(">i", 1) + _text(b"consumer_byte_rate") + struct.pack(">d?", bytes_per_s, False)
    request = struct.pack(">hhi", 49, 0, 1) + _text(b"drill") + struct.pack(">i", 1) + entity + quota + b"\0"
    host, _, port = bootstrap.rpartition(":")
    with socket.create_connection((host, int(port)), QUOTA_S) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb").read(_ANSWER.size)
    *_, code = _ANSWER.unpack(answer)
    if code:
        raise ReshelfError(f"Kafka took no quota: expected error code 0, got {code}")


def _text(content: bytes) -> bytes:
    return struct.pack(">h", len(content)) + content
