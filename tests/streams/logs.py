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
from tests.streams.choices import Choices

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

CHOICES = 35
"""Bytes that the choices for any record need at most."""
_units = ["u1", "u2", "ü3", "u4"]
_pages = ["home", "a/b:c"]
_segments = ["s1", "s2", "*", "s\u00004", "s5"]
_items = ["i1", "i2", "i,3", 'i"4', "i5", "i6", "i7"]
_slots = ["top", "left", "a", "b", "row.1", "row.2"]
_shelves = ["new", "sale", "für dich"]
_visible = [None, None, 0, 1_000, 60_000, 60_001, 3_600_000]
_delays = [0, 999, 1_000, 5_000, 100_000]
_amounts = [0, 7, 499, 501, 10**9]
_contexts: list[dict[str, str]] = [{}, {}, {"device": "phone"}, {"land": "Österreich", "device": ""}]
_later_ms = [0, 1, 200, 1_500]
_kinds = [*FOLD.signals, "unheard-of"]


def _event(chosen: Choices, topic: str, time_ms: int) -> tuple[str, Any]:
    """(unit, event) appended at `time_ms`."""
    among = chosen.among
    unit = among(_units)
    occurred = max(0, time_ms - among([0, 0, 100, 900, 2_400, 2_600, -400, -600]))
    common: dict[str, Any] = {
        "event_id": f"e{among(range(13))}",
        "occurred_at": occurred,
        "unit": unit,
        "page": among(_pages),
        "segment": among(_segments),
        "layout_version": 1,
        "variant": among([0, 1, 2, 3, -1, -2]),
    }
    view = f"v{among(range(6))}"
    if topic == TOPICS[0]:
        slots = [
            SlotItem(among(_slots), among(_items), among(_visible), among(["", "", "", "row", "second"]))
            for _ in range(among(range(1, 5)))
        ]
        shelves = {among(["row", "second", "third"]): among(_shelves) for _ in range(among(range(3)))}
        context = among(_contexts)
        return unit, Impression(**common, page_view_id=view, slots=slots, rows=shelves, context=context)
    place: dict[str, Any] = {"slot": among(_slots), "item": among(_items), "shelf": among(["", *_shelves])}
    if topic == TOPICS[1]:
        return unit, Click(**common, **place, page_view_id=view)
    delay = among(_delays)
    place |= {"click_id": "c", "clicked_at": max(0, occurred - delay), "delay": delay}
    place |= {"amount": among(_amounts), "currency": among(["EUR", "EUR", "EUR", "USD"])}
    order_id = f"o{among(range(5))}"
    if topic == TOPICS[3]:
        return unit, Credit(**common, **place, kind=among(["return", *_kinds]), source_id="s", order_id=order_id)
    later: dict[str, Any] = {"repeat": among([False, True]), "earlier": among(_amounts)}
    via = {among(_kinds): among(_delays) for _ in range(among(range(4)))}
    return unit, Conversion(**common, **place, **later, via=via, order_id=order_id, purchase_id="p", line=0, quantity=1)


_anything = st.none() | st.binary(max_size=8) | st.just(b'{"event_id": 3}')


@st.composite
def logs(draw: st.DrawFn, partitions: int = 2, most: int = 25) -> Log:
    """Logs of the topics that are folded, with gaps between offsets and append times that go up."""
    log: Log = {}
    for topic in TOPICS:
        for partition in range(partitions):
            records, offset, time_ms = [], draw(st.integers(0, 3)), 5_000
            for _ in range(draw(st.integers(0, most))):
                chosen = Choices(draw(st.binary(min_size=CHOICES, max_size=CHOICES)))
                kind, gap, later_ms = chosen.among(range(20)), chosen.among([1, 1, 1, 1, 3]), chosen.among(_later_ms)
                if kind == 19:
                    record = LoggedRecord(offset, time_ms, chosen.among([b"u1", None]), draw(_anything))
                else:
                    unit, event = _event(chosen, topic, time_ms)
                    key = b"another" if kind == 18 else unit.encode()
                    record = LoggedRecord(offset, time_ms, key, msgspec.json.encode(event))
                records.append(record)
                offset += gap
                time_ms += later_ms
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
