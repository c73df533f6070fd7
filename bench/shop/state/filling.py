"""The state of a shop, written into Redis by the project's own keys and formats, without the fold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.shop.catalog import NEW_PAGE, Shop, number_in, page_name
from bench.shop.state.counts import SHARES, PageDays
from bench.state.encoding import bins_part, merged_parts, table_parts
from bench.state.writing import StateWriter
from schemas.topics import DAY_MS
from streams.fold.buckets import span_of
from streams.fold.deltas import WHOLE_PAGE, TableKey, Traffic
from streams.fold.measures import BINS
from streams.settings import FoldSettings, RedisSettings
from streams.state.connection.client import redis_client

SAMPLE = 64
"""Tables that the size of the whole state is estimated from."""
KEY_BYTES = 170
"""What Redis takes for a key beside its value, its name included."""
ROOM = 0.5
"""Of the memory that is free: more the state may not take."""
SAID = 10
Say = Callable[[str], None]


class Span(NamedTuple):
    """Where a span of buckets begins, its days, of which 0 is today, and whether workers have merged their tables."""

    bucket: int
    days: tuple[int, ...]
    merged: bool


@dataclass(frozen=True, slots=True)
class Filled:
    """What was written; `needs_mb` is estimated for all days, which are fewer where that was too much."""

    keys: int
    tables: int
    days: int
    days_wanted: int
    needs_mb: int
    written_mb: int
    seconds: float


def fill(
    redis: RedisSettings, groups: int, shop: Shop, fold: FoldSettings, say: Say, limit_mb: int | None = None
) -> Filled:
    """Write the counts of all keys over all days; over fewer, the newest, where memory is too little.

    Old days are in one packed table for each span, as workers have merged them in a shop that lives.
    """
    began = time.monotonic()
    needs = _estimated(shop, spans_of(shop, shop.size.days, fold))
    limit = limit_mb if limit_mb is not None else ROOM * free_mb()
    days = min(shop.size.days, max(1, int(shop.size.days * limit / max(needs, 1e-9))))
    writing = asyncio.run(_written(redis, groups, shop, spans_of(shop, days, fold), say))
    seconds = round(time.monotonic() - began, 1)
    written = round(writing.bytes / 2**20)
    return Filled(len(shop.counted_keys), writing.tables, days, shop.size.days, round(needs), written, seconds)


async def _written(redis: RedisSettings, groups: int, shop: Shop, spans: Sequence[Span], say: Say) -> StateWriter:
    client = redis_client(redis)
    try:
        writing = StateWriter(client, redis.namespace, groups)
        await writing.reach(shop.today)
        pages = [page for page in shop.pages if page != NEW_PAGE]
        for done, page in enumerate(pages, 1):
            for key, kind, parts in _tables(shop, page, spans):
                await writing.add(key, kind, parts)
            if done % max(1, len(pages) // SAID) == 0:
                say(f"state: {done} of {len(pages)} pages, {writing.bytes / 2**20:,.0f} MiB")
        await writing.flush()
        return writing
    finally:
        await client.aclose()


def spans_of(shop: Shop, days: int, fold: FoldSettings) -> list[Span]:
    """The spans that the newest days are in, the newest first."""
    spans: dict[int, list[int]] = {}
    for day in range(days):
        spans.setdefault(span_of(bucket_of_day(shop, day), shop.today, fold).start, []).append(day)
    return [
        Span(bucket, tuple(those), any(bucket_of_day(shop, day) != bucket for day in those))
        for bucket, those in spans.items()
    ]


def bucket_of_day(shop: Shop, day: int) -> int:
    """Where the bucket of a day begins; day 0 is today."""
    return shop.today - day * DAY_MS


def free_mb() -> float:
    """Memory that is free on this machine, in MiB."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) / 1024


def _tables(shop: Shop, page: int, spans: Sequence[Span]) -> Iterator[tuple[TableKey, str, dict[str, bytes]]]:
    """All that is counted of a page."""
    counts, name = PageDays(shop, page), page_name(page)
    mine = [(key, weight) for key, weight in zip(shop.keys, shop.weights, strict=True) if key.page == name]
    views = shop.size.views * sum(weight for _, weight in mine)
    for span in spans:
        for traffic in SHARES:
            for key, weight in mine:
                parts = _parts(counts, key.segment, span, traffic, weight * shop.size.views)
                if parts:
                    yield TableKey(*key, span.bucket, traffic), "table", parts
            for day in span.days:
                bins = bins_part(counts.bins(day, traffic, views))
                bucket = bucket_of_day(shop, day)
                yield TableKey(name, WHOLE_PAGE, bucket, traffic), BINS.name, {BINS.name: bins}


def _parts(counts: PageDays, segment: str, span: Span, traffic: Traffic, views: float) -> dict[str, bytes]:
    """The table of a span with `views` a day, made as one of a day with more of them."""
    table = counts.table(number_in(segment), segment, span.days[0], span.bucket, traffic, views * len(span.days))
    return merged_parts(table) if span.merged else table_parts(table)


def _estimated(shop: Shop, spans: Sequence[Span]) -> float:
    """MiB of all spans, from some keys of all ranks."""
    chosen = np.unique(np.linspace(0, len(shop.keys) - 1, SAMPLE).astype(int))
    total = 0
    for at in chosen:
        key, weight = shop.keys[at], shop.weights[at]
        counts = PageDays(shop, number_in(key.page))
        for span in spans:
            for traffic in SHARES:
                parts = _parts(counts, key.segment, span, traffic, weight * shop.size.views)
                total += sum(len(content) + KEY_BYTES for content in parts.values()) + KEY_BYTES
    return float(total / len(chosen) * len(shop.keys) / 2**20)
