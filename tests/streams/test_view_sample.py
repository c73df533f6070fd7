"""The fitter's sample of page views: whatever the order of the log, within bounds, whole visitors."""

from __future__ import annotations

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.messages.events import Click, Impression, SlotItem
from streams.fitter.view_sample import PAGES, SETTLE_MS, SPAN_MS, Snapshot, UnitShare, ViewSample, snapshot, unit_hash

SLOTS = ["a", "b", "c"]
NOW = 1_700_000_000_000
CATEGORIES = {"x": "shoes", "y": "shoes", "z": ""}


def impression(view: str, items: dict[str, str], unit: str = "u", at: int = NOW, page: str = "home") -> Impression:
    slots = [SlotItem(slot, item) for slot, item in items.items()]
    return Impression(f"i-{view}-{sorted(items)}", at, unit, page, "s", view, 1, 0, slots)


def click(view: str, slot: str, item: str, unit: str = "u", page: str = "home") -> Click:
    return Click(f"c-{view}-{slot}", NOW, unit, page, "s", slot, item, view, 1, 0)


EVENTS: list[Impression | Click] = [
    impression("1", {"a": "x", "b": "y"}),
    impression("1", {"c": "z"}),
    impression("2", {"b": "x", "c": "y"}, unit="v"),
    click("1", "b", "y"),
    click("2", "c", "other", unit="v"),
    click("2", "b", "x", unit="v"),
]


def taken_in(events: list[Impression | Click], limit: int = 100) -> ViewSample:
    sample = ViewSample(limit)
    for event in events:
        if isinstance(event, Click):
            sample.click(event)
        else:
            sample.see(event)
    sample.see(impression("later", {"a": "x"}, at=NOW + SETTLE_MS, page="elsewhere"))
    return sample


def cells(found: Snapshot) -> list[tuple[list[int], list[bool], list[bool]]]:
    views = found.views
    rows = zip(views.kinds.tolist(), views.seen.tolist(), views.clicked.tolist(), strict=True)
    return sorted((kinds, seen, clicked) for kinds, seen, clicked in rows)


@given(st.permutations(EVENTS))
def test_the_order_of_the_log_does_not_matter(events: list[Impression | Click]) -> None:
    found = snapshot(taken_in(events).views("home"), SLOTS, CATEGORIES)
    assert cells(found) == [
        ([-1, 0, 0], [False, True, True], [False, True, False]),
        ([0, 0, -1], [True, True, True], [False, True, False]),
    ]


def test_the_items_of_a_layout_are_pairs_of_their_own() -> None:
    views = snapshot(taken_in(EVENTS).views("home"), SLOTS, CATEGORIES).views
    assert len({*views.pairs[views.seen].tolist()}) == 3
    assert views.pairs[0, 0] == views.pairs[1, 1]
    another = msgspec.structs.replace(impression("3", {"a": "x"}), layout_version=2)
    views = snapshot(taken_in([*EVENTS, another]).views("home"), SLOTS, CATEGORIES).views
    assert views.pairs[2, 0] not in views.pairs[:2][views.seen[:2]]


def test_what_may_be_clicked_yet_and_what_is_old_is_left_out() -> None:
    sample = taken_in([*EVENTS, impression("young", {"a": "x"}, at=NOW + SETTLE_MS)])
    assert len(sample.views("home")) == 2
    sample.see(impression("much later", {"a": "x"}, at=NOW + SPAN_MS + 1, page="elsewhere"))
    assert [view.at for view in sample.views("home")] == [NOW + SETTLE_MS]
    sample.see(impression("too late", {"a": "x"}, at=NOW))
    assert len(sample.views("home")) == 1


def test_a_unit_that_is_forgotten_is_in_no_sample() -> None:
    sample = taken_in(EVENTS)
    sample.forget(unit_hash(b"v"))
    assert [view.unit for view in sample.views("home")] == [unit_hash(b"u")]


def test_segments_that_are_left_out_and_slots_of_no_page_do_not_count() -> None:
    views = taken_in([*EVENTS, impression("1", {"gone": "x"})]).views("home")
    assert snapshot(views, SLOTS, CATEGORIES).views.seen.sum() == 5
    assert len(snapshot(views, SLOTS, CATEGORIES, ["s"]).even) == 0


def test_memory_is_bounded_and_the_newest_stay() -> None:
    sample = taken_in([impression(str(number), {"a": "x"}) for number in range(500)], limit=20)
    assert len(sample.views("home")) == 20
    for number in range(2_000):
        sample.see(impression(str(number), {"a": "x"}, unit=str(number), page=f"p{number % 50}"))
    held = {page: sample.views(page) for page in ["home", *(f"p{number}" for number in range(50))]}
    assert sum(map(len, held.values())) <= PAGES * 20
    assert all(sample.units.has(view.unit) for views in held.values() for view in views)
    some = next(page for page, views in held.items() if views)
    sample.keep_pages([some])
    assert [page for page in held if sample.views(page)] == [some]


def test_a_unit_is_in_or_out_and_halves_are_halves() -> None:
    share, units = UnitShare(), [unit_hash(str(number).encode()) for number in range(4_000)]
    before = {unit for unit in units if share.has(unit)}
    share.halve()
    after = {unit for unit in units if share.has(unit)}
    assert before == set(units) > after
    assert abs(len(after) / len(units) - 0.5) < 0.05
    views = taken_in([impression(str(number), {"a": "x"}, unit=str(number)) for number in range(1_000)], 1_000)
    assert abs(np.mean(snapshot(views.views("home"), SLOTS, CATEGORIES).even) - 0.5) < 0.1
