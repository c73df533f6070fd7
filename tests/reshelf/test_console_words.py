"""What the console's pages say in a browser when not all is well; the answers of its server are made up."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

import pytest

from bench.web.browser import CHROMIUM, browser
from tests.reshelf.test_console_browser import hindrances

HOST = "http://console.test/"
PAGES: dict[str, Any] = {"pages": {"cart": ["*"], "home": ["cooks", "*"]}, "warnings": [], "most_seen": ""}
FEW: dict[str, Any] = {"uplift": 0.4, "low": None, "high": None, "learned": 0.02, "holdout": 0.01}
MUCH: dict[str, Any] = {"uplift": 1.5, "low": 1.2, "high": 1.9, "learned": 0.2, "holdout": 0.08}
SPLIT: dict[str, Any] = {"learned": 38_309, "holdout": 3_395, "expected": 0.1, "p_value": 2e-17, "alarm": True}
EXPERIMENT: dict[str, Any] = {
    "page": "home", "known": True, "level": 0.95, "currency": "EUR", "fallback": True, "since": 0, "guard_rail": "",
    "tolerated_loss": {"clicks": 0.05, "orders": 0.1, "revenue": 0.1}, "sample_ratio": SPLIT,
    "uplift": {"clicks": MUCH, "orders": FEW, "revenue": FEW},
    "over_time": {"clicks": [[at, 1.5, 1.2, 1.9] for at in (0, 60_000)], "orders": [], "revenue": []},
    "rails": {"clicks": "held", "orders": "not decided", "revenue": "unknown"}, "earned": None,
    "decision": {"verdict": "wait", "outcome": "orders", "days": 12.4},
}  # fmt: skip
ARMS: dict[str, Any] = {
    "item": ["can", "pot", "new"], "title": ["Can", "Pot", "New"], "category": ["a", "b", "b"], "fitted_at": 1,
    "low": [0.08, 0.01, 0.001], "mean": [0.087, 0.02, 0.03], "high": [0.094, 0.03, 0.4], "prior": [0.02, 0.02, 0.02],
    "clicks": [900, 50, 0], "examined": [9_000, 2_500, 0], "sold": [9, 0, 0], "placed": [1.0, 0.5, 0.0], "slots": [],
}  # fmt: skip
CARD: dict[str, Any] = {"title": "Iron pot", "category": "kitchen", "price": 990, "currency": "EUR", "share": 0.63}
SHOP: dict[str, Any] = {
    "page": "home", "segment": "cooks", "unit": "visitor-1", "of": "cooks", "variant": 0, "variants": 16, "version": 7,
    "rules_version": 1, "policy": "thompson", "produced_at": 1, "relaxed": [], "rows": [], "changes": [],
    "slots": [
        CARD | {"item": f"i{at}", "slot": f"s{at}", "created_at": 1, "marks": []} for at in range(3)
    ],
}  # fmt: skip
SHOP["slots"][1]["marks"] = [
    {"kind": "pin", "name": "week", "ends_at": 4_102_444_800_000, "factor": 1.0, "relaxed": False},
    {"kind": "boost", "name": "soft", "ends_at": 4_102_444_800_000, "factor": 0.5, "relaxed": True},
]
RULES: dict[str, Any] = {"text": "page: home\n", "version": 1, "rules": [], "history": []}


SEGMENTS: dict[str, Any] = {
    "heading": "2 segments of generation 1", "versions": [
        {"version": 7, "published_at": 1, "generation": 1, "names": ["t01", "t02"], "units": 1_234, "moved": 0.02,
         "likelier": 0.08, "attribute": "device"},
    ],
    "segments": [
        {"name": "t01", "units": 900, "share": 0.75, "words": ["garden"], "items": [CARD | {"item": "i1"}]},
        {"name": "t02", "units": 300, "share": 0.25, "words": [], "items": []},
    ],
    "pages": [
        {"page": "cart", "gains": []},
        {"page": "home", "gains": [
            {"branch": "one", "uplift": EXPERIMENT["uplift"], "sample_ratio": SPLIT | {"alarm": False}},
        ]},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser for all tests of this module: it takes longer to start than to open a page."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: the console's pages are not tested in a browser")
    with browser() as started:
        yield started


@pytest.fixture
def tab(chromium: Any) -> Iterator[Any]:
    """A tab of a visitor of its own, who brings nothing along from the test before."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    yield page
    page.close()


