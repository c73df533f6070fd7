"""Whether learned segments show their visitors as many categories as the whole page does."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from policy.assignment import own_slates
from policy.segments.rule import UNASSIGNED
from reshelf.doctor.catalog.topics import CatalogTopics
from reshelf.doctor.finding import Finding
from reshelf.numbers import number
from reshelf.settings import Settings
from schemas.codec import decode_key, decoder
from schemas.errors import BadRecord
from schemas.messages.layouts import Layout
from schemas.topics import LAYOUTS
from streams.fold.deltas import WHOLE_PAGE
from streams.kafka.reader import read_runs
from streams.layouts.segments.serving import is_learned

LEAST_SHARE = 0.5
"""Of the categories that a visitor sees on the page as it is for all: a segment that shows less is told of."""
LEAST_CATEGORIES = 3.0
"""A page that shows fewer for all cannot be told to narrow."""

_decode = decoder(Layout)
Layouts = Mapping[tuple[str, str], Layout]


def look_at_variety(settings: Settings, catalog: CatalogTopics) -> Iterator[Finding]:
    """Of pages with learned segments; nothing where there is no page."""
    if pages := {name for name, rules in catalog.pages.items() if rules.has_learned_segments}:
        yield from variety_findings(_layouts(settings, pages), catalog.categories())


def variety_findings(layouts: Layouts, categories: Mapping[str, str]) -> Iterator[Finding]:
    """Pages on which visitors of a learned segment see far fewer categories than the page shows for all."""
    for page in sorted({page for page, segment in layouts if segment == WHOLE_PAGE}):
        whole = seen_categories(layouts[page, WHOLE_PAGE], categories)
        if whole < LEAST_CATEGORIES:
            continue
        own = {
            segment: seen_categories(layout, categories)
            for (name, segment), layout in sorted(layouts.items())
            if name == page and is_learned(segment) and segment != UNASSIGNED
        }
        narrow = [f"{segment} {number(seen, 1)}" for segment, seen in own.items() if seen < LEAST_SHARE * whole]
        about = f"variety of {page}"
        if narrow:
            observation = (
                f"a visitor sees {number(whole, 1)} categories on the page for all, in segments {', '.join(narrow)}"
            )
            remedy = "Add a rule `cap` by category (docs/concepts/rules.md), or more `exploration` to its policy."
            yield Finding(about, "note", observation, remedy)
        elif own:
            yield Finding(
                about, "ok", f"segments show {number(min(own.values()), 1)} categories and more, all {number(whole, 1)}"
            )


def seen_categories(layout: Layout, categories: Mapping[str, str]) -> float:
    """How many categories a visitor sees on the page: the mean over the slates of the page's own policy."""
    counts = [len({categories[item] for item in slate.values() if item in categories}) for slate in own_slates(layout)]
    return sum(counts) / len(counts) if counts else 0.0


def _layouts(settings: Settings, pages: Collection[str]) -> Layouts:
    """The newest layouts of these pages."""
    newest: dict[tuple[str, str], Layout] = {}
    for _, records in read_runs(settings.kafka, LAYOUTS):
        for record in records:
            with suppress(BadRecord):
                page, segment = decode_key(LAYOUTS, record.key)
                if page not in pages:
                    continue
                newest.pop((page, segment), None)
                if record.value:
                    newest[page, segment] = _decode(record.value)
    return newest
