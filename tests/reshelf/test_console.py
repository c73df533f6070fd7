"""The console: what it remembers, whom it answers, and its pages in a real browser."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import ClientSession, web
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from bench.browser import CHROMIUM, FLAGS
from policy.assignment import choose
from reshelf.console.guard import OURS, Guard
from reshelf.console.letters import Letters
from reshelf.console.past import Past
from reshelf.processes import free_port
from schemas.dead_letters import DeadLetter
from schemas.errors import BadSettings
from schemas.messages import Layout
from schemas.topics import DEAD_LETTERS
from streams.layouts.schedule import Key
from streams.settings import ConsoleSettings, KafkaSettings

TOKEN = "a-token-of-some-length"
ITEMS = st.dictionaries(st.sampled_from(["s1", "s2", "s3"]), st.sampled_from("abcde"))


def layout_of(version: int, slates: list[dict[str, str]]) -> Layout:
    fields: dict[str, Any] = {
        "page": "home", "segment": "cooks", "version": version, "produced_at": 1_000 * version, "expires_at": 2**40,
        "epoch": 0, "template": "default", "policy": "thompson", "settings_digest": "", "rules_version": 1,
        "parameters_version": 0, "catalog_position": [], "watermarks": {}, "holdout_share": 0.2, "holdout_salt": "h",
        "baseline": slates[0], "slates": slates, "propensities": {},
    }  # fmt: skip
    return Layout(**fields)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.lists(ITEMS, min_size=1, max_size=3)), min_size=1), st.text(max_size=5)
)
def test_changes_lead_from_the_first_slate_to_the_newest(
    made: list[tuple[int, list[dict[str, str]]]], unit: str
) -> None:
    past, key, newest, first = Past(depth=100), Key("home", "cooks"), -1, {}
    for version, slates in made:
        layout = layout_of(version, slates)
        past.take(layout)
        if newest < 0:
            first = dict(choose(layout, unit).slate)
        newest = max(newest, version)
    seen = dict(first)
    for change in reversed(past.changes(key, unit)):
        assert seen.get(change.slot, "") == change.before != change.after
        seen[change.slot] = change.after
    assert past.newest[key].version == newest
    assert {slot: item for slot, item in seen.items() if item} == dict(choose(past.newest[key], unit).slate)


def test_only_so_much_of_the_past_is_kept() -> None:
    past = Past(depth=3, keys=1)
    for version in range(10):
        past.take(layout_of(version, [{"s1": f"i{version}"}]))
    assert [change.version for change in past.changes(Key("home", "cooks"), "u")] == [9, 8]
    past.drop(Key("home", "cooks"))
    assert past.changes(Key("home", "cooks"), "u") == []
    assert not past.newest


def test_letters_are_told_whole(broker: str, prefix: str, make_topics: Callable[..., None]) -> None:
    make_topics(broker)
    letter = DeadLetter("events-clicks", 2, 41, "late", "two days", b"u1", b"\xff{", (("trace", b"7"),))
    producer = Producer({"bootstrap.servers": broker})
    producer.produce(prefix + DEAD_LETTERS.name, letter.value, letter.key, headers=dict(letter.to_headers()))
    producer.produce(prefix + DEAD_LETTERS.name, b"no letter at all")
    producer.flush(10)
    letters = Letters(KafkaSettings(bootstrap=broker, prefix=prefix))
    end = time.monotonic() + 20
    while letters.total < 2 and time.monotonic() < end:
        letters.read()
    told = letters.told()
    letters.close()
    assert {(one["topic"], one["reason"], one["letters"]) for one in told["reasons"]} == {
        ("events-clicks", "late", 1), ("", "unknown", 1),
    }  # fmt: skip
    (late,) = [one for one in told["last"] if one["reason"] == "late"]
    assert (late["place"], late["key"], late["value"], late["headers"]) == ("2:41", "u1", "\\xff{", [["trace", "7"]])


def statuses(settings: ConsoleSettings, *asked: tuple[str, str, dict[str, str]]) -> list[int]:
    """What a guarded application answers to requests of (method, path, headers)."""

    async def ask() -> list[int]:
        async def fine(request: web.Request) -> web.Response:
            return web.Response(text="fine")

        app = web.Application(middlewares=[Guard(settings).check])
        app.router.add_route("*", "/{any:.*}", fine)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address, found = f"http://127.0.0.1:{runner.addresses[0][1]}", []
        async with ClientSession() as session:
            for method, path, headers in asked:
                async with session.request(method, address + path, headers=headers, allow_redirects=False) as response:
                    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
                    found.append(response.status)
        await runner.cleanup()
        return found

    return asyncio.run(ask())


def test_without_a_token_only_this_machine_is_answered() -> None:
    assert statuses(
        ConsoleSettings(),
        ("GET", "/", {}),
        ("GET", "/", {"Host": "localhost:1"}),
        ("GET", "/", {"Host": "shop.example"}),
    ) == [200, 200, 403]


def test_what_writes_comes_from_our_own_pages() -> None:
    own, foreign = {"Origin": "http://localhost:1"}, {"Origin": "http://shop.example"}
    host = {"Host": "localhost:1"}
    assert statuses(
        ConsoleSettings(),
        ("POST", "/api/rules", host),
        ("POST", "/api/rules", host | own),
        ("POST", "/api/rules", host | foreign | {OURS: "1"}),
        ("POST", "/api/rules", host | own | {OURS: "1"}),
    ) == [403, 403, 403, 200]


def test_with_a_token_everything_asks_for_it() -> None:
    settings = ConsoleSettings(token=TOKEN)
    cookie = f"reshelf-console={Guard(settings).pass_}"
    assert statuses(
        settings,
        ("GET", "/", {}),
        ("GET", "/login", {}),
        ("GET", "/api/pages", {}),
        ("GET", "/metrics", {}),
        ("GET", "/api/pages", {"Authorization": "Bearer wrong"}),
        ("GET", "/api/pages", {"Authorization": f"Bearer {TOKEN}"}),
        ("GET", "/api/pages", {"Cookie": cookie}),
        ("GET", "/api/pages", {"Cookie": "reshelf-console=" + TOKEN}),
        ("GET", "/", {"Host": "shop.example", "Cookie": cookie}),
    ) == [303, 200, 401, 401, 401, 200, 200, 401, 200]


def test_beyond_this_machine_a_token_is_needed() -> None:
    with pytest.raises(BadSettings, match=r"console\.token"):
        Guard(ConsoleSettings(host="0.0.0.0", token="short"))
    Guard(ConsoleSettings(host="0.0.0.0", token=TOKEN))


@pytest.fixture
def shop() -> Iterator[str]:
    """The address of the console of a demonstration."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: the console's pages are not tested in a browser")
    port = free_port()
    command = [sys.executable, "-m", "reshelf", "demo", "--port", str(port), "--rate", "300", "--json"]
    demo = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        demo.terminate()
        demo.wait(30)