def opened(tab: Any, place: str, answers: Mapping[str, Any]) -> None:
    """Open a page of a console that answers like this; a text is the answer of a server that failed."""
    static = files("reshelf.console").joinpath("static")

    def answer(route: Any) -> None:
        path = urlsplit(route.request.url).path
        if not path.startswith("/api/"):
            route.fulfill(path=str(static / (path.removeprefix("/static/").strip("/") or "index.html")))
        elif isinstance(content := ({"pages": PAGES} | {**answers}).get(path.removeprefix("/api/"), "none"), str):
            route.fulfill(status=500, content_type="text/plain", body=content)
        else:
            body = json.dumps(content)
            route.fulfill(content_type="application/json", body=body, headers={"ETag": f'"{crc32(body.encode())}"'})

    tab.route("**/*", answer)
    tab.goto(HOST + place)


def test_what_is_wrong_stands_at_the_top_of_every_page(tab: Any) -> None:
    warned = {**PAGES, "warnings": ["no worker runs: start one", "8 events wait: the oldest for 60 s"]}
    opened(tab, "#rules?page=home", {"pages": warned, "rules": RULES})
    tab.get_by_text("no worker runs", exact=True).wait_for()
    assert tab.locator("#status").get_attribute("data-state") == "warned"
    assert "8 events wait" in tab.locator("#status").get_attribute("title")


def test_a_split_that_is_off_is_told_before_any_figure(tab: Any) -> None:
    opened(tab, "#experiment?page=home", {"experiment": EXPERIMENT})
    tab.locator(".outcome").first.wait_for()
    mismatch = tab.get_by_text("Sample ratio mismatch: trust no figure")
    assert mismatch.bounding_box()["y"] < tab.locator(".outcome").first.bounding_box()["y"]
    assert tab.locator(".outcome .good, .tag.on").count() == 0
    assert tab.get_by_text("below 0.001").count() == 1
    zero, times = (tab.locator(name).bounding_box() for name in (".zero-mark", ".plot-time"))
    assert zero["y"] + zero["height"] <= times["y"]


def test_a_split_that_holds_leaves_the_verdict(tab: Any) -> None:
    split = SPLIT | {"alarm": False, "p_value": 0.4}
    opened(tab, "#experiment?page=home", {"experiment": EXPERIMENT | {"sample_ratio": split}})
    tab.get_by_text("more with learned layouts").wait_for()
    assert tab.locator("b.good").count() == 1
    tab.get_by_text("Not enough yet: a difference in orders as it looks now takes about 12 more days.").wait_for()
    assert tab.locator(".tag.on").all_inner_texts() == ["held"]
    assert tab.locator(".tag.warn").all_inner_texts() == ["not decided"]
    assert tab.get_by_text("Sample ratio mismatch").count() == 0


@pytest.mark.parametrize(("currency", "shown"), [("EUR", "€0.1436"), ("JPY", "JPY 14.4")])
def test_revenue_is_in_the_currency(tab: Any, currency: str, shown: str) -> None:
    uplift = EXPERIMENT["uplift"] | {"revenue": FEW | {"learned": 14.36}}
    opened(tab, "#experiment?page=home", {"experiment": EXPERIMENT | {"currency": currency, "uplift": uplift}})
    tab.get_by_text(shown, exact=True).wait_for()


def test_net_revenue_is_not_shown_where_nothing_was_returned(tab: Any) -> None:
    opened(tab, "#experiment?page=home", {"experiment": EXPERIMENT})
    tab.get_by_text("Uplift of revenue", exact=True).wait_for()
    assert tab.get_by_text("net revenue").count() == 0


def test_net_revenue_is_shown_where_something_was_returned(tab: Any) -> None:
    uplift = EXPERIMENT["uplift"] | {"net_revenue": FEW | {"learned": 14.36}}
    opened(tab, "#experiment?page=home", {"experiment": EXPERIMENT | {"uplift": uplift}})
    tab.get_by_text("young orders are not yet returned").wait_for()
    tab.get_by_role("table").get_by_text("net revenue").wait_for()
    tab.get_by_role("button", name="net revenue").wait_for()


