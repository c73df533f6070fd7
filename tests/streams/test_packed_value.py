"""A table as one value of Redis: what is read from it is what went in, and what is counted beside it adds up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from cramjam import lz4
from hypothesis import given
from hypothesis import strategies as st

from policy.arrays import Ints
from schemas.errors import StateAttention
from streams.fold.deltas import TableKey, Traffic
from streams.fold.measures import PACKED, TABLE_ARRAYS
from streams.state.arrays.compiled import BUILT
from streams.state.arrays.packed import NameList
from streams.state.arrays.packed_value import (
    ANY_MEASURES,
    FORMS,
    SIX_MEASURES,
    decode_packed,
    decode_table,
    encode_packed,
    has_arrays,
)
from streams.state.arrays.packing import packed_table
from streams.state.arrays.sums import MOST, add_tables
from streams.state.arrays.tables import Table
from tests.streams.plain_tables import encode_table

KEY = TableKey("p", "s", 7, Traffic.HOLDOUT)
OLD_VALUE = (
    "016500000040020000000400510e0000000d0c0070040000000101010600011a0011020c0011040600021800f0022274656e7422"
    "2c226c616d70222c22746f0600806c656674222c2c014d00f001010003000001f30101a9cc0300010104"
)
MANY_MEASURES = bytes(lz4.compress_block(bytes(16) + b"\xff" + bytes(255 * 6)))
"""An empty table with more measures than there are."""
NAMES = st.lists(st.text(max_size=3), max_size=9, unique=True)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """With few counts or many, small or as large as an array can hold; some arrays may be empty."""
    table = Table.of(KEY.segment, KEY.bucket, KEY.traffic, draw(NAMES), draw(NAMES), draw(NAMES | st.just([])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    for array in TABLE_ARRAYS:
        most = min(MOST[array.width], draw(st.sampled_from([1, 255, 256, 2**16 - 1, 2**16, 2**63 - 1])))
        share, largest = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])), draw(st.booleans())
        for name in array.names:
            counts: Ints = table.counts[name]
            counts[...] = rng.integers(0, most, counts.shape, endpoint=True) * (rng.random(counts.shape) < share)
            if largest:
                counts[rng.random(counts.shape) < 0.2] = most
    return table


def stored(table: Table) -> dict[str, bytes | None]:
    """Its packed value alone, as a read of Redis has it."""
    return {
        PACKED: encode_packed(table),
        "items": None,
        "slots": None,
        "sold": None,
        "sales": None,
        "cells0": None,
        "shelves": None,
    }


def assert_same(table: Table, expected: Table) -> None:
    """To the last bit and in the same order."""
    assert (tuple(table.items), table.slots) == (tuple(expected.items), expected.slots)
    assert table.shelves == expected.shelves
    assert (table.segment, table.buckets, table.traffic) == (expected.segment, expected.buckets, expected.traffic)
    for name, counts in expected.counts.items():
        assert np.array_equal(table.counts[name], counts), name
        assert table.counts[name].dtype == counts.dtype


@given(tables())
def test_what_is_unpacked_is_what_was_packed(table: Table) -> None:
    parts = stored(table)
    assert not has_arrays(parts)
    assert_same(decode_table(KEY, parts), table)
    small = packed_table(KEY, parts, NameList())
    assert_same(small, table)
    assert encode_packed(small) == encode_packed(decode_table(KEY, parts)) == parts[PACKED]


@given(tables(), tables())
@pytest.mark.parametrize("built", [True, False] if BUILT else [False])
def test_what_was_counted_beside_a_value_adds_up(built: bool, merged: Table, late: Table) -> None:
    """Counts stay at their largest value."""
    parts = {**stored(merged), **encode_table(late)}
    expected = add_tables([merged, decode_table(KEY, encode_table(late))])
    assert_same(decode_table(KEY, parts), expected)
    names = NameList(built)
    names.codes(b'00000000"before",')
    assert_same(packed_table(KEY, parts, names, built), expected)
    assert_same(decode_table(KEY, stored(packed_table(KEY, parts, names, built))), expected)


@pytest.mark.parametrize(("items", "slots"), [((), ()), (("a",), ()), ((), ("x",)), (('ü"\\', ""), ("\n", "😀"))])
@pytest.mark.parametrize("shelves", [(), ("", "ü\n")])
def test_tables_without_counts_items_or_slots(
    items: Sequence[str], slots: Sequence[str], shelves: Sequence[str]
) -> None:
    table = Table.of(KEY.segment, KEY.bucket, KEY.traffic, items, slots, shelves)
    assert_same(decode_table(KEY, stored(table)), table)
    table.delays[31] = 2**32 - 1
    assert_same(packed_table(KEY, stored(table), NameList()), table)


@pytest.mark.parametrize(
    "value", [bytes([form]) + damage for form in FORMS for damage in (b"", b"\4\0\0\0damage", b"\1\0\0\0\x10a")]
)
def test_a_damaged_value_is_refused_in_words(value: bytes) -> None:
    with pytest.raises(StateAttention, match=r"'p' and segment 's' .* cannot be read: .* replay the log"):
        decode_packed(KEY, value)


@pytest.mark.parametrize("value", [b"", bytes([9, 7]), bytes([ANY_MEASURES]) + MANY_MEASURES])
def test_another_form_is_refused_in_words(value: bytes) -> None:
    with pytest.raises(StateAttention, match=r"'p' and segment 's' .* expected .*, got .* replay the log"):
        decode_packed(KEY, value)


@given(tables())
def test_without_later_measures_a_value_is_the_one_that_older_workers_write(table: Table) -> None:
    """So they read it, and what they wrote is read as ever: the later measures are 0."""
    later = [name for array in TABLE_ARRAYS for name in array.names][6:]
    counts = {name: numbers for name, numbers in table.counts.items() if name not in later}
    table = Table.of(KEY.segment, KEY.bucket, KEY.traffic, table.items, table.slots, (), **counts)
    value = encode_packed(table)
    assert value[0] == SIX_MEASURES
    assert not any(decode_packed(KEY, value).counts[name].any() for name in later)
    if table.slots:
        table.counts["timed"][...] = 1
        assert encode_packed(table)[0] == ANY_MEASURES


def test_a_value_of_the_first_form_is_read_as_it_was_written() -> None:
    """As a worker wrote it before there were visible times."""
    value = bytes.fromhex(OLD_VALUE)
    table = Table.of(KEY.segment, KEY.bucket, KEY.traffic, ["tent", "lamp"], ["top", "left"])
    table.impressions[:] = [[300, 2], [0, 1]]
    table.clicks[0, 0] = 3
    table.conversions[1], table.revenue[1], table.squares[1] = 1, 499, 249_001
    table.delays[4] = 1
    assert_same(decode_table(KEY, {PACKED: value}), table)
    assert encode_packed(table) == value
