"""Without a token only programs of this machine are answered, and no page of another site in its browser.

A page from elsewhere can reach 127.0.0.1 under a name of its own (DNS rebinding), and
can post to it; both show in the headers that a browser sets itself.
"""

from __future__ import annotations

from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send

from reshelf.edge.answers import error, header
from streams.access import host_of, is_loopback


class LocalAccess:
    """Refuses requests under another name than this machine's, or sent by a page from elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host, origin = header(scope["headers"], b"host"), header(scope["headers"], b"origin")
        if (not host or _is_local(b"//" + host)) and (not origin or _is_local(origin)):
            await self._app(scope, receive, send)
            return
        refusal = error(
            403,
            "without a token (edge.token) only programs of this machine are answered: expected Host and Origin of it",
        )
        await refusal(scope, receive, send)


@lru_cache(1_000)
def _is_local(url: bytes) -> bool:
    return is_loopback(host_of(url.decode("latin-1")))
