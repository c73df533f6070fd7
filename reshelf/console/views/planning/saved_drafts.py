"""Drafts that are kept by name: listed, saved, deleted, and approved by somebody else."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from reshelf.console.live_view import LiveView
from reshelf.console.views.drafts import drafted
from reshelf.console.views.rules import checked, once_read, text_of, version_in_force
from reshelf.people.person import Person, Role
from reshelf.rules import drafts
from reshelf.rules.topic import undeclared
from reshelf.words.said import say
from schemas.errors import BadSettings
from schemas.messages.drafts import PageDraft


def listed(view: LiveView) -> dict[str, Any]:
    """All drafts without their texts, those that wait for approval first."""
    rows = [_row(view, draft) for draft in view.drafts.by_name().values()]
    return {
        "drafts": sorted(rows, key=lambda row: not row["asked"]),
        "two_people": view.settings.publishing.two_people,
    }


def opened(view: LiveView, name: str) -> dict[str, Any]:
    """One draft with its text, what is wrong with it, and what it would change; raises ReshelfError without it."""
    draft = drafts.named(view.drafts.by_name(), name)
    return _row(view, draft) | {"text": draft.text} | checked(view, {"text": draft.text})


def saved(view: LiveView, body: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the text of `page` with `edits`, as `draft`, made from `revision`; `asked` asks for approval."""
    page = text_of(body, "page")
    rules = view.catalog.rules.get(page)
    if rules is None:
        raise undeclared(page, view.catalog.rules)
    version = body.get("version")
    draft = PageDraft(
        draft=text_of(body, "draft"),
        page=page,
        revision=_revision(body),
        text=drafted(view, body)["text"],
        version=version if isinstance(version, int) else rules.version,
        author=text_of(body, "author").strip(),
        reason=text_of(body, "reason").strip(),
        asked=body.get("asked") is True,
        saved_at=_now_ms(),
    )
    stored = drafts.save(view.settings.kafka, draft)
    view.drafts.keep(stored.draft, stored)
    return _row(view, stored) | checked(view, {"text": stored.text})


def deleted(view: LiveView, body: Mapping[str, Any]) -> dict[str, Any]:
    """Take `draft` away as `revision` was seen."""
    name = text_of(body, "draft")
    drafts.delete(view.settings.kafka, name, _revision(body))
    view.drafts.keep(name, None)
    return {"deleted": name}


def approved(view: LiveView, body: Mapping[str, Any]) -> dict[str, Any]:
    """Publish `draft` as `revision` was seen, by the name of `author`, who approves it."""
    approver = Person(text_of(body, "author").strip(), frozenset({Role.APPROVE}))
    name = text_of(body, "draft")
    published = drafts.approve(view.settings, name, _revision(body), approver, _now_ms())
    view.drafts.keep(name, None)
    return once_read(view, published)


def _row(view: LiveView, draft: PageDraft) -> dict[str, Any]:
    return {
        "draft": draft.draft,
        "page": draft.page,
        "revision": draft.revision,
        "version": draft.version,
        "in_force": version_in_force(view, draft.page),
        "author": draft.author,
        "reason": draft.reason,
        "asked": draft.asked,
        "saved_at": draft.saved_at,
    }


def _revision(body: Mapping[str, Any]) -> int:
    revision = body.get("revision", 0)
    if not isinstance(revision, int) or revision < 0:
        raise BadSettings(say("refused.revision", revision=repr(revision)))
    return revision


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
