"""Pages that can be declared, and not be published yet."""

from __future__ import annotations

from collections.abc import Iterator

from policy.rules.kind import Problem
from schemas.messages.pages import PageRules


def uncomposed(page: PageRules) -> Iterator[Problem]:
    """Why a page that makes sense cannot be published: layout workers do not compose pages with shelves yet."""
    if page.has_shelves:
        yield Problem("rows", "pages with shelves cannot be published yet: layout workers do not compose them")
