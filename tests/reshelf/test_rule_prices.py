"""What rules cost or earn before they are published: true to the layouts that they would give."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from reshelf.cli.main import run
from reshelf.inspect.prices.preview import _require_same_form, page_pair, price_pages, price_segment
from reshelf.inspect.prices.priced import EPOCHS, Circumstances, Price, RulePages
from reshelf.inspect.prices.priced import priced as priced_for
from reshelf.rules.file import read
from reshelf.settings import load_settings
from schemas.errors import ReshelfError
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import Branch, PageRules, PolicyChoice
from schemas.rules import Bid, Boost, Match, NotAbove, Pin, Rule
from streams.catalog.candidates import CandidateSet
from streams.catalog.page import Page
from streams.catalog.snapshot import read_catalog
from streams.fold.deltas import Traffic
from streams.page_settings import LayoutSettings
from streams.state.reader import KeyState
from tests.policy.test_prices import assert_alike
from tests.streams import test_layouts_shelves as shelf_pages
from tests.streams.layout_inputs import table
from tests.streams.layouts_shop import SLOTS, Shop, open_shop  # noqa: F401  a fixture

ITEMS = tuple(f"i{number}" for number in range(8))
PIN = Pin(name="pin", item="i0", slot="top")
KEEP_OFF = Boost(name="keep-off", match=Match(categories=["hats"]), factor=0.0)


def page(*rules: Rule, **more: object) -> Page:
    declared = PageRules("home", 3, ["top", "left"], policy=PolicyChoice(variants=4), rules=list(rules))
    items = {name: CatalogItem(name, name, category="hats" if at % 2 else "shoes") for at, name in enumerate(ITEMS)}
    return Page(msgspec.structs.replace(declared, **more), CandidateSet(ITEMS), [5], None, items)


def circumstances(**more: object) -> Circumstances:
    counts = table(0, Traffic.LEARNED, ITEMS, ("top", "left"), 3)
    those = Circumstances("s", KeyState((counts,), {}), LayoutSettings(holdout_share=0.2), 9)
    return those._replace(**more)  # type: ignore[arg-type]


def priced(before: Page, after: Page, those: Circumstances) -> Price:
    return priced_for(RulePages.of(before, after), those)


def test_the_same_rules_change_nothing() -> None:
    price = priced(page(PIN), page(PIN), circumstances())
    assert np.abs(price.change.clicks).max() < 1e-12
    assert price.looks_before == pytest.approx(price.looks_after)


def test_a_rule_by_itself_is_the_page_with_it_against_the_page_without_it() -> None:
    those = circumstances()
    price = priced(page(), page(PIN, KEEP_OFF), those)
    assert set(price.rules) == {"pin", "keep-off"}
    for name, rest in (("pin", KEEP_OFF), ("keep-off", PIN)):
        alone = priced(page(rest), page(PIN, KEEP_OFF), those)
        assert_alike(price.rules[name], alone.change)
    assert price.before.orders is not None, "orders were counted"
    none = KeyState((), {})
    assert priced(page(), page(PIN), circumstances(state=none)).change.revenue is None, "nothing is known of orders"


def test_learned_segments_are_priced_with_the_baseline_and_the_trial_of_the_whole_page() -> None:
    """A rule for one of them bears on its own slates alone, as in the layouts that it would give."""
    trial = [Branch("one", 0.5, PolicyChoice(variants=4), segment="*")]
    pin = msgspec.structs.replace(PIN, segments=["t01"])
    before, after = (page(*rules, segments="learned", branches=trial) for rules in ((), (pin,)))
    whole = KeyState((table(0, Traffic.LEARNED, ITEMS, ("top", "left"), 4),), {})
    those = circumstances(segment="t01", whole=whole)
    layout = priced(before, after, those).layouts[1]
    for_all = priced(before, after, those._replace(segment="*", state=whole)).layouts[1]
    assert {slate["top"] for slate in layout.slates[:4]} == {"i0"}
    assert (layout.baseline, layout.slates[4:]) == (for_all.baseline, for_all.slates[4:])
    alone = priced(before, after, those._replace(whole=None)).layouts[1]
    assert {slate["top"] for slate in (alone.baseline, *alone.slates)} == {"i0"} != {layout.baseline["top"]}

    withdrawn = those._replace(withdrawn="clicks -4 %")
    price = priced(before, after, withdrawn)
    assert price.layouts[1].slates == for_all.slates, "where segments lost, all of them are shown the slates of *"
    assert not price.change.clicks.any(), "a rule for one of them bears on nothing there"


def test_a_bid_costs_clicks_and_brings_money_and_names_whom_it_displaced() -> None:
    bid = Bid(name="nordfell", match=Match(items=["i0"]), amount=9.0, worth=1.0, floor=0.0, sponsor="Nordfell")
    price = priced(page(), page(bid), circumstances())
    sponsor, clicks, income, displaced = price.sponsors["nordfell"]
    assert sponsor == "Nordfell" and clicks.min() > 0.0
    assert income == pytest.approx(9.0 * clicks)
    assert_alike(price.rules["nordfell"], price.change)
    gained = price.looks_after["i0"] - price.looks_before.get("i0", 0.0)
    assert gained > 0.1 and "i0" not in displaced
    assert sum(displaced.values()) >= gained - 1e-6
    assert sum(price.looks_after.values()) == pytest.approx(sum(price.looks_before.values()))
    assert priced(page(), page(KEEP_OFF), circumstances()).sponsors == {}


def test_a_bid_lifts_nothing_that_is_not_relevant() -> None:
    counts = table(0, Traffic.LEARNED, ITEMS, ("top", "left"), 3)
    worst = min(range(len(ITEMS)), key=lambda at: counts.clicks[at].sum() / counts.impressions[at].sum())
    bid = Bid(name="n", match=Match(items=[ITEMS[worst]]), amount=9.0, worth=1.0, floor=1.0)
    price = priced(page(), page(bid), circumstances())
    assert np.abs(price.change.clicks).max() < 1e-12
    assert price.sponsors["n"].income.max() == 0.0


def test_a_pinned_item_is_looked_at_in_every_page_view() -> None:
    price = priced(page(), page(PIN), circumstances())
    assert price.looks_after["i0"] == pytest.approx(1.0)
    total = sum(price.looks_before.values())
    assert sum(price.looks_after.values()) == pytest.approx(total), "all slots are filled before and after"


def test_rules_of_other_segments_and_times_have_no_price() -> None:
    later = msgspec.structs.replace(PIN, name="later", starts_at=10)
    other = msgspec.structs.replace(PIN, name="other", segments=["t"])
    price = priced(page(), page(later, other), circumstances())
    assert price.rules == {} and np.abs(price.change.clicks).max() < 1e-12
    assert set(priced(page(), page(later), circumstances(at_ms=10)).rules) == {"later"}


def test_where_all_visitors_get_the_baseline_its_change_is_the_price() -> None:
    price = priced(page(), page(PIN), circumstances(fell_back="clicks -9 %"))
    assert len(price.looks_before) == len(price.looks_after) == 2, "one slate of two slots"
    assert price.looks_after["i0"] == pytest.approx(1.0)


def test_branches_count_by_their_share() -> None:
    greedy = Branch("still", 0.5, PolicyChoice("greedy", variants=1))
    price = priced(page(), page(branches=[greedy]), circumstances())
    assert sum(price.looks_after.values()) == pytest.approx(sum(price.looks_before.values()))


def test_what_cannot_hold_is_told() -> None:
    twice = Pin(name="again", item="i0", slot="left")
    assert priced(page(), page(PIN, twice), circumstances()).relaxed


def test_layouts_of_several_epochs_are_averaged() -> None:
    assert EPOCHS > 1
    first = priced(page(), page(), circumstances()).looks_before
    later = priced(page(), page(), circumstances(at_ms=9 + EPOCHS * LayoutSettings().epoch_ms)).looks_before
    assert first != later


def test_segments_that_share_what_rules_are_bound_to_have_the_prices_of_each_by_itself() -> None:
    own = msgspec.structs.replace(KEEP_OFF, segments=["t"])
    before = page()
    pages = RulePages.of(before, replace(before, rules=page(PIN, own).rules))
    assert pages.same_items and pages.without["pin"] is not before
    for segment in ("s", "t", "s"):
        those = circumstances(segment=segment, epochs=1)
        together, alone = priced_for(pages, those), priced(page(), page(PIN, own), those)
        assert_alike(together.before, alone.before)
        assert_alike(together.change, alone.change)
        assert together.rules.keys() == alone.rules.keys() == ({"pin", "keep-off"} if segment == "t" else {"pin"})
        for name, price in together.rules.items():
            assert_alike(price, alone.rules[name])
        assert (together.looks_after, together.layouts) == (alone.looks_after, alone.layouts)


def test_rules_for_items_and_for_shelves_have_prices_on_a_page_with_shelves() -> None:
    def shelves(*rules: Rule) -> Page:
        return shelf_pages.page(msgspec.structs.replace(shelf_pages.RULES, rules=list(rules)))

    pin = Pin(name="pin", item="i8", slot="first.1")
    low = NotAbove(name="low", shelf="new", row="second")
    those = circumstances(state=KeyState((shelf_pages.table(1),), {}))
    nothing = priced(shelves(pin), shelves(pin), those)
    assert np.abs(nothing.change.clicks).max() < 1e-12 and not nothing.relaxed
    price = priced(shelves(), shelves(pin, low), those)
    assert set(price.rules) == {"pin", "low"}
    for name, rest in (("pin", low), ("low", pin)):
        assert_alike(price.rules[name], priced(shelves(rest), shelves(pin, low), those).change)
    assert price.rules["pin"].clicks.std() > 0.0
    assert price.looks_after["i8"] > price.looks_before.get("i8", 0.0)
    fell_back = priced(shelves(), shelves(pin), those._replace(fell_back="clicks -9 %"))
    assert len(fell_back.looks_after) == len(shelf_pages.SLOTS)


def test_a_page_that_gets_rows_cannot_be_compared_with_what_it_was() -> None:
    flat = PageRules("home", 1, list(shelf_pages.SLOTS))
    for file, in_force in ((shelf_pages.RULES, flat), (flat, shelf_pages.RULES)):
        with pytest.raises(ReshelfError, match="page 'home' has"):
            _require_same_form(file, in_force)


def test_a_file_is_priced_against_a_running_shop(
    broker: str,
    open_shop: Callable[..., Shop],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    shop = open_shop(broker)

    async def count() -> None:
        await shop.open_namespace()
        await shop.count("new", Traffic.LEARNED, 1_000, {"i3": 90, "i2": 40, "i1": 1})
        await shop.count("old", Traffic.LEARNED, 3_000, {"i3": 200})

    asyncio.run(count())
    shop.in_environment(monkeypatch)
    file = tmp_path / "home.yaml"
    pin = "{kind: pin, name: weak, item: i1, slot: top, segments: [new]}"
    text = (
        f"{{page: home, slots: [{', '.join(SLOTS)}], policy: {{variants: 4}}, "
        f"candidates: {{categories: [shoes]}}, rules: [{pin}]}}"
    )
    file.write_text(text)
    assert run(["rules", "preview", str(file), "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["pages"]
    assert (answer["page"], answer["version"], answer["segments_left_out"]) == ("home", 1, 0)
    assert answer["segments"]["new"]["share"] == pytest.approx(0.25)
    change = answer["change"]["clicks"]["per_page_view"]
    own = answer["segments"]["new"]["change"]["clicks"]["per_page_view"]
    assert own["high"] < 0.0, "an item that nobody clicks is pinned over one that many do"
    assert change["mean"] == pytest.approx(0.25 * own["mean"])
    assert answer["rules"]["weak"]["clicks"]["per_page_view"]["mean"] == pytest.approx(change["mean"])
    assert answer["page_views_per_day"] is None and answer["change"]["clicks"]["per_day"] is None

    assert run(["rules", "preview", str(file), "--segment", "old"]) == 0
    shown = capsys.readouterr().out
    assert "home: this file against version 1, in 1,000 page views" in shown
    assert "not in force then for any of these segments: weak" in shown
    assert run(["rules", "preview", str(file)]) == 0
    assert "new: seen more: i1 (i1) +" in capsys.readouterr().out
    assert run(["rules", "report", "home", "--json"]) == 0
    so_far = json.loads(capsys.readouterr().out)
    assert (so_far["page"], so_far["version"], so_far["rules"]) == ("home", 1, [])
    settings = load_settings().settings
    pair = page_pair(read_catalog(settings.kafka), read(text, "home.yaml")[0], settings)
    whole = price_pages(settings, pair, (), 1).prices["new"]
    alone = price_segment(settings, pair, "new", 1)
    assert (alone.layouts, alone.relaxed, alone.rules) == (whole.layouts, whole.relaxed, {})
    with pytest.raises(ReshelfError, match=r"has no counts of segment 'none'\. Segments that it has: new, old"):
        price_segment(settings, pair, "none", 1)
    assert run(["rules", "preview", str(file), "--segment", "none"]) == 1
    assert "has no counts of segment 'none'. Segments that it has: new, old" in capsys.readouterr().err
    assert run(["rules", "preview", str(file), "--at", "christmas"]) == 2
    assert "--at: expected a date or time" in capsys.readouterr().err
    file.write_text(text.replace("page: home", "page: away"))
    assert run(["rules", "preview", str(file)]) == 1
    assert "page 'away' is not declared" in capsys.readouterr().err