def test_the_scale_of_arms_holds_every_interval(tab: Any) -> None:
    opened(tab, "#items?page=home&segment=cooks", {"arms": ARMS})
    scale = tab.get_by_text("scale: 0 to").inner_text()
    assert float(scale.removeprefix("scale: 0 to ").removesuffix("%")) >= 100 * max(ARMS["high"])
    for axis in tab.locator(".pool .row:not([hidden]) .axis").all():
        around = axis.bounding_box()
        for name in ("i.band", "i.mean"):
            inside = axis.locator(name).bounding_box()
            assert inside["x"] + inside["width"] <= around["x"] + around["width"]


@pytest.mark.parametrize(
    ("place", "said", "after"),
    [
        ("#items?page=nosuch", "There is no page nosuch; this is cart.", "#items?page=cart&segment=*"),
        (
            "#items?page=home&segment=nosuch",
            "Page home has no segment nosuch; this is cooks.",
            "#items?page=home&segment=cooks",
        ),
        ("#nosuch?page=home", "The console has no page nosuch; this is Start.", "#start?page=home&segment=cooks"),
    ],
)
def test_an_address_that_leads_nowhere_is_put_right(tab: Any, place: str, said: str, after: str) -> None:
    opened(tab, place, {"arms": ARMS})
    tab.get_by_text(said).wait_for()
    assert tab.url == HOST + after


def test_a_server_that_fails_is_told_in_words(tab: Any) -> None:
    opened(tab, "#rules?page=home", {"rules": RULES, "rules/check": "500 Internal Server Error"})
    tab.get_by_role("button", name="Check").click()
    tab.get_by_text("The console failed with status 500; its log says why.").wait_for()


def test_segments_say_what_they_are_and_whether_they_pay(tab: Any) -> None:
    opened(tab, "#segments", {"segments": SEGMENTS})
    tab.get_by_text("they pay").wait_for()
    assert tab.get_by_text("too few outcomes yet").count() == 2
    assert tab.locator(".meter i").evaluate_all("bars => bars.map(bar => bar.style.width)") == ["75%", "25%"]
    first = tab.locator(".news li").first.inner_text()
    assert "t01 garden" in first and "Iron pot" in first
    assert tab.get_by_text("What segments gain on cart cannot be told").count() == 1
    assert tab.get_by_text("t01 t02 (generation 1, with device)").count() == 1
    off = [page | {"gains": [gain | {"sample_ratio": SPLIT} for gain in page["gains"]]} for page in SEGMENTS["pages"]]
    opened(tab, "#segments?again=1", {"segments": SEGMENTS | {"pages": off}})
    tab.get_by_text("not to be trusted").first.wait_for()
    assert tab.get_by_text("they pay").count() == 0


def test_cards_say_who_sees_them_and_which_rules_bear_on_them(tab: Any) -> None:
    opened(tab, "#shop?page=home&segment=cooks", {"shop": SHOP, "rules": RULES})
    tab.get_by_text("63% of visitors see it here").first.wait_for()
    assert tab.locator(".marks .tag").all_inner_texts() == ["pinned", "lowered ×0.5, gives way"]
    tab.locator(".card .more").nth(1).click()
    offered = tab.locator("[role=menu] button").all_inner_texts()
    assert offered[0] == "Pin here" and "Keep off the page" in offered
    assert hindrances(tab) == []
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')") == "What to do with Iron pot"


