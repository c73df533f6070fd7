"""The pages of the console in a real browser, while a demonstration's shoppers come."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from bench.web.browser import CHROMIUM
from bench.web.browser import browser as started_browser
from reshelf.processes.children import free_port
from schemas.topics import CLICKS
from tests.all_tests import ALL_TESTS
from tests.deadline import Deadline
from tests.delivery import flush

AXE = Path(__file__).parents[2] / "tools/web/node_modules/axe-core/axe.min.js"
"""Installed with what lints the pages (`make lint-web`)."""
PATIENCE_S = 120.0
"""Until something has to be seen, whatever else the machine does."""
VIEWS = {
    "Start": ".news li",
    "Shop": ".card h3",
    "Items": ".pool .row:not([hidden]) .axis",
    "Experiment": ".outcome b",
    "Pipeline": ".partitions i",
    "Why": ".picks [aria-pressed=true]",
    "Rules": ".history summary",
    "Drafts": "textarea",
    "Calendar": ".panel .soft",
    "Segments": ".panel p.soft",
}
"""The pages in the order of their keys, and what each has once its data is there."""
COLOURS = """() => {
  // Channels from 0 to 1, and how opaque.
  const parsed = text => {
    const [red, green, blue, alpha = 1] = text.match(/-?[\\d.]+(e-?\\d+)?/g).map(Number);
    return [...[red, green, blue].map(one => text.startsWith("color(") ? one : one / 255), alpha];
  };
  const over = (above, below) => below.map((one, at) => above[3] * above[at] + (1 - above[3]) * one);
  const behind = node => node
    ? over(parsed(getComputedStyle(node).backgroundColor), behind(node.parentElement)) : [1, 1, 1];
  const light = rgb => rgb.map(one => one <= .04045 ? one / 12.92 : ((one + .055) / 1.055) ** 2.4)
    .reduce((sum, one, at) => sum + one * [.2126, .7152, .0722][at], 0);
  const told = [...document.querySelectorAll("body, body *")].filter(node =>
    !node.closest("svg, noscript, :disabled, .skip") && node.checkVisibility({ opacityProperty: true })
    && [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()));
  return {
    paper: light(behind(document.body)),
    pale: told.map(node => {
      const under = behind(node), text = over(parsed(getComputedStyle(node).color), under);
      const [one, other] = [light(under), light(text)];
      return [(Math.max(one, other) + .05) / (Math.min(one, other) + .05), node.textContent.trim().slice(0, 40)];
    }).filter(([contrast]) => contrast < 4.5), texts: told.length,
  };
}"""
"""How light the page is (0 to 1), and the texts whose contrast is less than WCAG's level AA asks for."""


