"""Rules on trial: they hold in the slates of their branch alone, on flat pages and on those with shelves."""

from __future__ import annotations

from collections import Counter
from functools import partial

import msgspec
import pytest
from rich.console import Console

from policy.assignment import choose_in, own_slates, slate_chances
from policy.rules.checks import problems
from reshelf import numbers
from reshelf.evaluation.autopilot import race_of
from reshelf.inspect.prices.preview import Preview
from reshelf.inspect.prices.priced import Circumstances, RulePages, priced
from reshelf.inspect.prices.words import as_json, in_words
from reshelf.inspect.trials.pages import VISITOR, trial_pages
from reshelf.inspect.trials.words import Cell, on_trial, trials_of_cell
from reshelf.rules.file import read, written
from reshelf.rules.marks import marks, rules_of
from reshelf.words.said import in_language
from schemas.errors import ReshelfError
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import MAIN, Branch, PageRules, PolicyChoice
from schemas.rules import Boost, Match, NotAbove, Pin, Rule, Sponsored
from streams.catalog.candidates import CandidateSet
from streams.catalog.page import Page
from streams.fold.deltas import Traffic
from streams.layouts.compose import compose
from streams.page_settings import LayoutSettings
from streams.state.reader import KeyState
from tests.streams import test_layouts_shelves as shelf_pages
from tests.streams.layout_inputs import table

ITEMS = tuple(f"i{number}" for number in range(8))
SLOTS = ["top", "left", "right"]
BRANCH = Branch("try", 0.25, PolicyChoice(variants=3))
PIN = Pin(name="pin", item="i0", slot="top", branches=["try"])
OFF = Boost(name="off", match=Match(items=["i1"]), factor=0.0, branches=["main"])


def declared(*rules: Rule, branches: tuple[Branch, ...] = (BRANCH,)) -> PageRules:
    page = PageRules("home", 3, SLOTS, policy=PolicyChoice(variants=4), branches=list(branches))
    return msgspec.structs.replace(page, rules=list(rules))


def page(*rules: Rule) -> Page:
    items = {name: CatalogItem(name, name) for name in ITEMS}
    return Page(declared(*rules), CandidateSet(ITEMS), [5], None, items)


STATE = KeyState((table(0, Traffic.LEARNED, ITEMS, tuple(SLOTS), 3),), {})
SETTINGS = LayoutSettings(holdout_share=0.2)


def test_a_rule_on_trial_holds_in_the_slates_of_its_branch_alone() -> None:
    free, tried = (compose("s", STATE, page(*rules), SETTINGS, 7) for rules in ((), (PIN, OFF)))
    assert [slate["top"] for slate in tried.slates[4:]] == ["i0"] * 3
    assert not any("i1" in slate.values() for slate in tried.slates[:4])
    assert tried.baseline == compose("s", STATE, page(OFF), SETTINGS, 7).baseline
    pinned = compose("s", STATE, page(PIN), SETTINGS, 7)
    assert pinned.slates[:4] == free.slates[:4]
    assert pinned.baseline == free.baseline
    chances = zip(pinned.slates, slate_chances(pinned), strict=True)
    share = sum(chance for slate, chance in chances if slate["top"] == "i0")
    assert pinned.propensities["top"]["i0"] == pytest.approx(share)


def test_on_shelves_too_it_leaves_the_other_slates_as_they_are() -> None:
    free = shelf_pages.layout([shelf_pages.table(1)], shelf_pages.page())
    item = free.slates[0]["first.2"]
    pin = Pin(name="pin", item=item, slot="first.1", branches=["try"])
    ruled = msgspec.structs.replace(shelf_pages.RULES, rules=[pin], branches=[BRANCH])
    tried = shelf_pages.layout([shelf_pages.table(1)], shelf_pages.page(ruled))
    own = len(free.slates)
    assert (tried.slates[:own], tried.baseline) == (free.slates, free.baseline)
    assert [slate["first.1"] for slate in tried.slates[own:]] == [item] * 3


