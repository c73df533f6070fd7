"""What a visitor looked at last and the segment they are in, in a first-party cookie that says nothing of who they are.

It is kept with consent alone: the cookie `consent`, which the shop's own banner sets to `yes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

COOKIE, CONSENT = "tastes", "consent"
WINDOW = 16
"""Items that the model looks at, the newest."""
MOST_BYTES, MOST_LETTERS = 2_000, 64
MONTH_S = 30 * 86_400


class Tastes(NamedTuple):
    """The segment that the visitor was in last, and what they looked at, the newest last."""

    segment: str = ""
    items: tuple[str, ...] = ()

    def with_items(self, items: Sequence[str]) -> Tastes:
        """The same after they looked at more: each item once, where it was looked at last."""
        newest = dict.fromkeys(reversed([*self.items, *items]))
        return Tastes(self.segment, tuple(reversed(list(newest)[:WINDOW])))


def consents(request: Request) -> bool:
    """Whether the visitor agreed to have pages made for them."""
    return request.cookies.get(CONSENT) == "yes"


def context_of(request: Request) -> dict[str, str]:
    """What is known of the visit before it begins: for the events and, of one of these, for the segment.

    The country is what the shop's own proxy says, and the channel what its landing pages keep in a cookie.  Without
    consent nothing is told but that.
    """
    if not consents(request):
        return {CONSENT: "no"}
    device = "phone" if "Mobi" in request.headers.get("user-agent", "") else "desktop"
    channel = unquote(request.cookies.get("channel", ""))
    visit = {"device": device, "country": request.headers.get("x-country", ""), "channel": channel}
    return {name: value[:MOST_LETTERS] for name, value in visit.items() if value}


def tastes_of(request: Request) -> Tastes:
    """What the cookie says; nothing without consent."""
    segment, *items = request.cookies.get(COOKIE, "").split(":") if consents(request) else [""]
    return Tastes(unquote(segment)[:64], tuple(unquote(item)[:128] for item in items[-WINDOW:] if item))


def encoded(tastes: Tastes) -> str:
    """The cookie's value, of bounded size: the oldest items are left out where names are long."""
    items = [quote(item, safe="") for item in tastes.items]
    while len(value := ":".join([quote(tastes.segment, safe=""), *items])) > MOST_BYTES:
        del items[0]
    return value


def keep(request: Request, answer: Response, tastes: Tastes) -> None:
    """Have the browser keep it; without consent it is taken away."""
    if consents(request):
        answer.set_cookie(COOKIE, encoded(tastes), max_age=MONTH_S, httponly=True, samesite="lax")
    elif COOKIE in request.cookies:
        answer.delete_cookie(COOKIE)