@pytest.fixture
def shop(broker: str, redis_url: str, prefix: str) -> Iterator[str]:
    """The address of the console of a demonstration, once it answers."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: the console's pages are not tested in a browser")
    address = f"http://127.0.0.1:{free_port()}/"
    command = [sys.executable, "-m", "reshelf", "demo", "--no-embedded", "--port", address[17:-1]]
    servers = {"RESHELF_KAFKA__BOOTSTRAP": broker, "RESHELF_KAFKA__PREFIX": prefix, "RESHELF_REDIS__URL": redis_url}
    demo = subprocess.Popen(
        [*command, "--rate", "300", "--json"],
        env=os.environ | servers, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        end = Deadline(60)
        while end.ahead and demo.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
                break
            time.sleep(0.2)
        yield address
    finally:
        demo.terminate()
        demo.wait(120)


@pytest.fixture
def browser(shop: str) -> Iterator[Any]:
    """A tab that is at the console; it fails the test when the page says or does anything that it should not."""
    with started_browser() as chromium:
        tab = chromium.new_page(viewport={"width": 1360, "height": 900})
        tab.set_default_timeout(1_000 * PATIENCE_S)
        said: list[str] = []
        # An answer that the state is not there yet is told by the browser as an error.
        tab.on("console", lambda one: said.append(one.text) if "a status of 503" not in one.text else None)
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda one: said.append(one.url) if not one.url.startswith((shop, "data:")) else None)
        tab.goto(shop)
        yield tab
        assert not said


def until(browser: Any, expression: str, seconds: float = PATIENCE_S) -> None:
    """Wait for something to be true in the page; the pages allow no script that waits for it there."""
    end = Deadline(seconds)
    while not browser.evaluate(f"() => {expression}"):
        assert end.ahead, expression
        time.sleep(0.1)


def publish_a_pin(browser: Any) -> None:
    """A rule that was published in the browser shows up in the next layout, and in the history."""
    browser.locator("#rules-text").wait_for()
    page = "cart"
    browser.get_by_label("Page", exact=True).get_by_role("button", name=page).click()
    until(browser, f"document.getElementById('rules-text').value.includes('{page}-1')")
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
    browser.get_by_text("Published as version 2.").wait_for()
    assert "mira" in browser.locator(".history summary").first.inner_text()
    browser.locator("nav a").nth(1).click()
    until(browser, f"document.querySelector('.card a')?.href.includes('item={item}') ?? false")
    browser.get_by_text("pinned", exact=True).first.wait_for()
    pin_on_the_page(browser)
    browser.locator("nav a").nth(6).click()
    browser.locator(".history summary").nth(1).click()
    browser.get_by_role("button", name="Go back to this").click()
    browser.get_by_text("Published as version 5.").wait_for()


def pin_on_the_page(browser: Any) -> None:
    """A card that is dragged is pinned in a draft, which is priced, published, seen on the page, and undone."""
    start, end = (browser.locator(".card").nth(at).bounding_box() for at in (2, 1))
    browser.mouse.move(start["x"] + 40, start["y"] + 60)
    browser.mouse.down()
    browser.mouse.move(end["x"] + 50, end["y"] + 70, steps=4)
    browser.mouse.up()
    browser.get_by_text("1 change, not published").wait_for()
    said = browser.locator(".draft-bar .tools .soft").inner_text()
    title = said.removeprefix(" · ").removesuffix(" is pinned in cart-2")
    assert said == f" · {title} is pinned in cart-2"
    browser.locator(".card h3 a", has_text=title).focus()
    browser.keyboard.press("Alt+ArrowRight")
    browser.get_by_text("2 changes, not published").wait_for()
    assert browser.evaluate("document.activeElement.textContent") == title
    browser.get_by_role("button", name="Undo last").click()
    browser.get_by_text("1 change, not published").wait_for()
    browser.get_by_role("button", name="Preview and publish").click()
    browser.locator(".verdict").wait_for()
    assert browser.evaluate(COLOURS)["pale"] == []
    browser.get_by_label("Why").fill("moved")
    browser.get_by_role("button", name="Publish", exact=True).click()
    browser.get_by_text("Published as version 3.").wait_for()
    browser.get_by_text("composed and on the topic after").wait_for()
    browser.get_by_role("button", name="Undo", exact=True).click()
    browser.get_by_text("Published as version 4.").wait_for()


def opened(browser: Any, title: str) -> None:
    """Open a page by its key and wait for its data."""
    browser.keyboard.press(str((1 + list(VIEWS).index(title)) % 10))
    until(browser, f"document.title === '{title} · Reshelf'")
    browser.locator(f"main {VIEWS[title]}").first.wait_for()


def focused(browser: Any) -> str:
    """The text of what has the focus, which is drawn around it and in sight."""
    until(browser, "document.activeElement.getBoundingClientRect().left >= 0")
    assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    text: str = browser.evaluate("document.activeElement.textContent")
    return text


def walk_by_keyboard(browser: Any) -> None:
    """Tab goes through the navigation in its order, Enter follows it, and what skips it stays on the page."""
    seen = []
    for _ in range(2 + len(VIEWS)):
        browser.keyboard.press("Tab")
        seen.append(focused(browser))
    assert seen == ["Skip to content", "Reshelf", *VIEWS]
    browser.keyboard.press("?")
    browser.get_by_role("dialog", name="Keys and words").wait_for()
    browser.keyboard.press("Escape")
    place = list(VIEWS).index("Why")
    for _ in range(len(VIEWS) - 1 - place):
        browser.keyboard.press("Shift+Tab")
    browser.keyboard.press("Enter")
    until(browser, "document.title === 'Why · Reshelf'")
    for _ in range(place + 2):
        browser.keyboard.press("Shift+Tab")
    assert focused(browser) == "Skip to content"
    browser.keyboard.press("Enter")
    until(browser, "document.activeElement.id === 'main'")
    assert browser.title() == "Why · Reshelf"


def look_at_shelves(browser: Any) -> None:
    """The front page has rows under the titles of their shelves, and a title leads to why its shelf stands there."""
    browser.get_by_label("Page", exact=True).get_by_role("button", name="front").click()
    titles = browser.locator("main a[href*='shelf=']")
    until(browser, "document.querySelectorAll(\"main a[href*='shelf=']\").length === 4")
    assert browser.locator(".card h3").count() == 16
    title = titles.first.inner_text()
    titles.first.click()
    until(browser, "document.title === 'Why · Reshelf'")
    browser.get_by_role("heading", name=title).first.wait_for()
    browser.keyboard.press("2")
    browser.get_by_label("Page", exact=True).get_by_role("button", name="cart").click()


def look_into_a_dead_letter(browser: Any, broker: str, prefix: str) -> None:
    """A record that is no click is skipped, and the page shows it whole, opened by keyboard."""
    (topic,) = (
        name
        for name in AdminClient({"bootstrap.servers": broker}).list_topics(timeout=10).topics
        if name.startswith(prefix) and name.endswith(CLICKS.name)
    )
    producer = Producer({"bootstrap.servers": broker})
    producer.produce(topic, b"no click \xff", b"u-invalid")
    flush(producer)
    summary = browser.locator(".letter summary").first
    summary.wait_for()
    summary.focus()
    browser.keyboard.press("Enter")
    assert browser.locator(".letter[open] pre").inner_text() == "no click \\xff"
    assert "u-invalid" in browser.locator(".letter[open] dl").inner_text()


def hindrances(browser: Any) -> list[str]:
    """What axe-core finds of the page; contrasts only where all tests run: they take longest, and COLOURS sees them."""
    if not AXE.exists():
        return []  # `test_axe_core_is_installed` says so.
    if not browser.evaluate("'axe' in window"):
        browser.evaluate(AXE.read_text())
    options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": ALL_TESTS}}}
    found = browser.evaluate("async options => (await axe.run(document, options)).violations", options)
    return [f"{one['help']}: {one['nodes'][0]['html'][:200]}" for one in found]


def look_in_the_dark_and_on_a_phone(browser: Any) -> None:
    """Every page, with its data: texts stand out in both schemes, nothing is wider than a phone or hinders anybody."""
    for width, height in ((1440, 900), (390, 844)):
        browser.set_viewport_size({"width": width, "height": height})
        for title in VIEWS:
            opened(browser, title)
            assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), (title, width)
            for scheme in ("light", "dark"):
                browser.emulate_media(color_scheme=scheme)
                found = browser.evaluate(COLOURS)
                assert (found["paper"] < 0.05) == (scheme == "dark")
                assert found["texts"] > 10 and found["pale"] == [], (title, scheme)
                if ALL_TESTS or (scheme == "dark") == (width == 390):
                    assert hindrances(browser) == [], (title, width, scheme)


def keep_what_is_sought(browser: Any) -> None:
    """Another segment shows the item that was looked for in the one before."""
    titles, search = browser.locator(".pool .row:not([hidden]) .cut"), browser.get_by_label("Find an item")
    sought = titles.first.inner_text()
    search.fill(sought)
    segments = browser.get_by_label("Segment", exact=True)
    if segments.evaluate("box => box.tagName") == "SELECT":
        segments.select_option(index=1)
    else:
        segments.get_by_role("button").nth(1).click()
    titles.first.wait_for()
    assert search.input_value() == sought
    assert set(titles.all_inner_texts()) == {sought}
    search.fill("")
    browser.locator("h1").click()


def test_the_pages_in_a_browser(browser: Any, broker: str, prefix: str) -> None:
    """Each page has content, the shop changes while traffic flows, and all is reached by keyboard and on a phone."""
    until(browser, f"document.querySelectorAll('nav a').length === {len(VIEWS)}")
    walk_by_keyboard(browser)
    browser.keyboard.press("2")
    browser.locator(".card").first.wait_for()
    assert browser.locator(".card h3").count() >= 4
    browser.locator(".log li .slot").first.wait_for()
    look_at_shelves(browser)

    browser.keyboard.press("3")
    browser.locator(".row[role=row] .axis").first.wait_for()
    browser.get_by_role("button", name="Clicks").click()
    clicks = [0]
    end = Deadline(PATIENCE_S)
    while end.ahead:
        clicks = [
            int(text.replace(",", ""))
            for text in browser.locator(".pool .row:not([hidden]) .cell:nth-child(5)").all_inner_texts()
        ]
        if clicks and clicks[0] > 0 and clicks == sorted(clicks, reverse=True):
            break
        browser.wait_for_timeout(500)
    assert clicks[0] > 0
    assert clicks == sorted(clicks, reverse=True)
    keep_what_is_sought(browser)

    browser.keyboard.press("4")
    browser.get_by_text("Visitors arrive in the holdout as often as they should.").wait_for()
    until(browser, "document.querySelectorAll('.outcome b').length == 3")

    browser.keyboard.press("5")
    browser.get_by_text("events-impressions").first.wait_for()
    browser.get_by_role("heading", name="Who sends events").wait_for()
    until(browser, "document.querySelector('.tile b').textContent.replace(',', '') > 0")
    assert re.search(r"[\d.]+ MB", browser.locator(".tile").nth(5).inner_text())

    look_into_a_dead_letter(browser, broker, prefix)

    told = browser.evaluate("async () => await (await fetch('/metrics')).text()")
    assert 'reshelf_state_lag_records{topic="events-clicks",' in told and "reshelf_redis_memory_bytes{" in told
    assert 'reshelf_http_requests_total{route="/api/arms",status="200"} ' in told

    browser.keyboard.press("6")
    browser.get_by_text("Where it stands").wait_for()
    assert browser.locator(".picks [aria-pressed=true]").count() == 1
    browser.get_by_role("heading", name="What follows clicks").wait_for()
    browser.get_by_text(re.compile(r"[\d,]+ of [\d,]+ clicks are pending: too young to say")).first.wait_for()

    browser.keyboard.press("7")
    publish_a_pin(browser)

    look_in_the_dark_and_on_a_phone(browser)


def test_axe_core_is_installed() -> None:
    if not AXE.exists():
        pytest.skip(
            "axe-core is not installed (`make lint-web` does it): what hinders people on pages is not looked for"
        )
