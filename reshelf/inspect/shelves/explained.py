"""An explanation of a shelf from live topics and state."""

from __future__ import annotations

from msgspec import UNSET

from reshelf.inspect.explain import declared
from reshelf.inspect.layouts_topic import newest
from reshelf.namespaces.open_state import open_state
from reshelf.settings import Settings
from schemas.errors import ReshelfError
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRules
from streams.catalog.snapshot import read_catalog
from streams.catalog.view import CatalogView
from streams.fold.deltas import WHOLE_PAGE
from streams.layouts.slates.shelf_explanation import ShelfExplanation, explain_shelf
from streams.state.reader import KeyState, StateReader


async def explained_shelf(settings: Settings, page: str, segment: str, shelf: str, now_ms: int) -> ShelfExplanation:
    """Why a shelf stands where it stands; raises `ReshelfError` where the page has no such shelf."""
    catalog = read_catalog(settings.kafka)
    check_shelf(declared(catalog, page), shelf)
    async with open_state(settings) as state:
        states = await read_states(state.reader, page, segment)
    layouts = newest(settings.kafka)
    stored = layouts.get(page, segment) or layouts.get(page, WHOLE_PAGE)
    return shelf_of_now(catalog, states, settings, stored.layout() if stored else None, (page, segment, shelf), now_ms)


async def read_states(reader: StateReader, page: str, segment: str) -> tuple[KeyState, KeyState]:
    """The counts of a segment, and those of its whole page."""
    own = await reader.read_segment(page, segment)
    return own, own if segment == WHOLE_PAGE else await reader.read_segment(page, WHOLE_PAGE)


def shelf_of_now(
    catalog: CatalogView,
    states: tuple[KeyState, KeyState],
    settings: Settings,
    published: Layout | None,
    those: tuple[str, str, str],
    now_ms: int,
) -> ShelfExplanation:
    """A shelf of a declared page; `those` are the names of page, segment and shelf."""
    page, segment, shelf = those
    return explain_shelf(shelf, segment, states, catalog.page(page), settings.layouts, published, now_ms)


def check_shelf(rules: PageRules, shelf: str) -> None:
    """Raises `ReshelfError` where the page has no such shelf."""
    names = [] if rules.shelves is UNSET else [each.name for each in rules.shelves]
    if not names:
        raise ReshelfError(f"page {rules.page!r} has no shelves: it is a list of slots (`reshelf rules show`)")
    if shelf not in names:
        raise ReshelfError(f"page {rules.page!r} has no shelf {shelf!r}; it has: {', '.join(names)}")
