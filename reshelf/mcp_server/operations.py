"""What can be asked and done, whoever asks and by whatever protocol."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from reshelf.console.live_view import LiveView, State
from reshelf.console.views.drafts import drafted, previewed
from reshelf.console.views.explanation import why, why_shelf
from reshelf.console.views.pipeline import warnings
from reshelf.console.views.planning.rule_earnings import rules_report
from reshelf.console.views.planning.saved_drafts import listed, opened, saved
from reshelf.console.views.rules import published, rules_content, taken_back
from reshelf.console.views.shop import shop, titled
from reshelf.inspect.trials.pages import VISITOR
from reshelf.numbers import between, number, outcome, signed
from reshelf.people.person import Person, Role
from schemas.errors import ReshelfError
from schemas.messages.pages import PageRules
from streams.fold.deltas import WHOLE_PAGE

Content = dict[str, Any]
PER = 1_000
REASON = 256
VERSIONS = 20
"""Versions of a page that an answer tells of, the newest."""


class Forbidden(ReshelfError):
    """Somebody lacks a role."""


class Operations:
    """For one person after the other, on what a console sees."""

    def __init__(self, view: LiveView) -> None:
        self._view = view

    async def pages(self, person: Person) -> Content:
        """Declared pages with their segments, what is not as it should be, and what this person may do."""
        _require(person, Role.LOOK)
        return {
            "pages": self._view.pages(),
            "warnings": warnings(self._view, _now_ms()),
            "person": person.name,
            "roles": sorted(person.roles),
        }

    async def look(self, person: Person, page: str, segment: str = WHOLE_PAGE, unit: str = VISITOR) -> Content:
        """What a visitor of a segment sees now, slot by slot, with titles."""
        _require(person, Role.LOOK)
        return shop(self._view, self._rules(page).page, segment, unit, _now_ms())

    async def rules(self, person: Person, page: str) -> Content:
        """The page's file, its version, and who changed what when and why, newest first."""
        _require(person, Role.LOOK)
        content = await asyncio.to_thread(rules_content, self._view, self._rules(page))
        return content | {"history": content["history"][:VERSIONS]}

    async def report(self, person: Person, page: str) -> Content:
        """What each rule in force has cost or earned so far."""
        _require(person, Role.LOOK)
        return await rules_report(self._view, self._rules(page))

    async def explain(
        self, person: Person, page: str, slot: str = "", item: str = "", segment: str = WHOLE_PAGE, shelf: str = ""
    ) -> Content:
        """What led to an item in a slot, or to a shelf in its row."""
        _require(person, Role.LOOK)
        rules, state, now_ms = self._rules(page), self._state(), _now_ms()
        if shelf and rules.has_shelves:
            return dict(await why_shelf(self._view, state, rules, segment, shelf, now_ms))
        return dict(await why(self._view, state, rules, segment, (slot, item), now_ms))

    async def search(self, person: Person, page: str, words: str) -> Content:
        """Items of the catalog whose titles have these words, and whether the page may show each."""
        _require(person, Role.LOOK)
        return await titled(self._view, self._rules(page).page, words)

    async def check(self, person: Person, page: str, text: str = "", edits: list[Content] | None = None) -> Content:
        """The file with edits made on it, what is wrong with it, and what it would change; nothing is kept."""
        _require(person, Role.LOOK)
        body = {"page": self._rules(page).page, "text": text, "edits": edits or []}
        return await asyncio.to_thread(drafted, self._view, body)

    async def preview(self, person: Person, page: str, text: str = "", edits: list[Content] | None = None) -> Content:
        """What the file with edits made on it is expected to change, in all and rule by rule; nothing is published."""
        _require(person, Role.LOOK)
        content = await previewed(self._view, {"page": page, "text": text, "edits": edits or []})
        return {name: value for name, value in content.items() if name != "sides"}

    async def drafts(self, person: Person, name: str = "") -> Content:
        """All drafts, or one with its text, what is wrong with it, and what it would change."""
        _require(person, Role.LOOK)
        return await (asyncio.to_thread(opened, self._view, name) if name else asyncio.to_thread(listed, self._view))

    async def save_draft(self, person: Person, draft: Content) -> Content:
        """Keep a draft: its name as `draft`, `page`, `revision`, `text` or `edits`, `reason`, and `asked`."""
        _require(person, Role.EDIT)
        return await asyncio.to_thread(saved, self._view, draft | {"author": person.name})

    async def publish(
        self, person: Person, page: str, version: int, reason: str, text: str = "", edits: list[Content] | None = None
    ) -> Content:
        """Publish the file with edits made on it, in place of `version`, with its price in the history."""
        _require(person, Role.PUBLISH)
        draft = await self.check(person, page, text, edits)
        if draft["wrong"]:
            return {"published": [], "wrong": draft["wrong"]}
        price = await self.preview(person, page, draft["text"])
        signed = f"{reason.strip()} [{price_in_words(price)}]" if len(reason.strip()) > 1 else ""
        body = {
            "page": page,
            "text": draft["text"],
            "version": version,
            "author": person.name,
            "reason": signed[:REASON],
        }
        done = await asyncio.to_thread(published, self._view, body)
        return done | {"price": {name: price[name] for name in ("change", "rules", "page_views_per_day", "currency")}}

    async def roll_back(self, person: Person, page: str, version: int, base: int, reason: str) -> Content:
        """Publish an earlier version once more, in place of `base`."""
        _require(person, Role.PUBLISH)
        body = {"page": page, "version": version, "base": base, "author": person.name, "reason": reason[:REASON]}
        return await asyncio.to_thread(taken_back, self._view, body)

    def _rules(self, page: str) -> PageRules:
        rules = self._view.catalog.rules.get(page)
        if rules is None:
            declared = ", ".join(sorted(self._view.catalog.rules)) or "none yet"
            raise ReshelfError(f"no page {page!r} is declared. Declared are: {declared}")
        return rules

    def _state(self) -> State:
        if self._view.state is None:
            raise ReshelfError("no worker has made the state yet: start `reshelf worker`")
        return self._view.state


def price_in_words(preview: Mapping[str, Any]) -> str:
    """The expected change of clicks and revenue, for the history."""
    per_day = preview["page_views_per_day"] is not None
    parts = []
    for name in ("clicks", "revenue"):
        if (change := preview["change"][name]) is None:
            continue
        interval, times = (change["per_day"], 1) if per_day else (change["per_page_view"], PER)
        mean, low, high = (times * interval[side] for side in ("mean", "low", "high"))
        form = partial(signed, form=partial(outcome, name, currency=preview["currency"]))
        parts.append(f"{name} {form(mean)} ({between(low, high, form)})")
    return f"expected {'a day' if per_day else f'in {number(PER)} page views'}: {', '.join(parts)}"


def _require(person: Person, role: Role) -> None:
    if not person.may(role):
        has = ", ".join(sorted(person.roles)) or "none"
        raise Forbidden(f"this needs the role {role}; {person.name or 'who has no token'} has: {has}")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
