"""Logs of a small page whose visitors like item c, for tests of evaluation."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import msgspec

from policy.assignment import choose
from reshelf.evaluation.join import DecisionLog, join
from schemas.codec import encode
from schemas.messages.events import Click, Conversion, Impression, SlotItem
from schemas.messages.layouts import Layout
from schemas.topic import Topic
from schemas.topics import CLICKS, CONVERSIONS, IMPRESSIONS, LAYOUTS_HISTORY
from streams.kafka.reader import Read

HOUR = 3_600_000

NOW = 1_790_000_000_000

SLOTS = ["top", "side"]

ITEMS = ["a", "b", "c"]

SLATES = [{"top": one, "side": other} for one, other in product(ITEMS, ITEMS) if one != other]

Kinds = dict[Topic, list[tuple[str, Any]]]


def a_layout(version: int, watermarks: dict[str, list[int]] | None = None, **changes: Any) -> Layout:
    shares = {slot: {name: sum(s[slot] == name for s in SLATES) / len(SLATES) for name in ITEMS} for slot in SLOTS}
    layout = Layout(
        page="home", segment="cooks", version=version, produced_at=NOW, expires_at=NOW + HOUR, epoch=version,
        template="default", policy="thompson", settings_digest="d", rules_version=1, parameters_version=0,
        catalog_position=[3], watermarks=watermarks or {}, holdout_share=0.25, holdout_salt="h",
        baseline=SLATES[0], slates=SLATES, propensities=shares, shadow_policy="greedy", shadow=[SLATES[1]],
    )  # fmt: skip
    return msgspec.structs.replace(layout, **changes)


def visits(layouts: list[Layout], units: int, seed: int = 1, fade: float = 1.0) -> list[Any]:
    """Impressions, clicks and conversions of visitors who like item c, as the contract says.

    The second slot is looked at as often as the first one divided by 1 + `fade`.
    """
    chance, events = random.Random(seed), list[Any]()
    for number in range(units):
        layout, unit = layouts[number % len(layouts)], f"u{number // 2}"
        variant, slate, _ = choose(layout, unit)
        common: dict[str, Any] = {"unit": unit, "page": "home", "segment": "cooks", "variant": variant}
        common |= {"occurred_at": NOW, "layout_version": layout.version}
        seen = [SlotItem(slot, name) for slot, name in slate.items()]
        events.append(Impression(**common, event_id=f"i{number}", page_view_id=f"v{number}", slots=seen))
        for at, (slot, name) in enumerate(slate.items()):
            if chance.random() < (0.5 if name == "c" else 0.1) / (1 + at * fade):
                place: dict[str, Any] = {"slot": slot, "item": name}
                events.append(Click(**common, **place, event_id=f"c{number}-{at}", page_view_id=f"v{number}"))
                if chance.random() < 0.5:
                    sale: dict[str, Any] = {"order_id": f"o{number}", "purchase_id": "p", "line": 0, "quantity": 1}
                    times: dict[str, Any] = {"clicked_at": NOW, "delay": 0, "amount": 700, "currency": "EUR"}
                    conversion = {**common, **place, **sale, **times, "click_id": f"c{number}-{at}"}
                    events.append(Conversion(event_id=f"s{number}-{at}", **conversion))
    return events


LAYOUTS = [a_layout(1), a_layout(2)]

EVENTS = visits(LAYOUTS, 600)


def joined(events: list[Any] = EVENTS) -> DecisionLog:
    return join(events, LAYOUTS, 1_000_000)


class Recorded(msgspec.Struct, frozen=True):
    offset: int
    key: bytes
    value: bytes
    timestamp: int = NOW
    headers: tuple[tuple[str, bytes], ...] = ()


def recorded_events(events: list[Any]) -> dict[Topic, list[Read]]:
    """Events as records of one partition each, and the layouts before them."""
    names: dict[type, Topic] = {Impression: IMPRESSIONS, Click: CLICKS, Conversion: CONVERSIONS}
    found: dict[Topic, list[Read]] = {LAYOUTS_HISTORY: []}
    for at, layout in enumerate(LAYOUTS):
        found[LAYOUTS_HISTORY].append(Read(at, NOW, b"", encode(layout)))
    for event in events:
        records = found.setdefault(names[type(event)], [])
        records.append(Read(len(records), NOW, event.unit.encode(), encode(event)))
    return found


def later(events: list[Any]) -> list[Any]:
    """Each page view a second after the one before, with its outcomes."""
    moved = []
    for event in events:
        time_ms = NOW + 1_000 * int(event.event_id[1:].partition("-")[0])
        field = {"clicked_at": time_ms} if type(event) is Conversion else {}
        moved.append(msgspec.structs.replace(event, occurred_at=time_ms, **field))
    return moved
