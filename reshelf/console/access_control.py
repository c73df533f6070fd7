"""Who may ask the console, and what a browser may do with its answers.

On the loopback interface without a token only names of this machine are answered,
so that no foreign page can reach the console under a name of its own (DNS
rebinding).  Elsewhere a token says who asks, and their roles which addresses they may
use (`routes`).  What writes has to come from the console's own pages: it names the
origin, and carries a header that a form of another site cannot set.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from reshelf.console.language import Refusal
from reshelf.console.routes import role_needed
from reshelf.people.file import NOBODY, People, pass_of, require_access
from reshelf.people.person import ANYBODY, Person
from reshelf.service_settings import ConsoleSettings
from reshelf.words.said import Said, plain, say
from streams.access import host_of, is_loopback

COOKIE = "reshelf-console"
OURS = "X-Reshelf-Console"
"""A request that writes carries this header."""
PERSON = web.RequestKey("person", Person)
"""Who asks, in every request that is answered."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; img-src 'self' data:"
)
"""What browsers may load; pictures also from the hosts of the settings."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class AccessControl:
    """Checks every request; raises BadSettings for an address beyond this machine without a token."""

    def __init__(self, settings: ConsoleSettings, people: People = NOBODY) -> None:
        self._people = people
        self._headers = HEADERS | {"Content-Security-Policy": " ".join([POLICY, *settings.images])}
        self._token = settings.token.get_secret_value()
        require_access(settings, people)

    @property
    def asks(self) -> bool:
        """Whether a token is needed."""
        return bool(self._token or self._people)

    def with_token(self, token: str) -> Person | None:
        """Whose token this is; None where it is nobody's."""
        if self._token:
            return ANYBODY if _equal(token, self._token) else None
        return self._people.with_token(token)

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = self._refused(request) or await _answered(request, handler)
        response.headers.update(self._headers)
        return response

    def _refused(self, request: web.Request) -> web.StreamResponse | None:
        if not self.asks and not is_loopback(host_of(f"//{request.host}")):
            return _refused(request, 403, say("refused.host", host=plain(request.host[:80])))
        if request.method not in ("GET", "HEAD") and not _ours(request):
            return _refused(request, 403, say("refused.origin"))
        needed, person = role_needed(request), self._person(request) if self.asks else ANYBODY
        if needed is None:
            return None
        if person is None:
            if request.path.startswith(("/api/", "/metrics")):
                return _refused(request, 401, say("refused.no-token"))
            return web.Response(status=303, headers={"Location": "/login"})
        if not person.may(needed):
            roles = ", ".join(sorted(person.roles))
            return _refused(request, 403, say("refused.role", role=needed, person=person.name, roles=roles))
        request[PERSON] = person
        return None

    def _person(self, request: web.Request) -> Person | None:
        header = request.headers.get("Authorization", "")
        if header.startswith("Bearer "):
            return self.with_token(header.removeprefix("Bearer "))
        given = request.cookies.get(COOKIE, "")
        if self._token:
            return ANYBODY if _equal(given, pass_of(self._token)) else None
        return self._people.with_pass(given)


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as error:
        return error.answer(request)
    except web.HTTPException as error:
        return _refused(request, error.status, say("error", detail=error.text or error.reason))
    except Exception:
        log.exception("%s %s could not be answered", request.method, request.path[:80])
        return _refused(request, 500, say("refused.failed"))


def _ours(request: web.Request) -> bool:
    origin = request.headers.get("Origin")
    return OURS in request.headers and (origin is None or origin.partition("://")[2] == request.host)


def _equal(text: str, secret: str) -> bool:
    """What a request says may hold bytes that are no characters."""
    return hmac.compare_digest(text.encode(errors="surrogateescape"), secret.encode())


def _refused(request: web.Request, status: int, sentence: Said) -> web.Response:
    return Refusal(status, sentence).answer(request)
