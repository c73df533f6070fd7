"""Tables in little memory: what is read from them is what Redis holds, with compiled code and without."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.arrays import Ints
from streams.fold.deltas import TableKey, Traffic
from streams.fold.measures import DIRECTORIES, TABLE_ARRAYS
from streams.state.arrays.compiled import BUILT
from streams.state.arrays.packed import NameList, size_of, total
from streams.state.arrays.packed_value import decode_table
from streams.state.arrays.packing import packed_table
from streams.state.arrays.sums import MOST
from streams.state.arrays.tables import Table
from tests.streams.layout_inputs import packed, table
from tests.streams.plain_tables import encode_table


@given(
    st.lists(st.text(min_size=1, max_size=3), max_size=9, unique=True),
    st.integers(0, 9),
    st.sampled_from([1, 200, 2**16, 2**40]),
    st.sampled_from([0.0, 0.1, 0.9]),
    st.integers(-40, 40),
    st.integers(0, 99),
)
@settings(max_examples=60)
@pytest.mark.parametrize("built", [True, False] if BUILT else [False])
def test_a_packed_table_is_the_table(
    built: bool, items: list[str], slots: int, most: int, share: float, longer: int, seed: int
) -> None:
    """Whatever of its arrays is there: a read may find rows that came since, or miss some."""
    rng = np.random.default_rng(seed)
    names_of = {kind: [f"{kind}{at}" for at in range(count)] for kind, count in (("slot", slots), ("shelf", seed % 7))}
    one = Table.of("s", 7, Traffic.LEARNED, items, names_of["slot"], names_of["shelf"])
    for array in TABLE_ARRAYS:
        for name in array.names:
            counts: Ints = one.counts[name]
            counts[...] = rng.integers(0, min(most, MOST[array.width]), counts.shape)
            counts[...] *= rng.random(counts.shape) < share
    parts: dict[str, bytes | None] = dict(encode_table(one))
    for name in [name for name in parts if name not in DIRECTORIES]:
        content = parts[name] or b""
        parts[name] = content + bytes([seed] * longer) if longer > 0 else content[: len(content) + longer]
    names, key = NameList(built), TableKey("p", "s", 7, Traffic.LEARNED)
    names.codes(directory(["before", *reversed(items)]))
    small, wide = packed_table(key, parts, names, built), decode_table(key, parts)
    assert (tuple(small.items), small.slots, small.buckets) == (wide.items, wide.slots, wide.buckets)
    assert small.shelves == wide.shelves
    assert small.items == wide.items and (not items or small.items != (*wide.items, "more"))
    for name, counts in wide.counts.items():
        assert np.array_equal(small.counts[name], counts) and small.counts[name].dtype == counts.dtype
        assert total(small, name) == total(wide, name) == counts.sum()


@pytest.mark.parametrize("built", [True, False] if BUILT else [False])
def test_names_have_the_same_numbers_in_whatever_directory_they_come(built: bool) -> None:
    odd = ['a","b', "back\\", "ä€😀", "a", "", "a,", "line\n"]
    some = [*(f"item-{number}" for number in range(700)), *odd]
    names = NameList(built)
    assert names.codes(directory(some)).tolist() == list(range(len(some)))
    assert names.codes(directory(some[::-1])).tolist() == list(range(len(some)))[::-1]
    assert names.codes(directory([*some[::5], "new"])).tolist() == [*range(0, len(some), 5), len(some)]
    assert names.names == [*some, "new"] and names.codes(None).tolist() == []


def directory(names: Sequence[str]) -> bytes:
    return b"00000000" + b"".join(orjson.dumps(name) + b"," for name in names)


def test_packed_tables_take_a_part_of_the_memory() -> None:
    rng = np.random.default_rng(1)
    one = table(7, Traffic.LEARNED, [f"item-{at}" for at in range(1_000)], [f"s{at}" for at in range(12)])
    one.impressions[:] = rng.poisson(0.5, one.impressions.shape)
    one.clicks[:] = rng.poisson(0.01, one.clicks.shape)
    for name in ("conversions", "revenue", "squares"):
        one.counts[name][:] = 0
    arrays_of = sum(counts.nbytes for counts in one.counts.values())
    assert size_of([packed(one)]) < arrays_of / 10