@pytest.fixture
def browser(shop: str) -> Iterator[Any]:
    """A tab that is at the console once that answers; it fails the test when it says anything on its console."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        tab = chromium.new_page(viewport={"width": 1360, "height": 900})
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                tab.goto(shop)
                break
            except Exception:  # noqa: BLE001  the console has not come up yet
                time.sleep(0.2)
        said: list[str] = []
        tab.on("console", lambda message: said.append(message.text) if "503" not in message.text else None)
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda one: said.append(one.url) if not one.url.startswith((shop, "data:")) else None)
        yield tab
        assert not said
        chromium.close()


def until(browser: Any, expression: str, seconds: float = 30.0) -> None:
    """Wait for something to be true in the page; the pages allow no script that waits for it there."""
    end = time.monotonic() + seconds
    while not browser.evaluate(f"() => {expression}"):
        assert time.monotonic() < end, expression
        time.sleep(0.1)


def publish_a_pin(browser: Any) -> None:
    """A rule that was published in the browser shows up in the next layout, and in the history."""
    browser.locator("#rules-text").wait_for()
    until(browser, "document.getElementById('rules-text').value.includes('slots:')")
    page = browser.locator("[aria-label=Page] [aria-pressed=true]").inner_text()
    browser.get_by_role("button", name="+ Pin").click()
    text = browser.locator("#rules-text").input_value()
    browser.locator("#rules-text").fill(text.replace("ITEM", "no-such-thing").replace("kind: pin", "kind: pine"))
    browser.get_by_role("button", name="Check").click()
    browser.get_by_text(re.compile(r"line \d+: .*pine")).wait_for()
    item = browser.evaluate(
        "async page => (await (await fetch(`/api/shop?page=${page}&segment=*`)).json()).slots.at(-1).item", page
    )
    browser.locator("#rules-text").fill(text.replace("ITEM", item))
    browser.get_by_label("Your name").fill("mira")
    browser.get_by_label("Why").fill("shoe week")
    browser.get_by_role("button", name="Publish").click()
    browser.get_by_text("Published as version 2.").wait_for(timeout=60_000)
    assert "mira" in browser.locator(".history summary").first.inner_text()
    browser.locator("nav a").first.click()
    until(browser, f"document.querySelector('.card a')?.href.includes('item={item}') ?? false")
    browser.locator("nav a").nth(5).click()
    browser.locator(".history summary").nth(1).click()
    browser.get_by_role("button", name="Go back to this").click()
    browser.get_by_text("Published as version 3.").wait_for(timeout=60_000)


def test_the_pages_in_a_browser(browser: Any) -> None:
    """Each page has content, the shop changes while traffic flows, and all is reached by keyboard and on a phone."""
    browser.locator(".card").first.wait_for(timeout=60_000)
    assert browser.locator(".card h3").count() >= 4
    browser.locator(".log li .slot").first.wait_for(timeout=60_000)

    browser.keyboard.press("2")
    browser.locator(".row[role=row] .axis").first.wait_for(timeout=30_000)
    browser.get_by_role("button", name="Clicks").click()
    clicks = [0]
    for _ in range(60):
        clicks = [
            int(text.replace(",", ""))
            for text in browser.locator(".pool .row:not([hidden]) .cell:nth-child(5)").all_inner_texts()
        ]
        if clicks and clicks[0] > 0 and clicks == sorted(clicks, reverse=True):
            break
        browser.wait_for_timeout(500)
    assert clicks[0] > 0
    assert clicks == sorted(clicks, reverse=True)

    browser.keyboard.press("3")
    browser.get_by_text("Visitors arrive in the holdout as often as they should.").wait_for(timeout=30_000)
    until(browser, "document.querySelectorAll('.outcome b').length == 3")

    browser.keyboard.press("4")
    browser.get_by_text("events-impressions").wait_for(timeout=30_000)
    until(browser, "document.querySelector('.tile b').textContent.replace(',', '') > 0")
    assert re.search(r"[\d.]+ MB", browser.locator(".tile").nth(5).inner_text())

    told = browser.evaluate("async () => await (await fetch('/metrics')).text()")
    assert 'reshelf_state_lag_records{topic="events-clicks",' in told and "reshelf_redis_memory_bytes{" in told
    assert 'reshelf_http_requests_total{route="/api/arms",status="200"} ' in told

    browser.keyboard.press("5")
    browser.get_by_text("Where it stands").wait_for(timeout=30_000)
    assert browser.locator(".picks [aria-pressed=true]").count() == 1

    browser.keyboard.press("6")
    publish_a_pin(browser)

    browser.set_viewport_size({"width": 390, "height": 844})
    for key in "123456":
        browser.keyboard.press(key)
        browser.locator("h1").wait_for()
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
