"""Who may ask the console, and what a browser may do with its answers.

On the loopback interface without a token only names of this machine are answered,
so that no foreign page can reach the console under a name of its own (DNS
rebinding).  What writes has to come from the console's own pages: it names the
origin, and carries a header that a form of another site cannot set.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable
from hashlib import sha256

from aiohttp import web

from reshelf.service_settings import ConsoleSettings
from streams.access import host_of, is_loopback, required_token

COOKIE = "reshelf-console"
OURS = "X-Reshelf-Console"
"""A request that writes carries this header."""
OPEN = ("/login", "/static/")
"""What can be had without a token: the page that asks for it."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class AccessControl:
    """Checks every request; raises BadSettings for an address beyond this machine without a token."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self.token = required_token("console", settings.host, settings.token)

    @property
    def pass_(self) -> str:
        """What a browser sends once it has given the token; the token cannot be read from it."""
        return sha256(f"console {self.token}".encode()).hexdigest()

    def knows(self, token: str) -> bool:
        """Whether this is the token."""
        return _equal(token, self.token)

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = self._refused(request) or await _answered(request, handler)
        response.headers.update(HEADERS)
        return response

    def _refused(self, request: web.Request) -> web.StreamResponse | None:
        if not self.token and not is_loopback(host_of(f"//{request.host}")):
            return _error(403, f"without a token only names of this machine are answered, got {request.host[:80]!r}")
        if request.method not in ("GET", "HEAD") and not _ours(request):
            return _error(403, "expected a request of the console's own pages")
        if self.token and not self._may(request):
            if request.path.startswith(("/api/", "/metrics")):
                return _error(401, "expected the token: open /login in a browser, or send Authorization: Bearer ...")
            return web.Response(status=303, headers={"Location": "/login"})
        return None

    def _may(self, request: web.Request) -> bool:
        if request.path.startswith(OPEN):
            return True
        header = request.headers.get("Authorization", "")
        if header.startswith("Bearer "):
            return self.knows(header.removeprefix("Bearer "))
        return _equal(request.cookies.get(COOKIE, ""), self.pass_)


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _error(error.status, error.text or error.reason)
    except Exception:
        log.exception("%s %s could not be answered", request.method, request.path[:80])
        return _error(500, "the console failed; its log says why")


def _ours(request: web.Request) -> bool:
    origin = request.headers.get("Origin")
    return OURS in request.headers and (origin is None or origin.partition("://")[2] == request.host)


def _equal(text: str, secret: str) -> bool:
    """What a request says may hold bytes that are no characters."""
    return hmac.compare_digest(text.encode(errors="surrogateescape"), secret.encode())


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
