"""Which segments each page has layouts for: those that were heard of, and those that are learned."""

from __future__ import annotations

from collections.abc import Callable

from policy.segments.rule import UNASSIGNED
from streams.catalog.page import Key
from streams.catalog.view import CatalogView
from streams.fold.deltas import WHOLE_PAGE
from streams.layouts.segments.serving import has_ended, served_segments
from streams.metrics import Registry
from streams.state.reader import StateReader

LIST_MS = 10_000.0
"""How often segments that other workers hear of are looked up."""


class PageKeys:
    """The segments of pages by requests, by what was published, by what is counted and by the model of learned ones.

    `steady` is a clock in milliseconds that is never set.
    """

    def __init__(self, catalog: CatalogView, state: StateReader, steady: Callable[[], float]) -> None:
        self._catalog = catalog
        self._state = state
        self._steady = steady
        self._segments: dict[str, set[str]] = {}
        self._listed_at = float("-inf")

    def note(self, key: Key) -> None:
        """A request named the key."""
        self._segments.setdefault(key.page, set()).add(key.segment)

    def kind_of(self, key: Key) -> str:
        """Of a page with learned segments, whether its visitors are assigned to one; empty of other keys."""
        rules = self._catalog.rules.get(key.page)
        if rules is None or not rules.has_learned_segments or key.segment == WHOLE_PAGE:
            return ""
        if key.segment == UNASSIGNED:
            return "unassigned"
        return "assigned" if key.segment in served_segments(rules, self._catalog.segment_model.model) else "other"

    def measure(self, key: Key, impressions: int, metrics: Registry) -> None:
        """Count what was seen on pages with learned segments by kind."""
        if kind := self.kind_of(key):
            metrics.add("reshelf_segment_impressions_total", key.page, kind, by=impressions)

    async def list_again(self) -> None:
        """Learn of segments whose requests go to other workers."""
        self._listed_at = self._steady()
        for page, segment in await self._state.new_keys():
            self.note(Key(page, segment))

    async def counted(self, page: str) -> set[str]:
        """The segments that the counts of a whole page are added up over."""
        if self._steady() - self._listed_at > LIST_MS:
            await self.list_again()
        return self._segments.get(page, set()) | {WHOLE_PAGE}

    def of(self, page: str) -> set[Key]:
        """All keys of a page, the whole page's among them."""
        segments = self._segments.get(page, set()) | self._catalog.segments.get(page, set())
        if page in self._catalog.rules:
            segments = segments | served_segments(self._catalog.rules[page], self._catalog.segment_model.model)
        return {Key(page, segment) for segment in segments | {WHOLE_PAGE}}

    def is_served(self, key: Key) -> bool:
        """Whether the page is declared, and the segment none of learned ones that were given up."""
        rules = self._catalog.rules.get(key.page)
        return rules is not None and not has_ended(rules, key.segment, self._catalog.segment_model.model)
