"""The newest layouts, packed."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reshelf.edge.layout_cache import LayoutCache
from reshelf.inspect.layout_store import LayoutStore
from schemas.codec import decoder, encode
from schemas.errors import BadRecord
from schemas.messages.layouts import Layout
from streams.catalog.page import Key
from tests.reshelf.test_layouts_command import layout

SEGMENTS = ("cooks", "*")


@given(st.lists(st.tuples(st.sampled_from(SEGMENTS), st.none() | st.integers(1, 9)), max_size=30))
def test_a_store_holds_what_a_dictionary_of_layouts_would(records: list[tuple[str, int | None]]) -> None:
    store, plain = LayoutStore(), dict[Key, Layout]()
    for segment, version in records:
        key = Key("home", segment)
        if version is None:
            plain.pop(key, None)
            store.take(key, None)
            continue
        before, new = plain.get(key), layout(segment, version)
        newer = before is None or version > before.version
        assert store.take(key, encode(new)) == (new if newer else None)
        if newer:
            plain[key] = new
    assert {key: stored.layout() for key, stored in store} == plain
    assert dict(store.expiries()) == {key: held.expires_at for key, held in plain.items()}


def test_what_is_no_layout_leaves_the_one_before() -> None:
    store, key = LayoutStore(), Key("home", "cooks")
    store.take(key, encode(layout("cooks", 1)))
    with pytest.raises(BadRecord):
        store.take(key, b'{"version": 2}')
    stored = store.get(*key)
    assert stored is not None
    assert stored.layout().version == 1


def _large(number: int) -> bytes:
    """A layout of twelve slots and sixteen slates, as a shop of many items has them."""
    slates = [{f"s{slot}": f"item-{(number + 7 * slate + slot) % 997:05}" for slot in range(12)} for slate in range(16)]
    propensities = {slot: {slate[slot]: 1 / 16 for slate in slates} for slot in slates[0]}
    content = decoder(dict)(encode(layout(f"segment-{number}", 1)))
    return encode(content | {"slates": slates, "baseline": slates[0], "propensities": propensities})


def test_layouts_that_nobody_asks_for_take_little_memory() -> None:
    values = [_large(number) for number in range(400)]
    tracemalloc.start()
    try:
        store = LayoutStore()
        for number, value in enumerate(values):
            store.take(Key("home", f"segment-{number}"), value)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(values[0]) > 5_000
    assert held / len(values) < 3_000


def test_the_edge_keeps_few_layouts_decoded() -> None:
    cache = LayoutCache(decoded=2)
    for segment in ("a", "b", "c", "d"):
        cache._layouts.take(Key("home", segment), encode(layout(segment, 1)))
    for segment in ("a", "b", "c", "d", "a"):
        answer = cache.answer("home", segment, None, 0)
        assert answer is not None
        assert decoder(Layout)(answer.body).segment == segment
    assert cache._opened.cache_info().currsize == 2
