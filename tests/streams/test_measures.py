"""Each declared measure comes through from an event's cell to the export, and nothing of it outlives its bucket."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from policy.experiments import sequence
from schemas.topics import CLICKS, FOLDED_TOPICS, IMPRESSIONS
from streams.fold.deltas import GroupDelta, TableDelta, TableKey, Traffic
from streams.fold.measure import Amount, Array, Axis, Keying, Width
from streams.fold.measures import (
    ARRAYS,
    BINS,
    BLOCKED,
    CELLS,
    TABLE_ARRAYS,
    UNIT_ARRAYS,
    UNIT_MEASURES,
    VISIBLE,
    amounts_of,
)
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings
from streams.state import export
from streams.state.arrays.tables import table_of
from streams.state.expiry import expire
from streams.state.manifest import manifest_of
from streams.state.reader import StateReader
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark

TP = TopicPartition(CLICKS.name, 0)
FOLD = FoldSettings(bucket_ms=1_000, bucket_ttl_ms=5_000)
KEY = TableKey("home", "s", 3_000, Traffic.HOLDOUT)
MOST = {Width.COUNT: 2**32 - 1, Width.SUM: 2**63 - 1}
CELL: dict[Keying, list[Any]] = {
    Keying.ITEM_SLOT: [("i1", f"slot{at}") for at in range(9)],
    Keying.SLOT_SHELF: [("top", f"shelf{at}") for at in range(9)],
    Keying.ITEM_SHELF: [("i1", "sale"), ("i2", "sale"), ("i2", "new")],
    Keying.ITEM: ["i1", "i,2"],
    Keying.SLOT: ["top", "s,9"],
    Keying.DELAY: [0, 31],
    Keying.UNIT: [0, 255],
}
KEPT_NAMES = {
    *("revision", "packed", "index", "buckets", "bin-index", "bin-buckets", "merges", "wm", "tally", "quota", "quotas"),
}
EACH = [(array, number) for array in ARRAYS for number in range(len(array.measures))]


def delta_of(array: Array, number: int, amount: int) -> GroupDelta:
    """One amount in every cell, of one measure alone."""
    cells = CELL[array.keying]
    if array in UNIT_ARRAYS:
        row = [amount if measure is array.measures[number] else 0 for measure in UNIT_MEASURES]
        return GroupDelta(bins={KEY: {cell: list(row) for cell in cells}})
    return GroupDelta({KEY: TableDelta({array.names[number]: dict.fromkeys(cells, amount)})})


def rows_of(array: Array, number: int, amount: int) -> list[list[Any]]:
    """The lines of the export that such a delta leads to."""
    place = [KEY.page, KEY.bucket, int(KEY.traffic)] if array in UNIT_ARRAYS else [*KEY[:3], 1, int(KEY.traffic)]
    numbers = [amount if at == number else 0 for at in range(len(array.measures))]
    names = [cell if isinstance(cell, tuple) else (cell,) for cell in CELL[array.keying]]
    return sorted([array.row, *place, *name, *numbers] for name in names)


@pytest.mark.parametrize(("array", "number"), EACH, ids=lambda one: one.name if isinstance(one, Array) else str(one))
def test_a_measure_comes_through(redis: SyncRedis, redis_url: str, array: Array, number: int) -> None:
    async def run() -> None:
        async with Redis.from_url(redis_url) as client:
            store = Store(client, "measures", 1)
            manifest = manifest_of("measures", "", {TP.topic: [0]}, 1, FOLD)
            half = MOST[array.width] // 2
            for offset, amount in enumerate((half, half, 7)):
                move = GroupUpdate(0, offset, Watermark(offset + 1, KEY.bucket), delta_of(array, number, amount))
                assert await store.apply(TP, 0, [move]) == [offset + 1]
            most = MOST[array.width]
            assert await export.rows(store, manifest) == rows_of(array, number, most), "it stays at its largest value"
            if array not in UNIT_ARRAYS:
                (read,) = (await StateReader(client, manifest).read("home", "s")).tables
                made = table_of(KEY, {array.names[number]: dict.fromkeys(CELL[array.keying], most)})
                assert list(export.table_rows(KEY, read)) == list(export.table_rows(KEY, made))
            end = Watermark(4, KEY.bucket + 10_000)
            await store.apply(TP, 0, [GroupUpdate(0, 3, end)])
            assert await expire(store, FOLD, [TP]) == 1
            left = [name async for name in client.scan_iter()]
            assert left == [store.keys[0].watermark(TP).encode()]

    asyncio.run(run())


def test_every_folded_topic_is_counted_and_no_other() -> None:
    assert {measure.topic.name for array in ARRAYS for measure in array.measures} == {t.name for t in FOLDED_TOPICS}


def test_names_are_unique() -> None:
    parts = [name for array in ARRAYS for name in {array.name, *array.directories}]
    assert len({array.name for array in ARRAYS}) == len({array.row for array in ARRAYS}) == len(ARRAYS)
    assert len(set(parts)) == len(set(parts) - KEPT_NAMES)
    names = [name for array in TABLE_ARRAYS for name in array.names]
    assert len(set(names)) == len(names)


def test_arrays_have_the_names_and_widths_that_their_cells_need() -> None:
    """What is keyed by a name has its directory; those of columns say how many blocks there are."""
    named = {Axis.ITEM: {"items", "sold"}, Axis.SLOT: {"slots"}, Axis.SHELF: {"shelves"}}
    for array in ARRAYS:
        axes = [axis for axis in array.keying.axes if axis in named]
        assert all(name in named[axis] for axis, name in zip(axes, array.directories, strict=True))
    assert {array.keying.axes[1] for array in BLOCKED} == {Axis.SLOT, Axis.SHELF}
    assert all(
        measure.amount is Amount.ONE for array in BLOCKED if array.width is Width.COUNT for measure in array.measures
    )


def test_what_is_compiled_counts_the_first_cells_bins_and_visible_times_of_impressions() -> None:
    assert CELLS.measures[0].topic is IMPRESSIONS
    of_units = [measure.amount for measure in BINS.measures if measure.topic is IMPRESSIONS]
    assert of_units == [Amount.NEW_VIEW, Amount.NEW_UNIT]
    assert amounts_of(IMPRESSIONS) == {Amount.ONE, Amount.NEW_VIEW, Amount.NEW_UNIT, Amount.VISIBLE_MS}
    of_slots = [(measure.topic, measure.amount) for measure in VISIBLE.measures]
    assert of_slots == [(IMPRESSIONS, Amount.ONE), (IMPRESSIONS, Amount.VISIBLE_MS)]


def test_experiments_find_their_columns() -> None:
    columns = ("VIEWS", "UNITS", "CLICKS", "ORDERS", "REVENUE", "RETURNED")
    assert [getattr(sequence, name) for name in columns] == list(range(len(UNIT_MEASURES)))
    names = ("page_views", "units", "clicks", "orders", "revenue", "returned")
    assert tuple(measure.name for measure in UNIT_MEASURES) == names


def test_lines_of_the_export_are_described() -> None:
    text = (Path(__file__).parents[2] / "docs/operating/replay.md").read_text()
    assert all(f"| `{array.row}` | page, " in text for array in ARRAYS)


def test_limits_that_topics_name_are_settings() -> None:
    assert {topic.unit_limit for topic in FOLDED_TOPICS if topic.unit_limit} <= FoldSettings.model_fields.keys()
