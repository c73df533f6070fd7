"""The HTTP application: what each path answers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Scope

from reshelf.edge.answers import JSON, allowed, as_json, error, too_many, unauthorized
from reshelf.edge.intake import Record, Refusal, check, parse
from reshelf.edge.layout_cache import LayoutCache
from reshelf.edge.limits import Limiter
from reshelf.edge.local_access import LocalAccess
from reshelf.edge.openapi import document
from reshelf.edge.slates import Slates
from reshelf.service_settings import EdgeSettings
from schemas.errors import BadRecord
from streams.access import required_token
from streams.metrics import CONTENT_TYPE, REGISTRY, Sample, exposition

Endpoint = Callable[[Request], Awaitable[Response]]


class Sends(Protocol):
    """Publishes records and gives those that were not."""

    async def send(self, records: list[Record]) -> list[Refusal]: ...


class Reads(Protocol):
    """How the reader of layouts is."""

    @property
    def live(self) -> bool: ...
    @property
    def ready(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application is made of; `now` is the wall clock in seconds."""

    settings: EdgeSettings
    cache: LayoutCache
    feed: Reads
    sender: Sends
    now: Callable[[], float] = time.time


def application(parts: Parts) -> ASGIApp:
    """The application; raises BadSettings for an open address without a token."""
    edge = _Edge(parts)
    routes = Starlette(
        routes=[
            _AsWritten("/layouts/{page}/{segment}", edge.slates, methods=["GET"]),
            _AsWritten("/layouts/{page}", edge.slates, methods=["GET"]),
            Route("/events", _counted("events", edge.events), methods=["POST"]),
            Route("/metrics", edge.metrics),
            Route("/openapi.json", edge.openapi),
            Route("/live", edge.live),
            Route("/ready", edge.ready),
        ]
    )
    return routes if parts.settings.token.get_secret_value() else LocalAccess(routes)


class _AsWritten(Route):
    """Matches the path as the client wrote it: a / within a name, %2F, is not one between names."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches({**scope, "path": scope["raw_path"].decode("ascii")})


class _Edge:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._token = required_token("edge", parts.settings.host, parts.settings.token).encode()
        self.slates = Slates(parts.cache, self._token, parts.now)
        burst = max(parts.settings.events_per_s, parts.settings.max_events)
        self._limiter = Limiter(parts.settings.events_per_s, burst)
        self._document = orjson.dumps(document(parts.settings))

    async def events(self, request: Request) -> Response:
        """Check a batch and publish what fits."""
        if not allowed(request.headers.raw, self._token):
            return unauthorized()
        try:
            body = await _body(request, self._parts.settings.max_bytes)
            elements = parse(body)
        except _TooLarge:
            return error(413, f"expected a body of at most {self._parts.settings.max_bytes} bytes (edge.max_bytes)")
        except ClientDisconnect:
            return error(400, "expected the whole body, got a part of it")
        except BadRecord as refused:
            return error(400, f'expected {{"events": [...]}}: {refused.detail}')
        if len(elements) > (most := self._parts.settings.max_events):
            return error(413, f"expected at most {most} events (edge.max_events), got {len(elements)}")
        client = request.client.host if request.client else ""
        if wait := self._limiter.wait_s(client, len(elements), self._parts.now()):
            return too_many(wait)
        records, refusals = check(elements)
        refusals += await self._parts.sender.send(records)
        _log_refusals(len(elements), refusals)
        refusals.sort(key=lambda refusal: refusal.index)
        return as_json(
            200, {"accepted": len(elements) - len(refusals), "errors": [_error(refusal) for refusal in refusals]}
        )

    async def openapi(self, _: Request) -> Response:
        """The description of all this."""
        return Response(self._document, media_type=JSON)

    async def metrics(self, request: Request) -> Response:
        """What the edge exposes to Prometheus."""
        if not allowed(request.headers.raw, self._token):
            return unauthorized()
        samples = (Sample("reshelf_edge_layouts", (), len(self._parts.cache)), *REGISTRY.samples())
        return Response(exposition(samples), headers={"Content-Type": CONTENT_TYPE})

    async def live(self, _: Request) -> Response:
        """Whether layouts are still read."""
        live = self._parts.feed.live
        return as_json(200 if live else 503, {"live": live})

    async def ready(self, _: Request) -> Response:
        """Whether the layouts topic was read to its end."""
        ready = self._parts.feed.ready
        return as_json(200 if ready else 503, {"ready": ready, "layouts": len(self._parts.cache)})


def _counted(route: str, answer: Endpoint) -> Endpoint:
    async def handle(request: Request) -> Response:
        response = await answer(request)
        REGISTRY.add("reshelf_http_requests_total", route, str(response.status_code))
        return response

    return handle


def _log_refusals(events: int, refusals: Sequence[Refusal]) -> None:
    """Count the events of a batch by what became of them."""
    for reason, count in Counter(refusal.reason for refusal in refusals).items():
        REGISTRY.add("reshelf_edge_events_total", reason, by=count)
    REGISTRY.add("reshelf_edge_events_total", "accepted", by=events - len(refusals))


class _TooLarge(Exception):
    pass


async def _body(request: Request, most: int) -> bytes:
    """The body; a larger one is not read to its end."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise _TooLarge
    return bytes(body)


def _error(refusal: Refusal) -> dict[str, Any]:
    return {"index": refusal.index, "reason": refusal.reason, "detail": refusal.detail, "retry": refusal.retry}
