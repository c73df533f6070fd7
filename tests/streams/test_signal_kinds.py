"""Which kinds of signals count: those that a namespace declares, each from its first offset on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.messages.events import Click, Credit, Purchase, PurchaseLine, Signal
from schemas.topic import Topic
from schemas.topics import CLICKS, PURCHASES, RETURNS, SIGNALS
from tests.streams.logs import LoggedRecord
from tests.streams.test_orders_reported_again import BEGIN_MS, Records, by_a_worker, by_the_rule

KINDS = ("view", "add-to-cart", "unheard-of")
ITEMS = ("i1", "i2", "i3")


def records_of(kinds: list[tuple[str, str]]) -> Records:
    """Clicks on all items, signals of these kinds and items, and an order of each item."""
    clicks = [Click(f"c{at}", BEGIN_MS, "u", "home", "s", "top", item, f"v{at}", 1, 0) for at, item in enumerate(ITEMS)]
    signals = [Signal(f"s{at}", BEGIN_MS + 100, "u", kind, item) for at, (kind, item) in enumerate(kinds)]
    lines = [PurchaseLine(item, 1, 100) for item in ITEMS]
    order = Purchase("p", BEGIN_MS + 200, "u", "o", "EUR", lines)
    logs: dict[Topic, Sequence[Any]] = {CLICKS: clicks, SIGNALS: signals, PURCHASES: [order], RETURNS: []}
    return {
        topic: [
            LoggedRecord(offset, BEGIN_MS + 60_000 * number, b"u", msgspec.json.encode(event))
            for offset, event in enumerate(events)
        ]
        for number, (topic, events) in enumerate(logs.items())
    }


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(ITEMS)), max_size=12),
    st.dictionaries(st.sampled_from(KINDS[:2]), st.integers(0, 12)),
    st.integers(1, 5),
)
@settings(max_examples=40)
def test_a_signal_counts_from_the_first_offset_of_its_kind(
    kinds: list[tuple[str, str]], first: dict[str, int], size: int
) -> None:
    records = records_of(kinds)
    decided = by_the_rule(records, first)
    assert {event.event_id: event for event in by_a_worker(records, size, first)} == {
        event.event_id: event for event in decided
    }
    counted = {pair for at, pair in enumerate(kinds) if at >= first.get(pair[0], len(kinds))}
    counts = [(event.kind, event.item) for event in decided if isinstance(event, Credit)]
    assert sorted(counts) == sorted(counted)
