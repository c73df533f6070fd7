"""Sums by shelf: what is moved along with tables equals what is added anew, and both are the tables' counts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.catalog.candidates import CandidateSet
from streams.catalog.shelves.sums import ShelfSums
from streams.fold.deltas import Traffic
from streams.state.arrays.parts import KeyTables, PageTables
from streams.state.arrays.tables import Table
from tests.streams.layout_inputs import packed

ITEMS, SLOTS, SHELVES = ("a", "b", "c"), ("row.1", "row.2"), ("new", "sale")
SUMS = ("placed", "impressions", "clicks", "conversions")
MEASURES = ("placed", "shelf_impressions", "shelf_clicks", "shelf_conversions")


def drawn_table(seed: int, bucket: int) -> Table:
    """Of some of the items, slots and shelves, in some order, and of others that the page does not have."""
    rng = np.random.default_rng(seed)
    names = [
        rng.permutation([*some, other])[: rng.integers(0, 4)].tolist()
        for some, other in zip((ITEMS, SLOTS, SHELVES), ("gone", "old.1", "removed"), strict=True)
    ]
    table = Table.of("s", bucket, Traffic(int(rng.integers(0, 2))), *names)
    for name in MEASURES:
        table.counts[name][...] = rng.integers(0, 99, table.counts[name].shape)
    return packed(table) if rng.random() < 0.5 else table


def added_up(tables: list[Table], weights: dict[range, int]) -> dict[str, np.ndarray]:
    """Name by name."""
    shapes = [(ITEMS, SHELVES), *((SLOTS, SHELVES) for _ in SUMS[1:])]
    sums = {name: np.zeros(tuple(map(len, shape)), dtype=np.int64) for name, shape in zip(SUMS, shapes, strict=True)}
    for table in tables:
        for name, measure, (rows, columns) in zip(SUMS, MEASURES, shapes, strict=True):
            of_rows = table.items if rows is ITEMS else table.slots
            for at, row in enumerate(of_rows):
                for place, column in enumerate(table.shelves):
                    if row in rows and column in columns and table.traffic is Traffic.LEARNED:
                        count = int(table.counts[measure][at, place]) * weights[table.buckets]
                        sums[name][rows.index(row), columns.index(column)] += count
    return sums


@given(st.lists(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 2)), max_size=4), min_size=1, max_size=4))
def test_sums_are_those_of_the_tables_however_they_were_reached(steps: list[list[tuple[int, int]]]) -> None:
    moved = ShelfSums(CandidateSet(ITEMS), SLOTS, SHELVES)
    weights = {range(bucket, bucket + 1): 2**20 >> bucket for bucket in range(3)}
    for step in steps:
        tables = [drawn_table(seed, bucket) for seed, bucket in dict(step).items()]
        moved.move_to(PageTables([KeyTables(tables)]), weights)
        expected = added_up(tables, weights)
        assert all(np.array_equal(getattr(moved, name), expected[name]) for name in SUMS)