def test_what_is_old_says_its_age_and_dims(tab: Any) -> None:
    answers: dict[str, Any] = {"shop": SHOP, "rules": RULES}
    tab.clock.install()
    opened(tab, "#shop?page=home&segment=cooks", answers)
    tab.locator(".card").first.wait_for()
    answers["shop"] = "500 Internal Server Error"
    tab.clock.run_for(3_000)
    tab.locator("#status[data-state=gone]").wait_for()
    assert tab.locator("main.aged").count() == 0
    for _ in range(4):
        tab.clock.run_for(1_000)
    tab.locator("main.aged").wait_for()
    own_text = "[...one.childNodes].some(node => node.nodeType === 3 && node.data.trim())"
    texts = f"[...document.querySelectorAll('main *')].filter(one => {own_text} && !one.closest('svg, :disabled'))"
    pale = tab.evaluate(f"{texts}.filter(one => getComputedStyle(one).opacity !== '1').map(one => one.outerHTML)")
    assert pale == [], "texts keep their contrast"
    assert tab.locator("#status").inner_text().startswith("as of ")
    answers["shop"] = SHOP
    tab.clock.run_for(3_000)
    tab.locator("main:not(.aged)").wait_for()


CHANGE = {"per_page_view": {"mean": -0.02, "low": -0.03, "high": -0.01}, "per_day": None}
BEFORE = {"per_page_view": {"mean": 0.3, "low": 0.2, "high": 0.4}, "per_day": None}
PREVIEW: dict[str, Any] = {
    "page": "home", "version": 1, "at": 1, "currency": "EUR", "level": 0.95, "page_views_per_day": 10_000.0,
    "before": {"clicks": BEFORE, "orders": None, "revenue": None},
    "change": {"clicks": CHANGE, "orders": None, "revenue": None},
    "rules": {"Iron pot": {"clicks": CHANGE, "orders": None, "revenue": None}},
    "segments": {"cooks": {"share": 1.0, "relaxed": ["pin old: not in 3 of 16 slates"]}}, "segments_left_out": 0,
    "sides": {"segment": "cooks", "now": {"slots": SHOP["slots"]}, "after": {"slots": SHOP["slots"][::-1]},
              "trials": []},
    "moved": {"cooks": [CARD | {"item": "i2", "looks": 0.4}]},
}  # fmt: skip


def test_a_card_is_dragged_priced_published_and_taken_back(tab: Any) -> None:
    pin = {"kind": "pin", "name": "Iron pot", "item": "i2", "slot": "s0", "segments": [], "starts_at": 0}
    pin |= {"ends_at": 4_102_444_800_000}
    page = RULES | {"titles": {}, "shelves": {}, "segments": ["cooks"], "time_zone": "UTC"}
    answers: dict[str, Any] = {
        "shop": SHOP, "rules": page, "rules/preview": PREVIEW, "rules/roll-back": {"published": [{"version": 3}]},
        "rules/draft": {"text": "x", "wrong": [], "changes": [], "warnings": [], "rules": [pin], "titles": {}},
        "rules/publish": {"published": [{"version": 2}]},
    }  # fmt: skip
    opened(tab, "#shop?page=home&segment=cooks", answers)
    tab.locator(".card").nth(2).wait_for()
    start, end = (tab.locator(".card").nth(at).bounding_box() for at in (2, 0))
    tab.mouse.move(start["x"] + 40, start["y"] + 60)
    tab.mouse.down()
    tab.mouse.move(end["x"] + 50, end["y"] + 70, steps=4)
    tab.mouse.up()
    tab.get_by_text("1 change, not published").wait_for()
    tab.get_by_text("Iron pot is pinned in s0").wait_for()
    assert tab.locator(".card").first.locator(".tag.drafted").inner_text() == "pinned, not published"
    tab.locator(".card .more").first.focus()
    tab.keyboard.press("Alt+ArrowRight")
    tab.get_by_text("2 changes, not published").wait_for()
    assert tab.evaluate("document.activeElement.className") == "more"
    tab.get_by_role("button", name="Undo last").click()
    tab.get_by_role("button", name="Preview and publish").click()
    tab.get_by_text("Expected to cost about 200 clicks a day (between 100 and 300).").wait_for()
    tab.get_by_text("cooks: pin old: not in 3 of 16 slates").wait_for()
    assert [title.inner_text() for title in tab.locator(".two h3").all()][:2] == ["Now", "After"]
    tab.get_by_label("Your name").fill("mira")
    tab.get_by_label("Why", exact=True).fill("shoe week")
    answers["rules"] = page | {"version": 2}
    tab.get_by_role("button", name="Publish", exact=True).click()
    tab.get_by_text("Published as version 2.").wait_for()
    tab.get_by_text("being composed").wait_for()
    answers["shop"] = SHOP | {"rules_version": 2}
    tab.get_by_text("composed and on the topic after").wait_for()
    tab.get_by_role("button", name="Undo", exact=True).click()
    tab.get_by_text("Published as version 3.").wait_for()


