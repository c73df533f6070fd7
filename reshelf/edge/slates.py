"""GET /layouts/PAGE/SEGMENT and GET /layouts/PAGE?items=…, straight from what the server hands over.

A request object with its parsed query and a response object cost more than the answer
itself, so they are made for the rare cases alone.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, unquote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from reshelf.edge.answers import allowed, as_json, error, header, unauthorized
from reshelf.edge.layout_cache import Answer, LayoutCache
from reshelf.edge.visitors import LONGEST_NAME, visitor_of
from schemas.messages.fields import FALLBACK
from streams.metrics import REGISTRY

UNIT = b"unit="


class Slates:
    """The ASGI endpoint; `now` is the wall clock in seconds, an empty `token` asks for none."""

    def __init__(self, cache: LayoutCache, token: bytes, now: Callable[[], float]) -> None:
        self._cache = cache
        self._token = token
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._look_up(scope)
        if isinstance(answer, Response):
            REGISTRY.add("reshelf_http_requests_total", "layouts", str(answer.status_code))
            await answer(scope, receive, send)
            return
        etag = header(scope["headers"], b"if-none-match")
        same = bool(etag) and answer.etag in etag
        REGISTRY.add("reshelf_http_requests_total", "layouts", "304" if same else "200")
        headers = answer.unchanged if same else answer.headers
        await send({"type": "http.response.start", "status": 304 if same else 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if same else answer.body})

    def _look_up(self, scope: Scope) -> Answer | Response:
        """The slate of one visitor, or a whole layout; a response where there is none to give."""
        if self._token and not allowed(scope["headers"], self._token):
            return unauthorized()
        names, now_ms = scope["path_params"], int(self._now() * 1000)
        page = unquote(names["page"])
        if "segment" not in names:
            try:
                answer = self._cache.answer_by_items(page, visitor_of(scope["query_string"]), now_ms)
            except ValueError as wrong:
                return error(400, str(wrong))
        else:
            unit = unit_of(scope["query_string"])
            if unit is not None and not 0 < len(unit) <= LONGEST_NAME:
                return error(400, f"unit: expected 1 to {LONGEST_NAME} characters, got {len(unit)}")
            answer = self._cache.answer(page, unquote(names["segment"]), unit, now_ms)
        if answer is None:
            return as_json(404, {"error": "no layout that is still good: show your own fallback", "variant": FALLBACK})
        return answer


def unit_of(query: bytes) -> str | None:
    """The last `unit` of a query string; None where it has none."""
    if query.startswith(UNIT) and query.isascii() and not any(mark in query for mark in (b"%", b"+", b"&")):
        return query[len(UNIT) :].decode()
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)).get("unit")
