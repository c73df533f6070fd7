"""What merchandisers do on a page, as text; what rules make of items in slots; titles that are looked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reshelf.console.layout_history import LayoutHistory
from reshelf.console.live_view import WatchedCatalog
from reshelf.console.title_search import MOST, TitleSearch
from reshelf.rules.edits import Drop, Edit, PinShelf, Put, Try, edited, edits_of
from reshelf.rules.file import read, written
from reshelf.rules.marks import marks, rules_of
from schemas.codec import encode, encode_key
from schemas.errors import BadSettings
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules
from schemas.rules import Boost, Match, Pin, Rule
from schemas.topics import CATALOG_ITEMS
from streams.kafka.records import Logged

PAGE = written([PageRules("home", 0, ["a", "b"], rules=[Boost(name="soft", match=Match(brands=["X"]), factor=2.0)])])
TEXT = "".join(line[2:] for line in PAGE.splitlines(keepends=True))
SHELVES = "page: home\nshelves: [{name: new, pinned: top}, {name: best}]\nrows: [{name: top, columns: 2}]\n"


def pin(name: str, item: str = "i1", slot: str = "a") -> dict[str, Any]:
    return {"kind": "pin", "name": name, "item": item, "slot": slot}


def rules_in(text: str) -> list[dict[str, Any]]:
    """The rules of a text of one page."""
    rules: list[dict[str, Any]] = yaml.safe_load(text).get("rules", [])
    return rules


EDITS = st.lists(
    st.one_of(
        st.builds(lambda name, item: Put(pin(name, item)), st.sampled_from("uvw"), st.sampled_from("xyz")),
        st.builds(Drop, st.sampled_from(["u", "v", "soft"])),
    ),
    max_size=8,
)


@given(EDITS, EDITS)
def test_edits_one_after_the_other_are_those_of_both_texts(first: list[Edit], second: list[Edit]) -> None:
    together = edited(TEXT, [*first, *second])
    assert edited(edited(TEXT, first), second) == together
    names = [rule["name"] for rule in rules_in(together)]
    assert len(set(names)) == len(names)


@given(EDITS, st.sampled_from("uvw"))
def test_a_rule_that_was_put_is_there_until_it_is_dropped(before: list[Edit], name: str) -> None:
    text = edited(TEXT, [*before, Put(pin(name, "last"))])
    assert [rule["item"] for rule in rules_in(text) if rule["name"] == name] == ["last"]
    assert all(rule["name"] != name for rule in rules_in(edited(text, [Drop(name)])))


def test_a_new_pin_goes_first_and_a_moved_one_keeps_its_place() -> None:
    text = edited(TEXT, [Put(pin("one")), Put(pin("two", "i2")), Put(pin("one", slot="b"))])
    assert [rule.name for rule in read(text, "text")[0].rules] == ["two", "one", "soft"]


def test_a_shelf_is_pinned_to_a_row_and_let_go() -> None:
    page = yaml.safe_load(edited(SHELVES, [PinShelf("best", "top"), PinShelf("new")]))
    assert page["shelves"] == [{"name": "new"}, {"name": "best", "pinned": "top"}]
    with pytest.raises(BadSettings, match="no shelf 'old'"):
        edited(SHELVES, [PinShelf("old", "top")])


@pytest.mark.parametrize("text", ["- page: home", "page: [", "page: home\nrules: 3", "&a [*a]"])
def test_what_is_no_page_cannot_be_edited(text: str) -> None:
    assert edited(text, []) == text
    with pytest.raises(BadSettings):
        edited(text, [Drop("x")])


@pytest.mark.parametrize("content", ["x", [{"do": "burn"}], [{"do": "drop"}], [{"do": "drop", "name": "x", "y": 1}]])
def test_what_is_no_edit_is_refused(content: Any) -> None:
    with pytest.raises(BadSettings, match="edits: "):
        edits_of(content)


def test_a_trial_gets_a_branch_with_the_policy_of_the_page() -> None:
    tried = Try("soft", 0.2)
    rule = pin("week") | {"branches": ["soft"]}
    text = edited("page: home\nslots: [a, b]\npolicy: {name: greedy}\n", [tried, tried, Put(rule)])
    (page,) = read(text, "draft")
    ((branch,), (made,)) = page.branches, page.rules
    assert (branch.name, branch.share, branch.policy.name, page.branch_salt) == ("soft", 0.2, "greedy", "soft")
    assert made.branches == ["soft"]
    assert read(edited(TEXT, [tried]), "draft")[0].branches[0].policy.name == "thompson"
    assert edits_of([{"do": "try", "branch": "soft", "share": 0.2}]) == [tried]


def test_edits_are_read_from_plain_values() -> None:
    assert edits_of([{"do": "pin-shelf", "shelf": "new"}]) == [PinShelf("new")]
    with pytest.raises(BadSettings, match="at most 500"):
        edits_of([{"do": "drop", "name": "x"}] * 501)


def test_marks_say_which_rules_bear_on_an_item_and_which_gave_way() -> None:
    rules: list[Rule] = [
        Pin(name="week", item="i1", slot="a", ends_at=50),
        Pin(name="over", item="i2", slot="a", ends_at=5),
        Pin(name="cooks", item="i1", slot="b", segments=["cooks"]),
        Boost(name="brand", match=Match(brands=["X"]), factor=2.0),
    ]
    page = PageRules("home", 1, ["a", "b"], rules=rules)
    catalog = {"i1": CatalogItem("i1", "One"), "i2": CatalogItem("i2", "Two", brand="X")}
    places = [("a", "i2"), ("b", "i1"), ("c", "")]
    said = marks(rules_of(page, "*", 10), places, catalog, ["pin week: not in the baseline"], 10)
    assert [[(mark.kind, mark.name, mark.factor, mark.relaxed) for mark in of] for of in said] == [
        [("boost", "brand", 2.0, False)],
        [("pin", "week", 1.0, True)],
        [],
    ]
    assert said[1][0].ends_at == 50
    assert [mark.lowest_slot for of in said for mark in of] == ["", ""]
    soft = msgspec.structs.replace(page, rules=[Pin(name="week", item="i1", slot="b", or_above=True)])
    ((mark,),) = marks(rules_of(soft, "*", 10), [("a", "i1")], catalog, [], 10)
    assert mark.lowest_slot == "b"


def _searched(texts: Iterable[CatalogItem]) -> TitleSearch:
    search = TitleSearch()
    for entry in texts:
        search.take(entry.item, entry)
    return search


def test_titles_that_begin_with_what_was_typed_come_first() -> None:
    named = (("i1", "Oak lamp", ""), ("i2", "Lamp of oak", ""), ("i3", "Clamp", "Oakley"))
    search = _searched(CatalogItem(item, title, brand=brand) for item, title, brand in named)
    assert search.find("lamp") == ["i2", "i1", "i3"]
    assert search.find("  OAK la ") == ["i1", "i2", "i3"]
    assert search.find("i3") == ["i3"]
    assert search.find(" ") == search.find("none") == []
    for at in range(50):
        search.take(f"n{at}", CatalogItem(f"n{at}", f"New {at}"))
    assert len(search.find("new")) == MOST


ITEMS = st.sampled_from("abcd")


@given(st.lists(st.tuples(ITEMS, st.none() | st.text("ab ß", max_size=6)) | st.text("abß", max_size=3)))
def test_titles_that_changed_are_searched_as_those_of_a_catalog_read_anew(
    steps: list[tuple[str, str | None] | str],
) -> None:
    catalog = WatchedCatalog(LayoutHistory())
    for at, step in enumerate(steps):
        if isinstance(step, str):
            assert catalog.titles.find(step) == _searched(catalog.texts.values()).find(step)
        else:
            item, title = step
            value = None if title is None else encode(CatalogItem(item, title))
            catalog.take(CATALOG_ITEMS, 0, [Logged(at, 0, encode_key(CATALOG_ITEMS, item), value)])


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.text("ab ß", max_size=6)), st.text("abß", max_size=4))
def test_a_search_finds_what_a_look_at_each_title_finds(titles: dict[str, str], query: str) -> None:
    found = _searched(CatalogItem(item, title) for item, title in titles.items()).find(query)
    lines = {item: f"{title} {item}".casefold() for item, title in titles.items()}
    fitting = {item for item, line in lines.items() if query.casefold() in line} if query.strip() else set()
    assert set(found) <= fitting
    assert len(found) == min(len(fitting), MOST)
