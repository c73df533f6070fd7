"""Sums of counts: the same however tables are held and added, and within their bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.catalog.candidates import CandidateSet
from streams.catalog.weighted_counts import WeightedCounts, WeightedCountsCache
from streams.fold.deltas import WHOLE_PAGE, Traffic
from streams.state.arrays.adding import add_weighted
from streams.state.arrays.compiled import BUILT
from tests.streams.layout_inputs import packed, table

SLOTS = ("top", "left", "right")
ITEMS = tuple(f"i{number}" for number in range(8))


@pytest.mark.parametrize("built", [True, False] if BUILT else [False])
@given(
    st.lists(st.sampled_from([*ITEMS, "gone", "unknown"]), max_size=6, unique=True),
    st.lists(st.sampled_from([*SLOTS, "removed"]), max_size=4, unique=True),
    st.sampled_from([1, 100, 2**20]),
    st.integers(-(2**21), 2**21),
    st.integers(0, 99),
)
@settings(max_examples=50)
def test_a_packed_table_adds_what_the_table_does(
    built: bool, items: list[str], slots: list[str], most: int, times: int, seed: int
) -> None:
    candidates, sums = CandidateSet(ITEMS), dict[bool, list[np.ndarray]]()
    one = table(0, Traffic.LEARNED, items, slots, seed, most)
    for each in (one, packed(one)):
        at, added = candidates.places(each.items, each.slots, SLOTS), []
        for name in ("impressions", "clicks"):
            added.append(np.ones((len(ITEMS), len(SLOTS)), dtype=np.int64))
            add_weighted(each, name, *at, [(added[-1], times)], built)
        added.append(np.ones((len(ITEMS), 1), dtype=np.int64))
        add_weighted(each, "conversions", at.candidates, np.zeros(1, dtype=np.intp), [(added[-1], times)], built)
        sums[each is one] = added
    assert all(np.array_equal(*both) for both in zip(sums[True], sums[False], strict=True))


def test_the_cache_keeps_within_its_limit() -> None:
    cache, candidates = WeightedCountsCache(limit=lambda: 2_400), CandidateSet(ITEMS)
    made = [cache.of(("p", str(number)), candidates, SLOTS) for number in range(5)]
    assert cache.of(("p", "4"), candidates, SLOTS) is made[4]
    assert cache.of(("p", "0"), candidates, SLOTS) is not made[0]
    assert cache.of(("p", "4"), candidates, ("top",)) is not made[4]
    assert np.all(made[4].impressions[Traffic.LEARNED] == 0)


def test_the_cache_counts_what_composing_adds() -> None:
    cache, candidates = WeightedCountsCache(), CandidateSet(tuple(f"i{number:03d}" for number in range(300)))
    empty = WeightedCounts(candidates, SLOTS).size
    for number in range(3):
        counts = cache.of(("p", str(number)), candidates, SLOTS)
        assert cache.size == number * (empty + 2 * 8 * 300 * 16) + empty
        counts.normals("p", str(number), 16, 1)
        assert cache.size == (number + 1) * counts.size == (number + 1) * (empty + 2 * 8 * 300 * 16)
    cache.forget("p", "1")
    assert cache.size == 2 * counts.size


@given(
    st.lists(st.tuples(st.sampled_from("pqr"), st.sampled_from(["a", "b", WHOLE_PAGE]), st.booleans()), max_size=20),
    st.sets(st.sampled_from("pqr")),
)
def test_what_the_cache_holds_is_of_pages_that_are_declared(
    calls: list[tuple[str, str, bool]], pages: set[str]
) -> None:
    cache, candidates = WeightedCountsCache(), CandidateSet(ITEMS)
    counts = {}
    for page, segment, composed in calls:
        counts[page, segment] = cache.of((page, segment), candidates, SLOTS)
        if composed:
            counts[page, segment].normals(page, segment, 16, 1)
    cache.keep_pages(pages)
    stay = {key: each for key, each in counts.items() if key[0] in pages}
    assert cache.size == sum(each.size for each in stay.values())
    assert all(cache.of(key, candidates, SLOTS) is each for key, each in stay.items())