def test_an_item_is_pinned_here_or_above_by_the_menu_of_its_card(tab: Any) -> None:
    """A pin that leaves it one slot gives way, where there is none above; one for the second slot need not."""
    soft = {"kind": "pin", "name": "Iron pot", "item": "i2", "slot": "s2", "segments": [], "starts_at": 0}
    soft |= {"ends_at": 4_102_444_800_000, "or_above": True}
    sent: list[Any] = []
    answers: dict[str, Any] = {
        "shop": SHOP, "rules": RULES | {"titles": {}, "shelves": {}, "segments": ["cooks"], "time_zone": "UTC"},
        "rules/draft": {"text": "x", "wrong": [], "changes": [], "warnings": [], "rules": [soft], "titles": {}},
    }  # fmt: skip
    opened(tab, "#shop?page=home&segment=cooks", answers)
    tab.on("request", lambda request: sent.append(request.post_data) if "rules/draft" in request.url else None)
    tab.locator(".card").nth(2).wait_for()
    tab.locator(".card .more").nth(2).click()
    tab.get_by_role("menuitem", name="Pin here or above").click()
    tab.get_by_text("Iron pot stands in s2 or above").wait_for()
    tags = tab.locator(".card").nth(2).locator(".tag.drafted")
    assert tags.inner_text() == "here or above, not published", "where it stands already it stays"
    rule = {"kind": "pin", "name": "Iron pot", "item": "i2", "slot": "s2", "or_above": True}
    assert json.loads(sent[0])["edits"] == [{"do": "put", "rule": rule}]
    tab.locator(".card .more").nth(2).click()
    tab.get_by_role("menuitem", name="Change its pin").click()
    assert tab.get_by_label("There or above: the page chooses where").is_checked()
    tab.get_by_label("Try it on 20% of visitors first").check()
    tab.get_by_role("button", name="Put it into the draft").click()
    tab.get_by_text("2 changes, not published").wait_for()
    edits = json.loads(sent[-1])["edits"]
    assert edits[1] == {"do": "try", "branch": "Iron pot", "share": 0.2}
    assert edits[2]["rule"]["branches"] == ["Iron pot"]
    trial = {"slots": SHOP["slots"][::-1], "title": "On trial: 20% of visitors, branch Iron pot"}
    answers["rules/preview"] = PREVIEW | {"sides": PREVIEW["sides"] | {"after": SHOP, "trials": [trial]}}
    tab.get_by_role("button", name="Preview and publish").click()
    tab.get_by_text("After, for all others").wait_for()
    assert [title.inner_text() for title in tab.locator(".beside h3").all()][::2] == ["Now", trial["title"]]
    moved = [[line.get_attribute("class") for line in side.locator("li").all()] for side in tab.locator(".strip").all()]
    assert moved[0] == moved[1] == moved[2] and "differs" in moved[0]


def test_pages_speak_the_language_that_is_chosen(tab: Any) -> None:
    tab.add_init_script("localStorage.setItem('reshelf-language', 'zh')")
    tab.set_default_timeout(60_000)
    opened(tab, "#shop?page=home&segment=cooks", {"shop": SHOP, "rules": RULES})
    tab.get_by_text("63% 的访客在此看到它").first.wait_for()
    assert tab.locator(".marks .tag").all_inner_texts() == ["已固定", "降权 ×0.5，让位"]
    assert tab.locator("nav a").first.inner_text() == "首页"
    assert tab.evaluate("document.documentElement.lang") == "zh"
    said = tab.locator("body").inner_text()
    assert set(re.findall(r"[A-Za-z]{2,}", said)) <= set(re.findall(r"[A-Za-z]{2,}", json.dumps([SHOP, PAGES]))) | {
        "Reshelf",
        "English",
    }
