"""Drafts of pages' rules, which are not published yet."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.messages.fields import Label, Millis, Page, Version

MOST_TEXT = 400_000


class PageDraft(Struct, frozen=True):
    """A page's file under work, by a name of its own; it may not fit yet."""

    draft: Annotated[str, Meta(min_length=1, max_length=64, description="The name of the draft.")]
    page: Page
    revision: Annotated[int, Meta(ge=1, le=2**53, description="Grows each time that it is saved.")]
    text: Annotated[str, Meta(max_length=MOST_TEXT, description="The page's file, as `reshelf rules check` takes it.")]
    version: Version = 0
    author: Annotated[Label, Meta(description="Who saved it last.")] = ""
    reason: Annotated[Label, Meta(description="Why it is to be published.")] = ""
    asked: Annotated[bool, Meta(description="Whether it waits for somebody's approval.")] = False
    saved_at: Millis = 0
