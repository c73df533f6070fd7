"""One picture over HTTP, within limits of time, size, type and redirects."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urljoin

from encoders.pictures.address import Resolve, Target, addresses, look_up, target
from encoders.pictures.refusal import Refused

MOST_REDIRECTS = 3
CHUNK = 65_536
REDIRECTS = (301, 302, 303, 307, 308)
AGENT = "reshelf-encoder"
DRAWINGS = "image/svg"
"""Drawings are programs of a kind, and no pixels."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be fetched: from which hosts, in how many seconds and bytes; `private` allows addresses of all kinds."""

    hosts: Sequence[str] = ()
    private: bool = False
    timeout_s: float = 10.0
    most_bytes: int = 20_000_000


class Fetched(NamedTuple):
    """What a server answered: no `content` where the picture is that of the entity tag that was sent."""

    content: bytes | None
    etag: str


def fetch(url: str, limits: Limits, etag: str = "", resolve: Resolve = look_up) -> Fetched:
    """The picture at a URL; each redirect is held to the same limits.  Raises `Refused`."""
    ends = time.monotonic() + limits.timeout_s
    for _ in range(MOST_REDIRECTS + 1):
        where = target(url, limits.hosts)
        address = addresses(where, limits.private, resolve)[0]
        with _answer(where, address, etag, ends) as answer:
            if answer.status not in REDIRECTS:
                return _content(answer, where, limits, etag)
            url = urljoin(url, answer.getheader("Location") or "")
    raise Refused("redirects", f"more than {MOST_REDIRECTS} redirects, the last to {url[:80]!r}")


def _content(answer: http.client.HTTPResponse, where: Target, limits: Limits, etag: str) -> Fetched:
    if answer.status == 304 and etag:
        return Fetched(None, etag)
    if answer.status != 200:
        raise Refused("status", f"{where.host} answered {answer.status}")
    kind = (answer.getheader("Content-Type") or "").lower()
    if not kind.startswith("image/") or kind.startswith(DRAWINGS):
        raise Refused("type", f"expected a picture from {where.host}, got {kind[:40] or 'no type'}")
    if answer.length is not None and answer.length > limits.most_bytes:
        raise Refused("size", f"expected at most {limits.most_bytes:,} bytes from {where.host}, got {answer.length:,}")
    content = bytearray()
    while chunk := answer.read1(CHUNK):
        content += chunk
        if len(content) > limits.most_bytes:
            raise Refused("size", f"expected at most {limits.most_bytes:,} bytes from {where.host}, got more")
    if answer.length:
        raise Refused("timeout", f"{where.host} ended before the picture did")
    return Fetched(bytes(content), answer.getheader("ETag") or "")


@contextlib.contextmanager
def _answer(where: Target, address: str, etag: str, ends: float) -> Iterator[http.client.HTTPResponse]:
    """What a server at this very address answers; at `ends` the connection is cut, however slowly it still speaks."""
    left = ends - time.monotonic()
    connection = _Connection(where, address, max(left, 0.001))
    cut = threading.Timer(left, connection.cut)
    headers = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": AGENT, "Connection": "close"}
    cut.start()
    try:
        connection.request("GET", where.path, headers=headers | ({"If-None-Match": etag} if etag else {}))
        with connection.getresponse() as answer:
            yield answer
        if time.monotonic() >= ends:
            raise TimeoutError("cut off")
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        late = isinstance(error, TimeoutError) or time.monotonic() >= ends
        raise Refused("timeout" if late else "unreachable", f"{where.host}: {error or type(error).__name__}") from None
    finally:
        cut.cancel()
        connection.close()


class _Connection(http.client.HTTPConnection):
    """To one address, under the host's name in the request and in its certificate."""

    def __init__(self, where: Target, address: str, timeout: float) -> None:
        super().__init__(where.host, where.port, timeout=timeout)
        self._address, self._encrypted = address, where.scheme == "https"
        self._held: socket.socket | None = None
        self.default_port = 443 if self._encrypted else 80

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._encrypted:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)
        self._held = self.sock

    def cut(self) -> None:
        """End the connection from another thread, whether or not its answer has begun."""
        if self._held is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._held, socket.SHUT_RDWR)
