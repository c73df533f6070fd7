"""Served on standard input and output, or over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from reshelf.console.live_view import live_view
from reshelf.mcp_server.operations import Operations
from reshelf.mcp_server.server import mcp_server
from reshelf.people.file import People, person_of_token, read_people
from reshelf.people.person import LOOKER, Person
from reshelf.service_settings import McpSettings
from reshelf.settings import Settings
from schemas.errors import BadSettings
from streams.access import is_loopback

PATH = "/mcp"
BODY_BYTES = 2_000_000


async def serve_stdio(settings: Settings) -> None:
    """Answer on standard input and output until that ends; `publishing.token` says who asks."""
    people = await asyncio.to_thread(read_people, settings.publishing.people)
    person = person_of_token(people, settings.publishing.token.get_secret_value())
    async with _operations(settings) as operations:
        await mcp_server(operations, lambda _: person).run_stdio_async()


async def serve_http(settings: Settings, say: Callable[[str], None]) -> None:
    """Answer at an address until a signal ends it; `say` is told the address."""
    people = await asyncio.to_thread(read_people, settings.publishing.people)
    require_people(settings.mcp, people)
    async with _operations(settings) as operations:
        with _listen(settings.mcp) as listener:
            host, port = settings.mcp.host, listener.getsockname()[1]
            say(f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}")
            config = uvicorn.Config(
                application(operations, people, host), access_log=False, log_config=None, server_header=False
            )
            await uvicorn.Server(config).serve(sockets=[listener])


def application(operations: Operations, people: People, host: str) -> ASGIApp:
    """The operations over HTTP: who asks is in each request, so no session is kept.

    Without a file of people only names of this machine are answered, so that no foreign page can ask under its own.
    """
    ours = [f"{name}{port}" for name in ("127.0.0.1", "localhost", "[::1]") for port in ("", ":*")]
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=not people,
        allowed_hosts=ours,
        allowed_origins=[f"http://{name}" for name in ours],
    )
    app = mcp_server(operations, lambda headers: person_of_headers(people, headers)).streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=True,
        host=host,
        transport_security=security,
        max_request_body_size=BODY_BYTES,
    )
    return _with_token(app, people) if people else app


def _with_token(app: ASGIApp, people: People) -> ASGIApp:
    """Nothing is answered to who has no token, not even what there is."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}
        if scope["type"] == "http" and not person_of_headers(people, headers).roles:
            refusal = JSONResponse(
                {"error": "expected Authorization: Bearer TOKEN"}, 401, {"WWW-Authenticate": "Bearer"}
            )
            await refusal(scope, receive, send)
        else:
            await app(scope, receive, send)

    return guarded


def person_of_headers(people: People, headers: Mapping[str, str] | None) -> Person:
    """Who sent a request; without people anybody, who may look."""
    if not people:
        return LOOKER
    kind, _, token = (headers or {}).get("authorization", "").partition(" ")
    return (people.with_token(token) if kind.lower() == "bearer" else None) or Person("", frozenset())


def require_people(settings: McpSettings, people: People) -> None:
    """Raises `BadSettings` for an address beyond this machine where nobody would need a token."""
    if not people and not is_loopback(settings.host):
        raise BadSettings(
            f"mcp.host {settings.host} can be reached from elsewhere: expected publishing.people to name people with "
            "tokens (`reshelf people add`). Set it, or use 127.0.0.1."
        )


@contextlib.asynccontextmanager
async def _operations(settings: Settings) -> AsyncIterator[Operations]:
    """On a view that follows topics and state; where it cannot go on, what is under way ends with its error."""
    work: asyncio.Task[Any] | None = asyncio.current_task()
    assert work is not None
    fault: list[BaseException] = []

    def failed(error: BaseException) -> None:
        fault.append(error)
        work.cancel()

    try:
        async with live_view(settings, failed) as view:
            yield Operations(view)
    except asyncio.CancelledError:
        if fault:
            raise fault[0] from None
        raise


@contextlib.contextmanager
def _listen(settings: McpSettings) -> Any:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.create_server((settings.host, settings.port), family=family)
    except (OSError, OverflowError) as error:
        raise BadSettings(
            f"mcp: expected a free port, got {settings.host}:{settings.port}: {error}. Set mcp.port to another, or to "
            "0 for any."
        ) from None
    with listener:
        yield listener
