"""Random logs of event topics for the laws: events, duplicates, poison, late ones, floods of names."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import strategies as st

from schemas.messages.events import Click, Conversion, Credit, Impression, SlotItem
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings

FOLD = FoldSettings(
    amount_cap=500,
    bucket_ms=1_000,
    bucket_ttl_ms=6_000,
    allowed_lateness_ms=2_500,
    max_clock_skew_ms=500,
    duplicate_window_ms=1_800,
    duplicate_mb=6,
    unit_impressions=2,
    unit_clicks=1,
    max_keys=3,
    max_items=5,
    max_slots=6,
)
LARGE_NAME = 1 << 18
"""Bytes for a name with which `duplicate_mb` is about a number of records."""
TOPICS = ("events-impressions", "events-clicks", "events-conversions", "events-credits")


@dataclass(frozen=True)
class LoggedRecord:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


Log = dict[TopicPartition, list[LoggedRecord]]

_names = st.sampled_from
_units = _names(["u1", "u2", "ü3", "u4"])
_pages = _names(["home", "a/b:c"])
_segments = _names(["s1", "s2", "*", "s\u00004", "s5"])
_items = _names(["i1", "i2", "i,3", 'i"4', "i5", "i6", "i7"])
_slots = _names(["top", "left", "a", "b", "row.1", "row.2"])
_shelves = _names(["new", "sale", "für dich"])
_variants = st.integers(-2, 3)
_visible = _names([None, None, 0, 1_000, 60_000, 60_001, 3_600_000])
_delays = _names([0, 999, 1_000, 5_000, 100_000])
_amounts = _names([0, 7, 499, 501, 10**9])


@st.composite
def _event(draw: st.DrawFn, topic: str, time_ms: int) -> tuple[str, Any]:
    """(unit, event) appended at `time_ms`."""
    event_id = f"e{draw(st.integers(0, 12))}"
    unit = draw(_units)
    occurred = max(0, time_ms - draw(_names([0, 0, 100, 900, 2_400, 2_600, -400, -600])))
    common: dict[str, Any] = {
        "event_id": event_id,
        "occurred_at": occurred,
        "unit": unit,
        "page": draw(_pages),
        "segment": draw(_segments),
        "layout_version": 1,
        "variant": draw(_variants),
    }
    view = f"v{draw(st.integers(0, 5))}"
    if topic == TOPICS[0]:
        rows = _names(["", "", "", "row", "second"])
        places = draw(st.lists(st.builds(SlotItem, _slots, _items, _visible, rows), min_size=1, max_size=4))
        shelves = draw(st.dictionaries(_names(["row", "second", "third"]), _shelves, max_size=2))
        return unit, Impression(**common, page_view_id=view, slots=places, rows=shelves)
    place: dict[str, Any] = {"slot": draw(_slots), "item": draw(_items), "shelf": draw(st.just("") | _shelves)}
    if topic == TOPICS[1]:
        return unit, Click(**common, **place, page_view_id=view)
    delay = draw(_delays)
    place |= {"click_id": "c", "clicked_at": max(0, occurred - delay), "delay": delay}
    place |= {"amount": draw(_amounts), "currency": draw(_names(["EUR", "EUR", "EUR", "USD"]))}
    order_id = f"o{draw(st.integers(0, 4))}"
    if topic == TOPICS[3]:
        kind = draw(_names(["return", *FOLD.signals, "unheard-of"]))
        return unit, Credit(**common, **place, kind=kind, source_id="s", order_id=order_id)
    later: dict[str, Any] = {"repeat": draw(st.booleans()), "earlier": draw(_amounts)}
    via = draw(st.dictionaries(_names([*FOLD.signals, "unheard-of"]), _delays, max_size=3))
    return unit, Conversion(**common, **place, **later, via=via, order_id=order_id, purchase_id="p", line=0, quantity=1)


@st.composite
def _record(draw: st.DrawFn, topic: str, offset: int, time_ms: int) -> LoggedRecord:
    kind = draw(st.integers(0, 19))
    if kind == 0:
        value = draw(st.one_of(st.none(), st.binary(max_size=8), st.just(b'{"event_id": 3}')))
        return LoggedRecord(offset, time_ms, draw(_names([b"u1", None])), value)
    unit, event = draw(_event(topic, time_ms))
    key = b"another" if kind == 1 else unit.encode()
    return LoggedRecord(offset, time_ms, key, msgspec.json.encode(event))


@st.composite
def logs(draw: st.DrawFn, partitions: int = 2, most: int = 25) -> Log:
    """Logs of the topics that are folded, with gaps between offsets and append times that go up."""
    log: Log = {}
    for topic in TOPICS:
        for partition in range(partitions):
            records, offset, time_ms = [], draw(st.integers(0, 3)), 5_000
            for _ in range(draw(st.integers(0, most))):
                records.append(draw(_record(topic, offset, time_ms)))
                offset += draw(_names([1, 1, 1, 1, 3]))
                time_ms += draw(_names([0, 1, 200, 1_500]))
            log[TopicPartition(topic, partition)] = records
    return log


def example_log(seed: int, records: int, partitions: int = 2, timed: bool = False, shelves: bool = False) -> Log:
    """A log of ordinary events with some duplicates and poison; the broker gives offsets and times.

    `timed`: some impressions say how long a slot was visible; `shelves`: most say which shelf a slot was part of.
    """
    chance = random.Random(seed)
    log: Log = {}
    for topic in TOPICS:
        for partition in range(partitions):
            tp = TopicPartition(topic, partition)
            log[tp] = [_ordinary(chance, topic, offset, timed, shelves) for offset in range(records)]
    return log


def _ordinary(chance: random.Random, topic: str, offset: int, timed: bool, shelves: bool) -> LoggedRecord:
    if chance.random() < 0.03:
        return LoggedRecord(offset, 0, b"u", chance.choice([None, b"{", b'{"event_id":"x"}', b"\xff"]))
    unit = f"u{chance.randrange(40)}"
    common: dict[str, Any] = {
        "event_id": f"{topic}-{chance.randrange(1_000)}",
        "occurred_at": 1_700_000_000_000 + offset,
        "unit": unit,
        "page": chance.choice(["home", "category"]),
        "segment": chance.choice(["a", "b", "c"]),
        "layout_version": 1,
        "variant": chance.choice([-2, -1, 0, 1, 2, 3]),
    }
    place: dict[str, Any] = {"slot": f"s{chance.randrange(5)}", "item": f"i{chance.randrange(30)}"}
    shelf = f"shelf{offset % 6}" if shelves and offset % 4 else ""
    view = f"v{chance.randrange(300)}"
    event: Any
    if topic == TOPICS[0]:
        visible_ms = offset * 997 % 100_000 if timed and offset % 3 else None
        slots = [SlotItem(**place, visible_ms=visible_ms, row="first" if shelf else ""), SlotItem("s9", "i1")]
        rows = {"first": shelf} if shelf else {}
        event = Impression(**common, page_view_id=view, slots=slots, rows=rows)
    elif topic == TOPICS[1]:
        event = Click(**common, **place, page_view_id=view, shelf=shelf)
    else:
        place["shelf"] = shelf
        place |= {"click_id": "c", "clicked_at": common["occurred_at"], "delay": chance.randrange(10**7)}
        place |= {"order_id": f"o{chance.randrange(200)}", "amount": chance.randrange(1_000), "currency": "EUR"}
        if topic == TOPICS[3]:
            event = Credit(**common, **place, kind=chance.choice(["view", "add-to-cart", "return"]), source_id="s")
        else:
            event = Conversion(**common, **place, purchase_id="p", line=0, quantity=1)
    return LoggedRecord(offset, 0, unit.encode(), msgspec.json.encode(event))
