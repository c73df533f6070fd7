"""Layouts of pages with shelves are made again from the log as they were made from the state."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from policy.assignment import choose, unit_bin
from reshelf.evaluation.clock import Clock
from reshelf.evaluation.export import write_parquet
from reshelf.evaluation.recompose import Past, Recomposer
from reshelf.evaluation.tables.past import PastEvents
from schemas.codec import encode
from schemas.messages.events import Click, Conversion, Impression, SlotItem
from schemas.messages.layouts import Layout
from schemas.messages.pages import Branch, Candidates, PageRow, PageRules, PageShelf, PolicyChoice
from schemas.rules import Cap, Exposure, Match, Pin, Rule, Sponsored
from schemas.topics import CATALOG_ITEMS, CLICKS, CONVERSIONS, IMPRESSIONS, PAGE_RULES
from streams.catalog.layouts.arranged import PublishedRows
from streams.catalog.view import CatalogView
from streams.fold.judge import Accepted
from streams.kafka.records import TopicPartition
from streams.layouts.compose import compose, stamped
from streams.page_settings import LayoutSettings
from streams.settings import FoldSettings
from tests.all_tests import ALL_TESTS
from tests.reshelf.decision_logs import NOW
from tests.reshelf.joined_on_disk import TOPICS, on_disk
from tests.reshelf.plain_evaluation import PlainLog
from tests.streams.layout_inputs import Topics, item

ITEMS = tuple(f"i{number}" for number in range(9))
RULES = PageRules(
    "home",
    7,
    shelves=[
        PageShelf("new", title="New in", candidates=Candidates(tags=["new"])),
        PageShelf("first", kind="grid", candidates=Candidates(tags=["sale"])),
        PageShelf("for-you"),
    ],
    rows=[PageRow("first", columns=2), PageRow("second", slots=["left", "right"])],
    policy=PolicyChoice(variants=4, exploration_slates=1),
)
"""A shelf has the name of a row, and a row has slots whose names do not say it."""
ITEM_RULES: list[Rule] = [
    Pin(name="hero", item="i5", slot="left"),
    Pin(name="never", item="i6", slot="first.1"),
    Cap(name="few", match=Match(tags=["new"]), most=2),
    Exposure(name="seen", match=Match(items=["i3"]), least=0.5),
    Sponsored(name="paid", match=Match(tags=["sale"]), slot="right", impressions=10),
]
ROW_OF = RULES.row_of


def catalog_of(rules: PageRules = RULES) -> CatalogView:
    topics = Topics()
    for at, name in enumerate(ITEMS):
        topics.put(CATALOG_ITEMS, name.encode(), item(name, tags=["new"] if at < 4 else ["sale"] if at < 7 else []))
    topics.put(PAGE_RULES, b"home", rules)
    return topics.catalog


def visits(layout: Layout, units: int, seed: int) -> list[Any]:
    """What visitors saw of a layout; some page views name no shelf, and some only that of one row."""
    chance, events = random.Random(seed), list[Any]()
    for number in range(units):
        unit = f"u{number}"
        variant, slate, rows = choose(layout, unit)
        common: dict[str, Any] = {"unit": unit, "page": "home", "segment": "s", "variant": variant}
        common |= {"occurred_at": NOW, "layout_version": layout.version}
        named = [dict(rows), dict(rows), {"first": rows["first"]}, {}][chance.randrange(4)]
        cells = [SlotItem(slot, name, row=ROW_OF[slot]) for slot, name in slate.items()]
        events.append(Impression(**common, event_id=f"i{number}", page_view_id=f"v{number}", slots=cells, rows=named))
        for slot, name in slate.items():
            if chance.random() > 0.3:
                continue
            place: dict[str, Any] = {"slot": slot, "item": name, "shelf": named.get(ROW_OF[slot], "")}
            click = f"c{number}-{slot}"
            events.append(Click(**common, **place, event_id=click, page_view_id=f"v{number}"))
            sale: dict[str, Any] = {"order_id": f"o{number}", "purchase_id": "p", "line": 0, "quantity": 1}
            times: dict[str, Any] = {"clicked_at": NOW, "delay": 0, "amount": 700, "currency": "EUR"}
            events.append(Conversion(**common, **place, **sale, **times, event_id=f"s{click}", click_id=click))
    return events


def plain_log(events: list[Any]) -> PlainLog:
    """The events as they came, at the places that they have on disk, too."""
    logs: dict[TopicPartition, list[Accepted]] = defaultdict(list)
    for event in events:
        log = logs[TopicPartition(TOPICS[type(event)], unit_bin(event.unit) % 2)]
        log.append(Accepted(3 * len(log), 0, event, False, False, False))
    return PlainLog(logs)


def watermarks(end: int) -> dict[str, list[int]]:
    return {topic.name: [end, end] for topic in (IMPRESSIONS, CLICKS, CONVERSIONS)}


class Shop:
    """A page with shelves that publishes layouts from the state: a fold of the events as they came."""

    def __init__(self, rules: PageRules = RULES) -> None:
        self.catalog, self.settings, self.fold = catalog_of(rules), LayoutSettings(), FoldSettings()

    def publish(self, events: list[Any], end: int, before: Layout | None = None) -> Layout:
        past = Past(plain_log(events).of("home", "s"), self.fold, Clock(self.fold))
        rows = PublishedRows.of(before) if before else None
        page = self.catalog.page("home")
        state = past.at(watermarks(end))
        layout = compose("s", state, page, self.settings, 3, now_ms=NOW, published=rows)
        return stamped(layout, before.version + 1 if before else 1, NOW, 5_000)

    def again(self, events: list[Any], layouts: list[Layout], policy: Any = lambda choice: choice) -> list[Layout]:
        """The layouts from the log on disk, as they were published."""
        with on_disk(events, layouts) as evaluator:
            log = PastEvents(evaluator.tables)
            recomposer = Recomposer(log, Clock(self.fold), self.catalog, {}, self.fold, self.settings, policy)
            return [stamped(recomposer.again(layout), layout.version, NOW, 5_000) for layout in layouts]


@given(st.integers(0, 99), st.integers(40, 200), st.sampled_from([[], ITEM_RULES]))
@settings(max_examples=8 if ALL_TESTS else 3, deadline=None)
def test_the_log_gives_the_layout_that_the_state_gave_byte_for_byte(seed: int, end: int, rules: list[Rule]) -> None:
    shop = Shop(msgspec.structs.replace(RULES, rules=rules))
    events = visits(shop.publish([], 0), 150, seed)
    first = shop.publish(events, 30)
    following = shop.publish(events, 33, first)
    later = shop.publish(events, end, following)
    assert following.arranged == first.arranged
    layouts = [first, following, later]
    assert [encode(layout) for layout in shop.again(events, layouts)] == [encode(layout) for layout in layouts]


def test_shelves_that_stood_still_are_those_of_the_layout_and_another_policy_decides_its_own() -> None:
    shop = Shop()
    events = visits(shop.publish([], 0), 150, 1)
    first = shop.publish(events, 30)
    following = shop.publish(events, 33, first)
    assert following.rows is not UNSET
    turned = msgspec.structs.replace(following, rows=[*reversed(following.rows)])
    (again,) = shop.again(events, [turned])
    assert again.rows == turned.rows
    (other,) = shop.again(events, [turned], lambda choice: msgspec.structs.replace(choice, name="greedy"))
    assert other.arranged and other.arranged.version == other.version
    (decided,) = shop.again(events, [msgspec.structs.replace(first, rows=[*reversed(first.rows or [])])])
    assert decided.rows == first.rows


def test_a_page_with_branches_is_made_again_with_its_own_policy_alone() -> None:
    shop = Shop(msgspec.structs.replace(RULES, branches=[Branch("bold", 0.25, PolicyChoice(variants=6))]))
    events = visits(shop.publish([], 0), 150, 1)
    first = shop.publish(events, 30)
    following = shop.publish(events, 33, first)
    for layout, again in zip([first, following], shop.again(events, [first, following]), strict=True):
        assert (again.slates, again.rows) == (layout.slates[:5], (layout.rows or [])[:5])


def test_exported_rows_have_the_shelf_that_the_page_view_names(tmp_path: Any) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    shop = Shop()
    layout = shop.publish([], 0)
    events = visits(layout, 60, 1)
    with on_disk(events, [layout]) as evaluator:
        write_parquet(evaluator.tables, tmp_path, None)
    exported = pq.read_table(tmp_path / "part-00000.parquet").to_pylist()
    expected = {
        (event.page_view_id, cell.slot): event.shelf_of(cell)
        for event in events
        if type(event) is Impression
        for cell in event.slots
    }
    assert {(row["page_view_id"], row["slot"]): row["shelf"] for row in exported} == expected
    assert {*expected.values()} >= {"", "new"}
