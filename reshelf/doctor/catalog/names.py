"""Whether names, prices and times in catalog and events can be meant as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple

from reshelf.doctor.catalog.pictures import picture_findings
from reshelf.doctor.catalog.topics import CatalogTopics
from reshelf.doctor.finding import Finding
from reshelf.namespaces.open_state import open_state
from reshelf.numbers import number
from reshelf.settings import Settings
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules
from schemas.similar_names import SimilarNames, folded
from streams.state.arrays.tables import Table
from streams.state.manifest import NamespaceMissing

MOST_PAGES = 20
"""Pages of whose counts, those of one segment, the names are looked at."""
SHOWN = 3


class NamesOfEvents(NamedTuple):
    """Names that events brought to a page."""

    items: set[str]
    slots: set[str]


def look_at_names(settings: Settings, catalog: CatalogTopics) -> Iterator[Finding]:
    """Names that differ by Unicode form, case or blanks alone, and prices in another currency than the shop's."""
    items, declared = catalog.items, catalog.pages
    counted, of_events = _counted(settings)
    yield from name_findings(items, declared, counted)
    yield from event_findings(items, declared, of_events)
    yield from currency_findings(items, settings.fold.currency)
    yield from day_findings(settings)
    yield from picture_findings(items, settings.pictures)


def name_findings(
    items: Mapping[str, CatalogItem], declared: Mapping[str, PageRules], counted: Mapping[str, set[str]]
) -> Iterator[Finding]:
    """Names that people would take for one: of the catalog, of declared pages, and of pages with counts."""
    said = list(SimilarNames("item").take_all(items))
    said += SimilarNames("category").take_all(dict.fromkeys(item.category for item in items.values()))
    said += SimilarNames("brand").take_all(dict.fromkeys(item.brand for item in items.values()))
    said += SimilarNames("tag").take_all(dict.fromkeys(chain.from_iterable(item.tags for item in items.values())))
    said += SimilarNames("page").take_all([*declared, *sorted(counted.keys() - declared.keys())])
    for page, segments in sorted(counted.items()):
        said += (f"on page {page!r}, {text}" for text in SimilarNames("segment").take_all(sorted(segments)))
    for page, rules in declared.items():
        said += (f"on page {page!r}, {text}" for text in SimilarNames("slot").take_all(rules.slots))
    if said:
        more = f", and {number(len(said) - SHOWN)} more" if len(said) > SHOWN else ""
        yield Finding("similar names", "note", "; ".join(said[:SHOWN]) + more, "Write each name the same everywhere.")
    elif items or counted:
        yield Finding("similar names", "ok", "none differ by Unicode form, case or blanks alone")


def event_findings(
    items: Mapping[str, CatalogItem], declared: Mapping[str, PageRules], of_events: Mapping[str, NamesOfEvents]
) -> Iterator[Finding]:
    """Items and slots in events that catalog and pages write otherwise: layouts do not learn from these events."""
    by_form = {folded(name): name for name in items}
    said = list[str]()
    for page, names in sorted(of_events.items()):
        rules = declared.get(page)
        if rules is None:
            continue
        slots, arms = {folded(slot): slot for slot in rules.slots}, {*items, *rules.blocks}
        for kind, brought, own, forms in (
            ("item", names.items, arms, by_form),
            ("slot", names.slots, set(rules.slots), slots),
        ):
            said += (
                f"{kind} {name!r} of page {page!r} is {forms[folded(name)]!r} there"
                for name in sorted(brought - own)
                if folded(name) in forms
            )
    if said:
        more = f", and {number(len(said) - SHOWN)} more" if len(said) > SHOWN else ""
        remedy = "Write names in events as catalog and rules do: layouts learn nothing from these events."
        yield Finding("names in events", "bad", "; ".join(said[:SHOWN]) + more, remedy)


def currency_findings(items: Mapping[str, CatalogItem], currency: str) -> Iterator[Finding]:
    """Items with a price in another currency: prices are compared with each other as they are."""
    foreign = [item for item in items.values() if item.price and item.currency != currency]
    if foreign:
        first = foreign[0]
        yield Finding(
            "prices",
            "note",
            f"{number(len(foreign))} of {number(len(items))} items are not in {currency}, {first.item!r} is in "
            f"{first.currency}",
            "Publish prices in fold.currency, and name the currency in each item (without one it is EUR).",
        )


def day_findings(settings: Settings, now: datetime | None = None) -> Iterator[Finding]:
    """Whether the shop's days begin with a time bucket, which sponsored budgets are counted by."""
    offset = (now or datetime.now(UTC)).astimezone(settings.shop.zone).utcoffset()
    width = settings.fold.bucket_ms
    if offset and width and round(offset.total_seconds() * 1000) % width:
        yield Finding(
            "days",
            "note",
            f"in {settings.shop.time_zone} they begin within a time bucket (fold.bucket_ms {number(width)}): what "
            "sponsored rules showed before and after midnight is estimated by its time",
            "Nothing needs to be done; a namespace with fold.bucket_ms 3600000 counts them nearly exactly.",
        )


def _counted(settings: Settings) -> tuple[dict[str, set[str]], dict[str, NamesOfEvents]]:
    """The segments of each page with counts, and names in those of some; none where there is no namespace yet."""

    async def read() -> tuple[dict[str, set[str]], dict[str, NamesOfEvents]]:
        async with open_state(settings) as state:
            segments = await state.reader.segments()
            some = [(page, min(segments[page])) for page in sorted(segments)[:MOST_PAGES]]
            tables = {page: (await state.reader.read(page, segment)).tables for page, segment in some}
            return segments, {page: _names_of(of_page) for page, of_page in tables.items()}

    try:
        return asyncio.run(read())
    except NamespaceMissing:
        return {}, {}


def _names_of(tables: Sequence[Table]) -> NamesOfEvents:
    return NamesOfEvents(
        {name for table in tables for name in table.items}, {name for table in tables for name in table.slots}
    )
