"""The apply script adds what it is given, whichever of its ways it takes: few numbers or many, small or large."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from streams.fold.deltas import WHOLE_PAGE, GroupDelta, TableDelta, TableKey, Traffic
from streams.fold.measure import Width
from streams.kafka.records import TopicPartition
from streams.state.arrays.operations import SHORT
from streams.state.arrays.sums import MOST
from streams.state.arrays.tables import Table, bin_names, decode_bins, table_of
from streams.state.reading.tables import read_tables
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark

TP = TopicPartition("events-clicks", 0)
KEY = TableKey("page", "segment", 0, Traffic.LEARNED)
WHOLE = KEY._replace(segment=WHOLE_PAGE)
ITEMS = SHORT + 40
"""So many that a directory is read whole at first, and not any more later."""

_items = st.integers(0, ITEMS - 1).map("item {}".format)
_slots = st.integers(0, 9).map("slot {}".format)
_amounts = st.one_of(st.integers(1, 3), st.integers(1, 2**32 - 1))
_sums = st.one_of(st.integers(1, 2_000), st.integers(1, 2**62))
_cells = st.dictionaries(st.tuples(_items, _slots), _amounts, max_size=60)
_rows = st.dictionaries(st.integers(0, 255), st.lists(_sums, min_size=5, max_size=5), max_size=60)
_deltas = st.lists(
    st.tuples(_cells, _cells, st.dictionaries(_items, _sums, max_size=40), _rows), min_size=1, max_size=4
)


def added(deltas: list[dict[Any, int]], width: Width) -> dict[Any, int]:
    total = Counter[Any]()
    for delta in deltas:
        total.update(delta)
    return {cell: min(amount, MOST[width]) for cell, amount in total.items()}


async def written(url: str, deltas: list[GroupDelta]) -> tuple[Table, Any]:
    async with Redis.from_url(url) as redis:
        await redis.flushall()
        # Two workers in turn: each holds names that lack those which the other wrote.
        stores = [Store(redis, "script", 1) for _ in range(2)]
        for at, delta in enumerate(deltas):
            store = stores[at % 2]
            assert await store.apply(TP, 0, [GroupUpdate(0, at, Watermark(at + 1), delta)]) == [at + 1]
        (table,) = await read_tables(redis.mget, store.keys[0], [KEY])
        stored: Any = await redis.mget(bin_names(store.keys[0], WHOLE))
        return table, decode_bins(stored)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(deltas=_deltas)
def test_numbers_add_up(redis: SyncRedis, redis_url: str, deltas: list[tuple[Any, Any, Any, Any]]) -> None:
    given_ones = [
        GroupDelta({KEY: TableDelta({"impressions": shown, "clicks": clicked, "revenue": sold})}, {WHOLE: rows})
        for shown, clicked, sold, rows in deltas
    ]
    table, bins = asyncio.run(written(redis_url, given_ones))
    expected = table_of(
        KEY,
        {
            "impressions": added([shown for shown, *_ in deltas], Width.COUNT),
            "clicks": added([clicked for _, clicked, *_ in deltas], Width.COUNT),
            "revenue": added([sold for *_, sold, _ in deltas], Width.SUM),
        },
    )
    assert by_name(table) == by_name(expected)
    cells = added(
        [{(at, n): v for at, row in rows.items() for n, v in enumerate(row)} for *_, rows in deltas], Width.SUM
    )
    assert {cell: int(bins[cell]) for cell in map(tuple, np.argwhere(bins).tolist())} == cells


def by_name(table: Table) -> dict[Any, int]:
    """What is not 0, by measure, item and slot."""
    counts: dict[Any, int] = {}
    for name in ("impressions", "clicks"):
        for item, slot in np.argwhere(table.counts[name]).tolist():
            counts[name, table.items[item], table.slots[slot]] = int(table.counts[name][item, slot])
    for item in np.flatnonzero(table.counts["revenue"]).tolist():
        counts["revenue", table.items[item]] = int(table.counts["revenue"][item])
    return counts
