"""Notices together, as one message for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

MOST = 20
"""Notices that one message lists."""


class Notice(NamedTuple):
    """Something that people are told once while it lasts.

    `about` names it within its kind, `text` says it with the next step, `place` is the console's page and `page` the
    shop's, empty where it is about none.
    """

    kind: str
    about: str
    text: str
    place: str
    page: str = ""

    @property
    def key(self) -> str:
        """What makes it the same as before."""
        return f"{self.kind}\n{self.about}"

    def link(self, console: str) -> str:
        """Where it can be looked at, under the address of a console; empty without one."""
        page = f"?page={quote(self.page, safe='')}" if self.page else ""
        return f"{console.rstrip('/')}/#{self.place}{page}" if console else ""


def subject(notices: Sequence[Notice]) -> str:
    """One line for all of them."""
    first = " ".join(notices[0].text.split())
    more = f" (and {len(notices) - 1} more)" if len(notices) > 1 else ""
    return f"Reshelf: {first[:120]}{more}"


def text(notices: Sequence[Notice], console: str) -> str:
    """A paragraph for each, with its link."""
    parts = ["\n".join(filter(None, (notice.text, notice.link(console)))) for notice in notices[:MOST]]
    if len(notices) > MOST:
        parts.append(f"and {len(notices) - MOST} more, which the console shows")
    return "\n\n".join(parts)


def payload(notices: Sequence[Notice], console: str) -> dict[str, Any]:
    """What a webhook gets: `text` alone is what chats show."""
    return {
        "text": text(notices, console),
        "notices": [
            {"kind": notice.kind, "page": notice.page, "text": notice.text, "link": notice.link(console)}
            for notice in notices[:MOST]
        ],
        "left_out": max(0, len(notices) - MOST),
    }
