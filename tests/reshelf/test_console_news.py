"""What the console tells first: the answer to why, what rose and fell, which rules cannot hold, versions of rules."""

from __future__ import annotations

from datetime import UTC
from types import SimpleNamespace
from typing import Any, cast

import pytest

from reshelf.console.followed.rules_history import MOST_PAGES, MOST_VERSIONS, RulesHistory
from reshelf.console.layout_history import LayoutHistory
from reshelf.console.page_news import FRESH_S, PageNews, Unkept
from reshelf.console.views.answer import answer, ordinal
from schemas.codec import encode
from schemas.messages.pages import PageRules
from schemas.rules import Boost, Match, Pin, Rule, Sponsored
from streams.catalog.page import Key
from streams.layouts.explain import Arm, Explanation
from tests.reshelf.test_console import layout_of

SEEN = 0.625


def explained(rules: list[Rule], slots: dict[str, float], told: tuple[str, ...] = (), guard_rail: str = "") -> str:
    """The answer for the second of three items, in slot a."""
    arms = [SimpleNamespace(slots={}, rules=(), item="first")]
    arms += [SimpleNamespace(slots=slots, rules=told, item="it"), SimpleNamespace(slots={}, rules=(), item="last")]
    layout = SimpleNamespace(guard_rail=guard_rail)
    page = PageRules("home", 1, ["a", "b"], rules=rules)
    explanation = cast(Explanation, SimpleNamespace(arms=arms, layout=layout))
    return answer(page, explanation, cast(Arm, arms[1]), ("a", "cooks"), 10, UTC)


FRIDAY = 1_796_342_400_000
BOOST = Boost(name="out", match=Match(items=["it"]), factor=0.0)


@pytest.mark.parametrize(
    ("rules", "slots", "told", "said"),
    [
        (
            [Pin(name="shoe week", item="it", slot="a", ends_at=FRIDAY)],
            {"a": 1.0},
            (),
            "Pinned here until Friday, 4 December, for shoe week; on its own it would be 2nd of 3 by its clicks.",
        ),
        ([Pin(name="top", item="it", slot="b")], {"b": 1.0}, (), "Pinned in b, for top; on its own"),
        (
            [Pin(name="shoe week", item="it", slot="a", ends_at=FRIDAY, or_above=True)],
            {"a": 1.0},
            (),
            "Pinned here or above until Friday",
        ),
        ([Pin(name="top", item="it", slot="b", or_above=True)], {"a": 1.0}, (), "Pinned in b or above, for top; on"),
        ([Pin(name="top", item="it", slot="b")], {"a": SEEN}, (), "63% of visitors see it here: it is 2nd of 3 items"),
        (
            [Sponsored(name="ad", match=Match(), slot="a", impressions=9)],
            {"a": SEEN},
            ("sponsored in a by ad",),
            "Sponsored here by ad; on its own",
        ),
        ([BOOST], {}, ("factor 0 by out",), "Kept off the page by out; otherwise"),
        ([BOOST], {}, (), "Nobody sees it on this page now: it is 2nd of 3 items"),
        ([], {"b": SEEN}, (), "It stands in b rather than here, for 63% of visitors: it is 2nd of 3 items"),
    ],
)
def test_why_begins_with_the_answer(
    rules: list[Rule], slots: dict[str, float], told: tuple[str, ...], said: str
) -> None:
    assert explained(rules, slots, told).startswith(said)


def test_a_page_that_fell_back_says_so_first() -> None:
    assert explained([], {"a": 1.0}, guard_rail="clicks -30 %").startswith("The page shows its baseline to everybody")


def test_numbers_of_places() -> None:
    assert [ordinal(number) for number in (1, 2, 3, 4, 11, 12, 13, 21, 1_011, 1_022)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "1,011th", "1,022nd",
    ]  # fmt: skip


def history_of(*shares: dict[str, dict[str, float]], relaxed: list[str]) -> LayoutHistory:
    """Layouts one after the other with these propensities; the last could not hold some rules."""
    history: Any = LayoutHistory()
    for version, propensities in enumerate(shares):
        layout = layout_of(version, [{"s1": "x"}])
        fields = {name: getattr(layout, name) for name in layout.__struct_fields__}
        history.take(
            Key("home", "cooks"),
            encode(type(layout)(**fields | {"propensities": propensities, "relaxed": relaxed})),
        )
    return cast(LayoutHistory, history)


def test_news_are_large_changes_and_rules_that_gave_way() -> None:
    history = history_of(
        {"s1": {"x": 1.0}, "s2": {"y": 0.6, "z": 0.4}},
        {"s1": {"x": 0.9, "w": 0.1}, "s2": {"y": 0.1, "w": 0.4, "z": 0.5}},
        relaxed=["pin week: not in the baseline", "pin week: not in 3 of 16 slates", "cap two: not in 1 of 16 slates"],
    )
    news = PageNews()
    read = news.read(history, {"home": ["cooks", "*"], "cart": ["*"]}, 0.0)
    assert [(mover.item, round(mover.before, 3), round(mover.after, 3)) for mover in read.moved] == [
        ("y", 0.6, 0.1),
        ("w", 0.0, 0.5),
    ]
    assert read.unkept == [Unkept("home", "pin week", 1), Unkept("home", "cap two", 1)]
    assert news.read(LayoutHistory(), {"home": ["cooks"]}, FRESH_S - 1) is read
    assert news.read(LayoutHistory(), {"home": ["cooks"]}, FRESH_S) == ([], [])


def test_of_two_versions_of_one_number_the_first_counts() -> None:
    history = RulesHistory()
    first, second = (PageRules("home", 1, ["s1"], reason=reason) for reason in ("first", "second"))
    for value in (encode(first), encode(second), b"no page"):
        history.take(b"", value)
    current = PageRules("home", 2, ["s1"], reason="now")
    assert history.versions(current) == [first, current]
    assert history.versions(PageRules("cart", 1, ["s1"])) == [PageRules("cart", 1, ["s1"])]


def test_only_the_last_versions_are_told() -> None:
    history = RulesHistory()
    for version in range(1, MOST_VERSIONS + 10):
        history.take(b"", encode(PageRules("home", version, ["s1"])))
    assert len(history.versions(PageRules("home", MOST_VERSIONS + 9, ["s1"]))) == MOST_VERSIONS


def test_of_pages_that_nobody_publishes_any_more_nothing_is_kept() -> None:
    history = RulesHistory()
    for page in ("home", *(f"campaign-{at}" for at in range(MOST_PAGES - 1)), "home", "another"):
        history.take(b"", encode(PageRules(page, 1, ["s1"])))
    first = PageRules("campaign-0", 2, ["s1"])
    assert history.versions(first) == [first]
    assert len(history.versions(PageRules("home", 2, ["s1"]))) == 2