def test_why_says_for_whom_it_holds_and_what_the_slot_has_without_it() -> None:
    layout = compose("s", STATE, page(PIN, OFF), SETTINGS, 7)
    tried, free = on_trial(declared(PIN, OFF), "s", 9), own_slates(layout)
    said = partial(trials_of_cell, tried, layout, catalog=page().items, title_of=str.upper, now_ms=9)
    most = Counter(slate["top"] for slate in free).most_common(1)[0][0]
    share = numbers.share(sum(slate_chances(layout)[4:]), 0)
    pinned = f"On trial for {share} of visitors: pin pin holds in the branch try alone."
    assert (
        said(Cell("top", most))
        == said(Cell("", "i0"))
        == [f"{pinned} There top has I0 most often, for all others {most.upper()}."]
    )
    (kept_off,) = said(Cell("left", "i1"))
    assert "boost off holds in the branch main alone" in kept_off and "left" in kept_off
    assert len(said(Cell("", ""))) == 2 and not said(Cell("left", "i5"))
    assert in_language(said(Cell("top", "i5"))[0], "zh").startswith(f"正在 {share} 的访客中试行")


def test_it_is_priced_by_the_share_of_those_who_get_it() -> None:
    everywhere = msgspec.structs.replace(PIN, branches=["main", "try"])
    those = Circumstances("s", STATE, SETTINGS, 9)
    some, most = (priced(RulePages.of(page(), page(rule)), those) for rule in (PIN, everywhere))
    assert set(some.rules) == {"pin"}
    assert some.change.clicks == pytest.approx(some.rules["pin"].clicks)
    assert 0.0 < abs(some.change.clicks.mean()) < abs(most.change.clicks.mean())


def test_a_preview_shows_the_page_of_each_trial_beside_that_of_all_others() -> None:
    """The page outside of a trial is as if there was none: the same visitor, and the same random numbers."""
    after, at_ms = page(PIN), 9
    price = priced(RulePages.of(page(), after), Circumstances("s", STATE, SETTINGS, at_ms))
    layout = price.layouts[1]
    (tried,) = trial_pages(after.rules, layout, at_ms)
    others, free = choose_in(layout, VISITOR, MAIN), choose_in(price.layouts[0], VISITOR, MAIN)
    assert (tried.branch, tried.choice.slate["top"]) == ("try", "i0") and others == free != tried.choice
    assert tried.share == pytest.approx(sum(slate_chances(layout)[4:]))
    assert [each.branch for each in trial_pages(declared(OFF), layout, at_ms)] == ["try"], "it holds in all others"
    for rules in ((), (msgspec.structs.replace(PIN, branches=["main", "try"]),)):
        assert not trial_pages(declared(*rules), layout, at_ms)
    assert not trial_pages(declared(msgspec.structs.replace(PIN, ends_at=at_ms)), layout, at_ms)

    preview = Preview(after.rules, 1, at_ms, "EUR", None, {"s": 1.0}, {"s": price}, 0)
    (told,) = as_json(preview, 0.95)["segments"]["s"]["trials"]
    assert (told["branch"], told["slots"], told["slots_of_others"]) == ("try", tried.choice.slate, others.slate)
    with (console := Console(width=80)).capture() as shown:
        console.print(in_words(preview, 0.95))
    lines = [line.split() for line in shown.get().splitlines()]
    assert ["top", others.slate["top"], "i0"] in lines
    assert ["slot", "for", "all", "others", "in", "try,", numbers.share(tried.share, 0)] in lines


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            msgspec.structs.replace(PIN, branches=["gone"]),
            "expected some of the page's branches (main, try), got 'gone'",
        ),
        (Sponsored(name="ad", match=Match(), slot="top", impressions=1, branches=["try"]), "cannot be on trial"),
        (NotAbove(name="low", shelf="new", row="top", branches=["try"]), "cannot be on trial"),
    ],
    ids=lambda value: "",
)
def test_what_cannot_be_on_trial_is_refused(rule: Rule, said: str) -> None:
    assert any(said in problem.text for problem in problems(declared(rule)) if problem.path == "rules[0].branches")


def test_pins_of_different_branches_do_not_meet() -> None:
    other = Pin(name="other", item="i2", slot="top", branches=["main"])
    assert not problems(declared(PIN, other))
    assert problems(declared(PIN, msgspec.structs.replace(other, branches=["main", "try"])))


def test_a_file_keeps_it_and_cards_say_so() -> None:
    rules = declared(PIN)
    text = written([rules])
    assert "branches:\n    - try" in text.replace("      ", "    ")
    assert "branches" not in written([declared(Pin(name="pin", item="i0", slot="top"), branches=())])
    (again,) = read(text, "home.yaml")
    assert again.rules == rules.rules
    ((mark,),) = marks(rules_of(rules, "s", 9), [("top", "i0")], {}, [], 9)
    assert mark.on_trial


def test_policies_are_not_promoted_where_rules_are_on_trial() -> None:
    with pytest.raises(ReshelfError, match="pin is on trial"):
        race_of([declared(PIN)])
