"""Notices together, as one message for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from reshelf.words.catalog import ENGLISH
from reshelf.words.said import in_language, say

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


def subject(notices: Sequence[Notice], language: str = ENGLISH) -> str:
    """One line for all of them."""
    first, more = " ".join(in_language(notices[0].text, language).split())[:120], len(notices) - 1
    said = say("notice.subject-more", first=first, count=more) if more else say("notice.subject", first=first)
    return in_language(said, language)


def text(notices: Sequence[Notice], console: str, language: str = ENGLISH) -> str:
    """A paragraph for each, with its link."""
    texts = [(in_language(notice.text, language), notice.link(console)) for notice in notices[:MOST]]
    parts = ["\n".join(filter(None, pair)) for pair in texts]
    if len(notices) > MOST:
        parts.append(in_language(say("notice.left-out", count=len(notices) - MOST), language))
    return "\n\n".join(parts)


def payload(notices: Sequence[Notice], console: str, language: str = ENGLISH) -> dict[str, Any]:
    """What a webhook gets: `text` alone is what chats show."""
    return {
        "text": text(notices, console, language),
        "notices": [
            {
                "kind": notice.kind,
                "page": notice.page,
                "text": in_language(notice.text, language),
                "link": notice.link(console),
            }
            for notice in notices[:MOST]
        ],
        "left_out": max(0, len(notices) - MOST),
    }
