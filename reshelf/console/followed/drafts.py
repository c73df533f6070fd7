"""The drafts that are kept by name, as far as they were read, and those that this console changed itself."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.codec import decode_key, decoder
from schemas.errors import BadRecord
from schemas.messages.drafts import PageDraft
from schemas.topics import PAGE_DRAFTS

_decode = decoder(PageDraft)


class Drafts:
    """Newest revision of each draft; whoever changes one asks the topic itself which revision that is."""

    def __init__(self) -> None:
        self._newest: dict[str, PageDraft] = {}

    def by_name(self) -> Mapping[str, PageDraft]:
        """All drafts in the order of their names."""
        return dict(sorted(self._newest.items()))

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take over a record; what is no draft is skipped."""
        try:
            (name,) = decode_key(PAGE_DRAFTS, key)
            self.keep(name, _decode(value) if value else None)
        except BadRecord:
            return

    def keep(self, name: str, draft: PageDraft | None) -> None:
        """A draft is this one now, None where it is gone."""
        if draft is None:
            self._newest.pop(name, None)
        else:
            self._newest[name] = draft
