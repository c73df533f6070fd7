"""The demonstration in a browser: one self-contained page on the loopback interface.

The page needs nothing from elsewhere; it asks for the newest picture twice a second.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from threading import Thread

from schemas.errors import BadSettings

HOST = "127.0.0.1"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"


class Window(ThreadingHTTPServer):
    """Serves the page and `picture`, the newest picture as JSON."""

    daemon_threads = True
    picture: bytes = b"{}"

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Window

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer("text/html; charset=utf-8", _page())
        elif self.path == "/picture.json":
            self._answer("application/json", self.server.picture)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Content-Security-Policy": POLICY,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Requests are not logged: the terminal belongs to the demonstration."""


@contextlib.contextmanager
def window(port: int) -> Iterator[Window]:
    """Serve on a loopback port while the block runs; port 0 takes a free one.

    Raises BadSettings where the port is taken.
    """
    try:
        server = Window((HOST, port), _Handler)
    except OSError as error:
        raise BadSettings(
            f"--port: expected a free port on {HOST}, got {port}: {error.strerror}. Use --port 0 for any."
        ) from None
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def _page() -> bytes:
    return files("reshelf.demo").joinpath("page.html").read_bytes()
