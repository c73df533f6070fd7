"""Drafts by name on a topic of their own: saved, deleted, and published by whoever approves them.

Each save has a further revision, and says which one it was made from; of two who change the same one the later is
refused.  Where publishing needs two people, an approval is the only way: nobody approves what they saved themselves,
and what is approved is the very revision that was seen.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from reshelf.people.person import Person
from reshelf.rules.file import read
from reshelf.rules.segments import SegmentCheck
from reshelf.rules.topic import Overtaken, publish, records
from reshelf.settings import Settings
from reshelf.topics.publish import deliver
from reshelf.words.said import got, plain, say
from schemas.codec import encode, encode_key
from schemas.errors import BadSettings, ReshelfError
from schemas.messages.drafts import MOST_TEXT, PageDraft
from schemas.messages.pages import PageRules
from schemas.topics import PAGE_DRAFTS
from streams.settings import KafkaSettings

LONGEST_NAME = 64
LONGEST_REASON = 256
MOST_DRAFTS = 500
"""More than anybody works on at a time: the topic is read whole."""
WAIT_FOR_ANOTHER = say("draft.two-people")


def drafts(kafka: KafkaSettings) -> dict[str, PageDraft]:
    """All drafts by name; raises Transient where the topic cannot be read."""
    newest: dict[str, PageDraft] = {}
    for name, draft in records(kafka, PAGE_DRAFTS, PageDraft):
        if draft is None:
            newest.pop(name, None)
        else:
            newest[name] = draft
    return dict(sorted(newest.items()))


def draft_of(kafka: KafkaSettings, name: str) -> PageDraft:
    """One draft; raises `ReshelfError` where there is none."""
    return named(drafts(kafka), name)


def named(there: Mapping[str, PageDraft], name: str) -> PageDraft:
    """One of the drafts that there are; raises `ReshelfError` where it is none of them."""
    if name not in there:
        others = ", ".join(there) or say("none")
        raise ReshelfError(say("draft.unknown", draft=plain(name[:LONGEST_NAME]), drafts=others))
    return there[name]


def save(kafka: KafkaSettings, draft: PageDraft) -> PageDraft:
    """Keep a draft as the revision behind its own, which is 0 where it is new.

    Raises `BadSettings` for what is too long or too much, `Overtaken` where another revision is there.
    """
    name = draft.draft.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadSettings(say("draft.name", most=LONGEST_NAME, got=got(name[:80])))
    if len(draft.text) > MOST_TEXT or len(draft.reason) > LONGEST_REASON:
        raise BadSettings(say("draft.long", text=MOST_TEXT, reason=LONGEST_REASON))
    if draft.asked and len(draft.reason.strip()) < 2:
        raise BadSettings(say("draft.why"))
    there = drafts(kafka)
    _require_revision(there.get(name), draft.revision)
    if name not in there and len(there) >= MOST_DRAFTS:
        raise BadSettings(say("draft.many", count=len(there), most=MOST_DRAFTS))
    saved = msgspec.structs.replace(draft, draft=name, revision=draft.revision + 1)
    deliver(kafka, PAGE_DRAFTS, [(encode_key(PAGE_DRAFTS, name), encode(saved))])
    return saved


def delete(kafka: KafkaSettings, name: str, revision: int) -> None:
    """Take a draft away as it was seen; raises `ReshelfError` where there is none, `Overtaken` for another revision."""
    _require_revision(draft_of(kafka, name), revision)
    deliver(kafka, PAGE_DRAFTS, [(encode_key(PAGE_DRAFTS, name), None)])


def approve(settings: Settings, name: str, revision: int, approver: Person, now_ms: int) -> list[PageRules]:
    """Publish a draft as it was seen, as its author's, with who approved it in the reason; then it is gone.

    Raises `BadSettings` where it does not wait for approval, does not fit, or is the approver's own, and `Overtaken`
    where it, or its page, is another by now.
    """
    kafka = settings.kafka
    draft = draft_of(kafka, name)
    _require_revision(draft, revision)
    if not draft.asked:
        raise BadSettings(say("draft.not-asked", draft=plain(name)))
    if not approver.name or not draft.author or approver.name == draft.author:
        raise BadSettings(say("draft.own", draft=plain(name), author=draft.author or say("draft.nobody")))
    pages = read(draft.text, say("draft.source", draft=plain(name)), settings.shop.zone, SegmentCheck(settings))
    if [page.page for page in pages] != [draft.page]:
        raise BadSettings(say("draft.pages", draft=plain(name), page=plain(draft.page), count=len(pages)))
    behind = f" (approved by {approver.name})"
    reason = draft.reason[: LONGEST_REASON - len(behind)] + behind
    published = publish(kafka, pages, draft.author, reason, now_ms, {draft.page: draft.version})
    deliver(kafka, PAGE_DRAFTS, [(encode_key(PAGE_DRAFTS, name), None)])
    return published


def _require_revision(there: PageDraft | None, revision: int) -> None:
    now = 0 if there is None else there.revision
    if now != revision:
        if there is None:
            raise Overtaken(say("draft.gone", revision=str(revision)))
        who = there.author or say("somebody")
        raise Overtaken(say("draft.saved", who=who, now=str(now), revision=str(revision)))
