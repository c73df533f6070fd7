"""The web tiers in `examples/`, in Python and in JavaScript: the same pages, the same events, on any broker."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import requests
from confluent_kafka import Message, Producer

from bench.web.browser import CHROMIUM, browser
from policy.assignment import choose
from reshelf.processes.children import free_port
from schemas import export
from schemas.codec import decoder, encode, encode_key
from schemas.messages.events import (
    Click,
    Impression,
    Purchase,
    PurchaseLine,
    Return,
    ReturnLine,
    Signal,
    SlotItem,
)
from schemas.messages.fields import FALLBACK
from schemas.messages.layouts import Layout, LayoutLife, LayoutShelf
from schemas.messages.segments import SegmentModel
from schemas.topic import Topic
from schemas.topics import CLICKS, IMPRESSIONS, LAYOUT_LIVES, LAYOUTS, PURCHASES, RETURNS, SEGMENTS, SIGNALS
from streams.fitter.segments.records import records_of
from streams.kafka.clients import confluent_producer_config, partition_of
from streams.kafka.reader import partitions, reader, to_the_end
from streams.settings import KafkaSettings
from tests.deadline import Deadline
from tests.delivery import flush
from tests.reshelf.test_layouts_command import layout

EXAMPLES = Path(__file__).parents[2] / "examples"
PARTITIONS = 4
OWN = {"home-1": "own", "home-2": "own", "home-3": '<own> & "quoted"'}
NAMES = {"page": "home", "segment": "cooks", "page_view_id": "v-1", "layout_version": 9, "variant": 1}
UNITS = [f"unit-{number}" for number in range(20)] + ["größe", "客人", "a;b=c d"]
TOKEN = "back-office-secret"
ARRANGED = msgspec.structs.replace(
    layout("*", 8),
    page="arranged",
    baseline={"hero": "atlas", "row-1.1": "tent", "row-1.2": "mug", "row-2.1": "stove"},
    slates=[{"hero": "atlas", "row-1.1": "stove", "row-1.2": "mug", "row-2.1": "tent"}, {"row-2.1": "tent"}],
    rows=[{"top": "atlases", "row-1": "best", "row-2": "new"}, {"row-2": "new"}],
    baseline_rows={"top": "atlases", "row-1": "new", "row-2": "best"},
    shelves={"atlases": LayoutShelf(), "new": LayoutShelf("New & <old>"), "best": LayoutShelf("Best", "grid")},
)
"""A page with shelves; rows have an empty slot, or are left out."""
LINE = {"item": "tent", "quantity": 2, "amount": 4_990}


DEVICES = {"phone": [0, 20], "other": [0, 0]}
TASTES = SegmentModel(1, 1, 1, ["t01", "t02"], [0, 0], parts=0, margin=1, attribute="device", values=DEVICES)
POINTS = {"tent": [5, 0], "größe: a;b": [0, 40]}


@dataclass(frozen=True)
class Tier:
    """A running web tier and the broker it speaks to."""

    address: str
    kafka: KafkaSettings

    def get(self, path: str, unit: str | None = None) -> requests.Response:
        cookies = {} if unit is None else {"unit": quote(unit)}
        return requests.get(self.address + path, cookies=cookies, timeout=10)

    def post(self, path: str, content: Any, unit: str = "unit-1") -> requests.Response:
        return requests.post(self.address + path, json=content, cookies={"unit": quote(unit)}, timeout=120)

    def records(self, topic: Topic) -> list[Message]:
        with reader(self.kafka) as consumer:
            places = partitions(consumer, self.kafka.prefix + topic.name)
            return [message for message in to_the_end(consumer, places) if message.error() is None]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def command_of(name: str) -> list[str]:
    if name == "python":
        return [sys.executable, str(EXAMPLES / "python" / "shop.py")]
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed: the web tier in JavaScript is not tested")
    if not (EXAMPLES / "node" / "node_modules" / "kafkajs").is_dir():
        pytest.skip("Node's packages are not installed: run `npm ci` in examples/node")
    return [node, str(EXAMPLES / "node" / "shop.mjs")]


def publish(kafka: KafkaSettings, layouts: list[Layout]) -> None:
    deliver(kafka, LAYOUTS, [(encode_key(LAYOUTS, one.page, one.segment), encode(one)) for one in layouts])


def deliver(kafka: KafkaSettings, topic: Topic, records: list[tuple[bytes, bytes]]) -> None:
    producer = Producer(confluent_producer_config(kafka))
    for key, value in records:
        producer.produce(kafka.prefix + topic.name, value, key)
    flush(producer)


@pytest.fixture(params=["python", "node"])
def tier(
    request: pytest.FixtureRequest, any_broker: str, prefix: str, make_topics: Callable[..., None]
) -> Iterator[Tier]:
    """A web tier that has read a few layouts, many enough that they come compressed."""
    command = command_of(request.param)
    make_topics(any_broker, PARTITIONS)
    kafka = KafkaSettings(bootstrap=any_broker, prefix=prefix)
    now = now_ms()
    past = msgspec.structs.replace(layout("*", 5, now), page="past")
    versions = [*(("cooks", version) for version in (*range(1, 9), 10, 9)), ("*", 3)]
    standing = msgspec.structs.replace(layout("*", 6, now), page="standing", life="live/0/1")
    shelves = msgspec.structs.replace(ARRANGED, expires_at=now + 600_000)
    tastes = [
        msgspec.structs.replace(layout(name, 4, now + 600_000), page="tastes", segments="learned")
        for name in ("*", "t00", "t01", "t02")
    ]
    publish(kafka, [*(layout(*one, now + 600_000) for one in versions), past, standing, shelves, *tastes])
    model = [record for record in records_of(TASTES, POINTS, 0) if record.topic == SEGMENTS.name]
    deliver(kafka, SEGMENTS, [(record.key or b"", record.value or b"") for record in model])
    deliver(kafka, LAYOUT_LIVES, [(b"live/0/1", encode(LayoutLife("live/0/1", now, now + 600_000)))])
    port = free_port()
    chosen = {
        "RESHELF_KAFKA__BOOTSTRAP": any_broker,
        "RESHELF_KAFKA__PREFIX": prefix,
        "PORT": str(port),
        "BACK_OFFICE": TOKEN,
    }
    own = {"FALLBACK": json.dumps({"past": OWN}), "FAMILIES": json.dumps({"tent": "tents", "tent-red": "tents"})}
    own["ROWS"] = json.dumps({"arranged": {"top": ["hero"]}})
    environment = os.environ | chosen | own | {"BACK_OFFICE": TOKEN}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as printed:
        try:
            assert "Serving" in printed.readline()
            yield Tier(f"http://127.0.0.1:{port}", kafka)
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(120)
    assert status in (0, -signal.SIGTERM)


def told(page: str) -> tuple[int, int, dict[str, str]]:
    """Version, variant and slate of a page of HTML."""
    version, variant = (int(re.findall(rf'data-{name}="(-?\d+)"', page)[0]) for name in ("version", "variant"))
    found = re.findall(r'data-slot="([^"]*)" data-item="([^"]*)"', page)
    return version, variant, {unescape(slot): unescape(item) for slot, item in found}


@pytest.mark.parametrize("any_broker", ["broker"], indirect=True)
def test_a_visitor_who_consents_is_in_the_segment_of_what_they_looked_at_and_nobody_else(tier: Tier) -> None:
    def segment(visitor: requests.Session) -> str:
        page = visitor.get(f"{tier.address}/tastes", timeout=10).text
        return str(re.findall(r'data-segment="([^"]*)"', page)[0])

    with requests.Session() as silent, requests.Session() as visitor:
        for each in (silent, visitor):
            assert segment(each) == "t00", "they looked at nothing yet"
        visitor.cookies.set("consent", "yes")
        for each in (silent, visitor):
            each.get(f"{tier.address}/items/tent", timeout=120)
        assert (segment(silent), segment(visitor)) == ("t00", "t01")
        visitor.headers["User-Agent"] = "a browser, Mobile"
        assert segment(visitor) == "t02", "who comes on a phone"
        visitor.headers["User-Agent"] = "a browser"
        assert segment(visitor) == "t01"
        clicked = event("click", event_id="c-7", slot="home-1", item="größe: a;b")
        assert visitor.post(f"{tier.address}/events", json=[clicked], timeout=120).status_code == 204
        assert segment(visitor) == "t02"
        for number in range(40):
            visitor.get(f"{tier.address}/items/{number:_>120}", timeout=120)
        assert len(visitor.cookies["tastes"] or "") < 2_100 and segment(visitor) == "t00", "the window moved on"
        unit = visitor.cookies["unit"]
        visitor.cookies.set("consent", "no")
        assert segment(visitor) == "t00" and "tastes" not in visitor.cookies
    views = [decoder(Signal)(message.value() or b"") for message in tier.records(SIGNALS)]
    assert {(view.unit, view.kind) for view in views} == {(unit, "view")} and len(views) == 41
    assert all(view.context == {"device": "desktop"} for view in views)


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, **NAMES, **fields}


def test_pages_are_shown_and_events_published_as_the_contract_says(tier: Tier) -> None:
    newest = layout("cooks", 10)
    for unit in UNITS:
        choice = choose(newest, unit)
        assert told(tier.get("/home?segment=cooks", unit).text) == (10, choice.variant, dict(choice.slate))
    assert told(tier.get("/home?segment=campers", "unit-1").text)[0] == 3
    assert told(tier.get("/past", "unit-1").text) == (0, FALLBACK, OWN)
    assert told(tier.get("/standing", "unit-1").text)[0] == 6, "its life goes on"
    assert told(tier.get("/unknown").text) == (0, FALLBACK, {})
    check_shelves(tier)
    visitor = tier.get("/home").cookies["unit"] or ""
    assert len(visitor) >= 32
    assert "unit" not in tier.get("/home", visitor).cookies

    for at, unit in enumerate(UNITS):
        place = {"slot": "home-1", "item": "tent"} | ({"visible_ms": 1_000 * at} if at else {})
        stood = {"rows": {"home": "best"}} if at else {}
        seen = event("impression", event_id=f"i-{at}", slots=[place | ({"row": "home"} if at else {})], **stood)
        clicked = event("click", event_id=f"c-{at}", slot="home-1", item="tent", **({"shelf": "best"} if at else {}))
        assert tier.post("/events", [seen, clicked], unit).status_code == 204
        carried = {"kind": "signal", "event_id": f"s-{at}", "signal": "add-to-cart", "item": "tent-red"}
        assert tier.post("/events", [carried], unit).status_code == 204
    order = {"order_id": "o-1", "currency": "EUR", "lines": [LINE]}
    assert tier.post("/orders", order, "größe").status_code == 204
    times = [
        [event("impression", event_id="i-w", slots=[{"slot": "home-1", "item": "tent", "visible_ms": time}])]
        for time in (-1, 3_600_001, 5.5, "5", True)
    ]
    for wrong in ([event("view")], {"no": "list"}, [3], *times):
        assert tier.post("/events", wrong).status_code == 400
    assert requests.post(f"{tier.address}/events", json=[seen], timeout=120).status_code == 400, "no cookie"
    check_returns(tier)
    check_events(tier)


def check_shelves(tier: Tier) -> None:
    """Rows stand in the order of the layout, each with its shelf, its title and its slots; nothing else does."""
    for unit in UNITS:
        choice, html = choose(ARRANGED, unit), tier.get("/arranged", unit).text
        assert told(html) == (8, choice.variant, dict(choice.slate))
        found = re.findall(r'<section data-row="(.*?)" data-shelf="(.*?)">(?:<h2>(.*?)</h2>)?(.*?)</section>', html)
        assert [(row, shelf) for row, shelf, _, _ in found] == list(choice.rows.items())
        assert {shelf: unescape(title) for _, shelf, title, _ in found} == {
            shelf: (ARRANGED.shelves or {})[shelf].title for shelf in choice.rows.values()
        }
        for row, _, _, slots in found:
            named = [slot for slot in choice.slate if slot.startswith(f"{row}.") or (row, slot) == ("top", "hero")]
            assert re.findall(r'data-slot="(.*?)"', slots) == named


def check_returns(tier: Tier) -> None:
    """The back office alone reports returns, and of orders that the tier knows with their units."""
    returned = {"return_id": "r-1", "order_id": "o-1", "currency": "EUR", "lines": [LINE | {"quantity": 1}]}
    token = {"Authorization": f"Bearer {TOKEN}"}

    def send(report: Any, headers: dict[str, str]) -> int:
        return requests.post(f"{tier.address}/returns", json=report, headers=headers, timeout=120).status_code

    assert send(returned, {}) == send(returned, {"Authorization": "Bearer another"}) == 403
    assert send(returned | {"order_id": "o-2"}, token) == 404
    assert send(3, token) == 400
    assert send(returned, token) == 204
    (message,) = tier.records(RETURNS)
    assert message.key() == "größe".encode()
    assert decoder(Return)(message.value() or b"").lines == [ReturnLine("tent", 1, 4_990)]


def check_events(tier: Tier) -> None:
    found = {topic.name: tier.records(topic) for topic in (IMPRESSIONS, CLICKS, SIGNALS, PURCHASES, RETURNS)}
    for messages in found.values():
        for message in messages:
            assert message.partition() == partition_of(message.key() or b"", PARTITIONS)
    impressions = [decoder(Impression)(message.value() or b"") for message in found[IMPRESSIONS.name]]
    clicks = [decoder(Click)(message.value() or b"") for message in found[CLICKS.name]]
    purchases = [decoder(Purchase)(message.value() or b"") for message in found[PURCHASES.name]]
    assert {one.unit for one in impressions} == {one.unit for one in clicks} == set(UNITS)
    visible = sorted((one.slots for one in impressions), key=lambda slots: slots[0].visible_ms or 0)
    expected = [SlotItem("home-1", "tent", at * 1_000 or None, "home" if at else "") for at in range(len(UNITS))]
    assert visible == [[slot] for slot in expected]
    for arranged in ([one.rows for one in impressions], [{"home": one.shelf} if one.shelf else {} for one in clicks]):
        assert sorted(arranged, key=len) == [{}, *[{"home": "best"}] * (len(UNITS) - 1)]
    assert {message.key() for message in found[CLICKS.name]} == {unit.encode() for unit in UNITS}
    assert {abs(one.occurred_at - now_ms()) < 600_000 for one in clicks} == {True}
    origin = {"page": "home", "segment": "cooks", "page_view_id": "v-1", "layout_version": 9, "variant": 1}
    assert [{name: getattr(one, name) for name in origin} for one in clicks] == [origin] * len(UNITS)
    assert [(one.event_id, one.order_id, one.unit, one.lines) for one in purchases] == [
        ("p-o-1", "o-1", "größe", [PurchaseLine("tent", 2, 4_990, "tents")])
    ]
    signals = [decoder(Signal)(message.value() or b"") for message in found[SIGNALS.name]]
    assert {(one.kind, one.item, one.family) for one in signals} == {("add-to-cart", "tent-red", "tents")}
    assert {one.unit for one in signals} == set(UNITS)
    assert {one.family for one in clicks} == {"tents"}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser for all of them."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: the report of visible slots is not tested in a browser")
    with browser() as started:
        yield started


@pytest.fixture
def tab(chromium: Any) -> Iterator[Any]:
    """A tab without anything of another test, in which time passes where a test says so alone."""
    with chromium.new_context(viewport={"width": 600, "height": 300}) as context:
        tab = context.new_page()
        # Views last as long as the test has them last.
        tab.clock.install(time=0)
        tab.clock.pause_at(1_000)
        yield tab


@pytest.mark.parametrize("any_broker", ["broker"], indirect=True)
@pytest.mark.parametrize("tier", ["python"], indirect=True)
def test_a_browser_reports_what_was_really_seen(tier: Tier, tab: Any) -> None:
    tab.goto(f"{tier.address}/past")
    scroll(tab, "0")
    tab.clock.run_for(700)
    scroll(tab, "document.body.scrollHeight")
    tab.clock.run_for(700)
    scroll(tab, "0")
    tab.clock.run_for(1_500)
    assert seen_by(tier) == [], "home-1 is still in view, and home-3 was not for a second"
    with answered(tab):
        tab.clock.run_for(9_500)
    assert [slots for _, slots in seen_by(tier)] == [{"home-1": 10_000}], "nobody waits for longer views"
    scroll(tab, "document.body.scrollHeight")
    tab.clock.run_for(1_250)
    with answered(tab):
        tab.click("[data-slot=home-3]")
    events = seen_by(tier)
    assert {slot: time for _, slots in events for slot, time in slots.items()} == {"home-1": 10_000, "home-3": 1_250}
    assert len({event_id for event_id, _ in events}) == len(events) == 2, "home-2 was only passed by"
    clicks = [decoder(Click)(message.value() or b"") for message in tier.records(CLICKS)]
    assert [(one.slot, one.item, one.variant, one.layout_version) for one in clicks] == [
        ("home-3", OWN["home-3"], FALLBACK, 0)
    ]


@pytest.mark.parametrize("any_broker", ["broker"], indirect=True)
@pytest.mark.parametrize("tier", ["python"], indirect=True)
def test_a_browser_says_which_shelf_stood_in_the_rows_that_were_seen(tier: Tier, tab: Any) -> None:
    unit = next(unit for unit in UNITS if choose(ARRANGED, unit).variant == 0)
    tab.context.add_cookies([{"name": "unit", "value": quote(unit), "url": tier.address}])
    tab.goto(f"{tier.address}/arranged")
    scroll(tab, "document.body.scrollHeight")
    scroll(tab, "0")
    tab.clock.run_for(2_000)
    with answered(tab), tab.expect_request("**/events") as request:
        tab.click("[data-slot=hero]")
    seen, click = sorted(json.loads(request.value.post_data or ""), key=lambda event: event["kind"], reverse=True)
    assert (seen["rows"], seen["slots"]) == (
        {"top": "atlases"},
        [{"slot": "hero", "item": "atlas", "row": "top", "visible_ms": seen["slots"][0]["visible_ms"]}],
    )
    assert (click["slot"], click["item"], click["shelf"]) == ("hero", "atlas", "atlases")
    scroll(tab, "document.body.scrollHeight")
    tab.clock.run_for(2_000)
    with tab.expect_request("**/events") as request:
        scroll(tab, "0")
        tab.clock.run_for(1_000)
    (seen,) = json.loads(request.value.post_data or "")
    assert seen["rows"] == {"row-2": "new"} and [slot.get("row") for slot in seen["slots"]] == [None]


@pytest.mark.parametrize("any_broker", ["broker"], indirect=True)
@pytest.mark.parametrize("tier", ["python"], indirect=True)
@pytest.mark.parametrize("leave", ["scroll", "hide", "close"])
def test_a_browser_reports_a_view_when_it_is_over(tier: Tier, tab: Any, leave: str) -> None:
    """However it ends: nothing that was seen is lost when the tab is closed."""
    tab.goto(f"{tier.address}/past")
    scroll(tab, "document.body.scrollHeight")
    scroll(tab, "0")
    tab.clock.run_for(3_250)
    if leave == "close":
        tab.close(run_before_unload=True)
        end = Deadline(20)
        while not seen_by(tier) and end.ahead:
            time.sleep(0.1)
    else:
        with answered(tab):
            if leave == "hide":
                tab.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'hidden'})")
                tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
            else:
                scroll(tab, "document.body.scrollHeight")
                tab.clock.run_for(999)
    assert [slots for _, slots in seen_by(tier)] == [{"home-1": 3_250}]


def answered(tab: Any) -> Any:
    """Wait for the answer to what a tab reports meanwhile."""
    return tab.expect_response(lambda answer: answer.url.endswith("/events"))


def scroll(tab: Any, to: str) -> None:
    """Scroll to a height, and wait until who watches elements was told."""
    tab.evaluate(f"scrollTo(0, {to})")
    tab.evaluate("new Promise(done => new IntersectionObserver(() => done()).observe(document.body))")


def seen_by(tier: Tier) -> list[tuple[str, dict[str, int | None]]]:
    """Event ids and slots of the impressions with their visible times, in the order of their partition."""
    events = [decoder(Impression)(message.value() or b"") for message in tier.records(IMPRESSIONS)]
    return [(one.event_id, {slot.slot: slot.visible_ms for slot in one.slots}) for one in events]


def test_types_hold_for_the_code_in_javascript_and_for_all_examples(tmp_path: Path) -> None:
    checker = EXAMPLES / "node" / "node_modules" / ".bin" / "tsc"
    if not checker.exists():
        pytest.skip("Node's packages are not installed: run `npm ci` in examples/node")
    names = {stem: message.__name__ for stem, message in export.messages().items()}
    lines = [f'import type {{ {", ".join(names.values())} }} from "{export.GENERATED / "messages.js"}";']
    for number, path in enumerate(sorted(export.EXAMPLES.glob("*.json"))):
        lines.append(f"export const e{number}: {names[path.name.split('.')[0]]} = {path.read_text(encoding='utf-8')};")
    right = tmp_path / "right.mts"
    right.write_text("\n".join(lines), encoding="utf-8")
    wrong = tmp_path / "wrong.mts"
    wrong.write_text("\n".join([lines[0], "export const e: SlotItem = { slot: 3 };"]).replace("Click", "SlotItem", 1))
    assert types(checker, str(right)) == ""
    assert "error TS2" in types(checker, str(wrong))
    assert types(checker, "--project", str(EXAMPLES / "node")) == ""


def types(checker: Path, *arguments: str) -> str:
    strict = () if "--project" in arguments else ("--noEmit", "--strict", "--target", "es2022", "--module", "nodenext")
    done = subprocess.run([str(checker), *strict, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout
