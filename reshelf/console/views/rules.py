"""Merchandisers' rules: shown, checked, published, taken back.  The only thing that the console writes."""

from __future__ import annotations

import difflib
import time
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import UNSET

from reshelf.console.live_view import LiveView
from reshelf.rules import topic
from reshelf.rules.drafts import WAIT_FOR_ANOTHER
from reshelf.rules.file import check, read, written
from reshelf.rules.lint import lint
from reshelf.rules.segments import SegmentCheck
from reshelf.words.said import got, say
from schemas.errors import BadSettings
from schemas.messages.pages import PageRules
from schemas.rules import Pin

SHORTEST = 2
READ_S, READ_AGAIN_S = 6.0, 0.02
TITLES = 20
"""Items of one rule that are told by their titles."""
SIGNED = {"author": "refused.author", "reason": "refused.why"}
"""What is said where one of them lacks."""


def rules_content(view: LiveView, page: PageRules) -> dict[str, Any]:
    """What is in force for a page, as a text to edit, and its history, newest first."""
    history, zone = view.rules_history.versions(page), view.settings.shop.zone
    return {
        "page": page.page,
        "version": page.version,
        "text": page_text(page, zone),
        "time_zone": view.settings.shop.time_zone,
        "rules": msgspec.to_builtins(page.rules),
        "titles": titles(view, page),
        "shelves": pinned_shelves(page),
        "segments": sorted(view.catalog.segments.get(page.page, ())),
        "history": [
            view.rules_history.row(rules, before, partial(_version, rules, before, zone))
            for before, rules in reversed(list(pairwise([None, *history])))
            if rules is not None
        ],
    }


def titles(view: LiveView, page: PageRules) -> dict[str, str]:
    """What people call the items that rules name."""
    matches = [match for rule in page.rules if (match := getattr(rule, "match", None))]
    named = [rule.item for rule in page.rules if isinstance(rule, Pin)]
    named += [item for match in matches for item in match.items[:TITLES]]
    return {item: view.catalog.texts[item].title for item in named if item in view.catalog.texts}


def pinned_shelves(page: PageRules) -> dict[str, str]:
    """The row that each shelf of a page is pinned to, empty where it may move."""
    return {shelf.name: shelf.pinned for shelf in (() if page.shelves is UNSET else page.shelves)}


def checked(view: LiveView, body: Mapping[str, Any]) -> dict[str, Any]:
    """What is wrong with `text`, what it would change, and what one should know before."""
    zone = view.settings.shop.zone
    pages, wrong = check(text_of(body, "text"), zone, SegmentCheck(view.settings))
    return {
        "wrong": [{"line": line, "text": said} for line, said in wrong],
        "changes": [] if wrong else [line for page in pages for line in _changes(view.catalog.rules, page, zone)],
        "warnings": [said for page in pages for said in lint(page, view.catalog.items)],
    }


def published(view: LiveView, body: Mapping[str, Any]) -> dict[str, Any]:
    """Publish `text`, made from `version` of `page`, by `author` for `reason`; ReshelfError if it does not fit."""
    if view.settings.publishing.two_people:
        raise BadSettings(WAIT_FOR_ANOTHER)
    author, reason = _signed(body, "author", "reason")
    pages = read(text_of(body, "text"), say("publish.the-text"), view.settings.shop.zone, SegmentCheck(view.settings))
    version = body.get("version")
    # Of other pages that the text names nobody saw what is in force: only new ones are published.
    base = dict.fromkeys((page.page for page in pages), 0)
    base[text_of(body, "page")] = version if isinstance(version, int) else 0
    versions = topic.publish(view.settings.kafka, pages, author, reason, _now_ms(), base)
    return once_read(view, versions)


def taken_back(view: LiveView, body: Mapping[str, Any]) -> dict[str, Any]:
    """Publish an earlier `version` of `page` once more, in place of `base`; raises ReshelfError where there is none."""
    author, reason = _signed(body, "author")
    page, version, base = body.get("page"), body.get("version"), body.get("base")
    if not isinstance(page, str) or not isinstance(version, int):
        raise BadSettings(say("refused.back-to", page=repr(page), version=repr(version)))
    if not isinstance(base, int):
        raise BadSettings(say("refused.base", base=repr(base)))
    rules = topic.roll_back(view.settings.kafka, page, version, author, reason, _now_ms(), base)
    return once_read(view, [rules])


def once_read(view: LiveView, published: Sequence[PageRules]) -> dict[str, Any]:
    """Tell what was published when the console has read it as everybody does, or is `READ_S` late.

    Whoever was told so and looks, or publishes again, then has that version before them.
    """
    for page in published:
        view.rules_history.keep(page)
    end = time.monotonic() + READ_S
    while time.monotonic() < end and any(version_in_force(view, page.page) < page.version for page in published):
        time.sleep(READ_AGAIN_S)
    return {"published": [{"page": page.page, "version": page.version} for page in published]}


def version_in_force(view: LiveView, page: str) -> int:
    """Of a page as the console knows it, 0 where nobody declared it."""
    rules = view.catalog.rules.get(page)
    return rules.version if rules else 0


def _signed(body: Mapping[str, Any], *needed: str) -> tuple[str, str]:
    """Who and why; raises BadSettings where one that is needed is missing."""
    said = {name: text_of(body, name).strip()[:256] for name in ("author", "reason")}
    for name in needed:
        if len(said[name]) < SHORTEST:
            raise BadSettings(say(SIGNED[name], least=SHORTEST, got=got(said[name])))
    return said["author"], said["reason"]


def text_of(body: Mapping[str, Any], name: str) -> str:
    """A text of the body, empty where there is none; raises BadSettings for what is no text."""
    text = body.get(name, "")
    if not isinstance(text, str):
        raise BadSettings(say("refused.text", name=name, type=type(text).__name__))
    return text


def _changes(declared: Mapping[str, PageRules], page: PageRules, zone: tzinfo) -> list[str]:
    """The lines that come and go, with what stands around them."""
    before = page_text(declared[page.page], zone).splitlines() if page.page in declared else []
    return list(difflib.unified_diff(before, page_text(page, zone).splitlines(), lineterm="", n=1))[2:]


def page_text(page: PageRules, zone: tzinfo) -> str:
    """The page as a file of this one page, which is a list in `written`."""
    return "".join(line[2:] for line in written([page], zone).splitlines(keepends=True))


def _version(page: PageRules, before: PageRules | None, zone: tzinfo) -> dict[str, Any]:
    declared = {before.page: before} if before else {}
    return {
        "version": page.version,
        "author": page.author,
        "reason": page.reason,
        "published_at": page.published_at,
        "rules": len(page.rules),
        "changes": _changes(declared, page, zone) if before else [],
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
