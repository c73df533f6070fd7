"""Answers that several paths give."""

from __future__ import annotations

import hmac
import math
from collections.abc import Iterable
from typing import Any

import orjson
from starlette.responses import Response

JSON = "application/json"

RawHeaders = Iterable[tuple[bytes, bytes]]


def header(headers: RawHeaders, field: bytes) -> bytes:
    """The first header of a name in lower case, empty where there is none."""
    for name, value in headers:
        if name == field:
            return value
    return b""


def allowed(headers: RawHeaders, token: bytes) -> bool:
    """Whether a request brings the token, where one is asked for."""
    return not token or hmac.compare_digest(header(headers, b"authorization").removeprefix(b"Bearer "), token)


def as_json(status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """An object."""
    return Response(orjson.dumps(content), status, headers, JSON)


def error(status: int, detail: str) -> Response:
    """What was expected and what was got instead."""
    return as_json(status, {"error": detail})


def unauthorized() -> Response:
    """The token is missing or another one."""
    content = {"error": "expected the header Authorization: Bearer <edge.token>"}
    return as_json(401, content, {"WWW-Authenticate": "Bearer"})


def too_many(wait_s: float) -> Response:
    """Too fast; the header says when to come again."""
    content = {"error": "too many events a second from this address (edge.events_per_s)"}
    return as_json(429, content, {"Retry-After": str(math.ceil(wait_s))})
