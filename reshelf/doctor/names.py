"""Whether names, prices and times in catalog and events can be meant as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from typing import TypeVar

from msgspec import Struct

from reshelf.doctor.finding import Finding
from reshelf.namespaces.open_state import open_state
from reshelf.settings import Settings
from schemas.codec import decoder
from schemas.errors import BadRecord
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules
from schemas.similar_names import SimilarNames
from schemas.topics import CATALOG_ITEMS, PAGE_RULES, Topic
from streams.kafka.reader import read_runs
from streams.settings import KafkaSettings
from streams.state.manifest import NamespaceMissing

M = TypeVar("M", bound=Struct)
MOST_ITEMS = 100_000
"""Records of the catalog that are looked at."""
SHOWN = 3


def look_at_names(settings: Settings) -> Iterator[Finding]:
    """Names that differ by Unicode form, case or blanks alone, and prices in another currency than the shop's."""
    items = _newest(settings.kafka, CATALOG_ITEMS, CatalogItem, MOST_ITEMS)
    declared = _newest(settings.kafka, PAGE_RULES, PageRules, MOST_ITEMS)
    yield from name_findings(items, declared, _counted(settings))
    yield from currency_findings(items, settings.fold.currency)
    yield from day_findings(settings)


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
        more = f", and {len(said) - SHOWN:,} more" if len(said) > SHOWN else ""
        yield Finding("similar names", "note", "; ".join(said[:SHOWN]) + more, "Write each name the same everywhere.")
    elif items or counted:
        yield Finding("similar names", "ok", "none differ by Unicode form, case or blanks alone")


def currency_findings(items: Mapping[str, CatalogItem], currency: str) -> Iterator[Finding]:
    """Items with a price in another currency: prices are compared with each other as they are."""
    foreign = [item for item in items.values() if item.price and item.currency != currency]
    if foreign:
        first = foreign[0]
        yield Finding(
            "prices",
            "note",
            f"{len(foreign):,} of {len(items):,} items are not in {currency}, {first.item!r} is in {first.currency}",
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
            f"in {settings.shop.time_zone} they begin within a time bucket (fold.bucket_ms {width:,}): what sponsored "
            "rules showed before and after midnight is estimated by its time",
            "Nothing needs to be done; a namespace with fold.bucket_ms 3600000 counts them nearly exactly.",
        )


def _newest(kafka: KafkaSettings, topic: Topic, message: type[M], most: int) -> dict[str, M]:
    """What a compacted topic says of each key, as far as its first `most` records; what cannot be read is left out."""
    entries, decode, seen = dict[str, M](), decoder(message), 0
    for _, records in read_runs(kafka, topic):
        for record in records:
            name = (record.key or b"").decode(errors="replace")
            entries.pop(name, None)
            with suppress(BadRecord):
                if record.value:
                    entries[name] = decode(record.value)
        seen += len(records)
        if seen >= most:
            break
    return entries


def _counted(settings: Settings) -> dict[str, set[str]]:
    """The segments of each page with counts; none where there is no namespace yet."""

    async def read() -> dict[str, set[str]]:
        async with open_state(settings) as state:
            return await state.reader.segments()

    try:
        return asyncio.run(read())
    except NamespaceMissing:
        return {}
