"""Pages, catalogs and states for the tests of layouts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from schemas.messages.catalog import CatalogItem
from schemas.topic import Topic
from streams.catalog.page import Changes
from streams.catalog.view import CatalogView
from streams.fold.deltas import TableKey, Traffic
from streams.state.arrays.packed import NameList
from streams.state.arrays.packing import packed_table
from streams.state.arrays.tables import Table
from tests.streams.plain_tables import encode_table


@dataclass(frozen=True)
class Logged:
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = 0
    headers: Sequence[tuple[str, bytes]] = ()


def item(name: str, **fields: Any) -> CatalogItem:
    return CatalogItem(item=name, title=name, **fields)


def table(
    bucket: int,
    traffic: Traffic,
    items: Sequence[str],
    slots: Sequence[str],
    seed: int = 0,
    most: int = 1_000,
    segment: str = "s",
) -> Table:
    """A table with random counts; clicks are about a twentieth of impressions."""
    rng = np.random.default_rng(seed)
    impressions = rng.integers(0, most + 1, (len(items), len(slots)))
    clicks = rng.binomial(impressions, 0.05)
    sold = rng.binomial(clicks.sum(axis=1), 0.1)
    return Table.of(
        segment=segment,
        bucket=bucket,
        traffic=traffic,
        items=tuple(items),
        slots=tuple(slots),
        impressions=impressions,
        clicks=clicks,
        conversions=sold,
        revenue=sold * 100,
        squares=sold * 10_000,
    )


def packed(one: Table) -> Table:
    """The table as readers hold it; rows and columns without counts are not in it."""
    key = TableKey("p", one.segment, one.bucket, one.traffic)
    return replace(packed_table(key, encode_table(one), NameList()), buckets=one.buckets)


class Topics:
    """Feeds messages to a catalog as if read from one partition."""

    def __init__(self) -> None:
        self.invalid: Counter[str] = Counter()
        self.catalog = CatalogView(lambda topic: self.invalid.update([topic]))
        self._next: dict[str, int] = {}

    def put(self, topic: Topic, key: bytes | None, value: msgspec.Struct | bytes | None) -> Changes:
        encoded = msgspec.json.encode(value) if isinstance(value, msgspec.Struct) else value
        offset = self._next.get(topic.name, 0)
        self._next[topic.name] = offset + 1
        return self.catalog.take(topic, 0, [Logged(offset, key, encoded)])
