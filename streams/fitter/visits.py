"""What page views as wholes say of a page, fitted again when the sample has grown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from policy.items import ItemFacts
from policy.model.visits.choice import VisitHistory
from schemas.messages.pages import PageRules
from schemas.messages.parameters import PolicyParameters, VisitFit
from streams.fitter.view_reader import ViewReader
from streams.fitter.view_sample import snapshot

GROWTH = 0.1
"""By which share of the sample page views came before it is looked at again."""


class VisitFitter:
    """What is known of each page, with how many page views had come by then."""

    def __init__(self, reader: ViewReader) -> None:
        self._reader = reader
        self._pages: dict[str, tuple[int, VisitHistory]] = {}

    def fit(self, rules: PageRules, items: Mapping[str, ItemFacts], before: PolicyParameters | None) -> VisitFit | None:
        """What is known by the sample and by earlier ones; None where that is nothing.

        `before` are the page's parameters by now: a worker that has just begun goes on from what they say.
        """
        if not self._reader.limit:
            return None
        came, views = self._reader.views(rules.page)
        earlier, history = self._pages.get(rules.page) or (0, VisitHistory((before.visits or None) if before else None))
        if earlier and came - earlier < GROWTH * len(views):
            return history.latest
        categories = {name: item.category for name, item in items.items()}
        sample = snapshot(views, rules.slots, categories, before.left_out if before else ())
        self._pages[rules.page] = came, history
        return history.add(came, *sample)

    def keep_pages(self, pages: Sequence[str]) -> None:
        """Forget all pages but these."""
        self._pages = {page: fit for page, fit in self._pages.items() if page in pages}
        self._reader.keep_pages(pages)

    async def follow(self) -> None:
        """Take page views in."""
        await self._reader.follow()
