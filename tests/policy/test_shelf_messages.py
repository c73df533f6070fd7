"""Pages with shelves in messages: what was declared is what is decided by, and flat pages stay as they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.pages.declaration import ShelfPage
from policy.pages.messages import shelf_blocks, shelf_candidates, shelf_page, shelf_problems, with_rows
from policy.pages.rules import LeastExposure, MostOfKind, NotAbove, NotBelow, ShelfRule
from policy.rules.compiled import next_change
from schemas import export
from schemas import rules as declared
from schemas.codec import decoder, encode
from schemas.messages.layouts import Layout
from schemas.messages.pages import MOST_CELLS, Candidates, PageRow, PageRules, PageShelf, PolicyChoice
from tests.policy.shelf_pages import random_page

EXAMPLES = settings(max_examples=60, deadline=None)
SEEDS = st.integers(0, 100_000)
FLAT_FIELDS = [
    *("page", "version", "slots", "template", "candidates", "policy", "attribution_window", "blocks", "rules"),
    *("branches", "branch_salt", "segments", "author", "reason", "published_at"),
]
FLAT_LAYOUT_FIELDS = [
    *("page", "segment", "version", "produced_at", "expires_at", "epoch", "template", "policy", "settings_digest"),
    *("rules_version", "parameters_version", "catalog_position", "watermarks", "holdout_share", "holdout_salt"),
    *("baseline", "slates", "propensities", "relaxed", "decided_at", "shadow_policy", "shadow", "experiment_since"),
    *(
        "guard_rail",
        "embeddings_position",
        "branches",
        "branch_salt",
        "life",
        "segments",
        "whole_version",
        "segments_withdrawn",
    ),
]
"""Fields of the messages of flat pages in the order of their bytes, as they were before pages had shelves.

Those of learned segments are there where a page has such segments.
"""


def example(name: str) -> Any:
    return decoder(export.messages()[name.split(".", maxsplit=1)[0]])((export.EXAMPLES / f"{name}.json").read_bytes())


def with_declared(page: ShelfPage, **fields: Any) -> PageRules:
    """The message that declares a page, with other fields as they are given."""
    shelves = [
        PageShelf(
            shelf.name,
            shelf.kind,
            shelf.title,
            None,
            shelf.least_columns,
            shelf.most_columns,
            shelf.keeps,
            shelf.pinned,
        )
        for shelf in page.shelves
    ]
    rows = [PageRow(row.name, list(row.slots), shelves=list(row.shelves)) for row in page.rows]
    return PageRules("home", 1, shelves=shelves, rows=rows, rules=list(map(message_of, page.rules)), **fields)


def message_of(rule: ShelfRule, **when: Any) -> declared.ShelfRule:
    match rule:
        case NotAbove():
            return declared.NotAbove(name=rule.name, shelf=rule.shelf, row=rule.row, **when)
        case NotBelow():
            return declared.NotBelow(name=rule.name, shelf=rule.shelf, row=rule.row, **when)
        case MostOfKind():
            return declared.MostOfKind(name=rule.name, shelf_kind=rule.kind, most=rule.most, **when)
        case LeastExposure():
            return declared.LeastExposure(name=rule.name, shelf=rule.shelf, least=rule.least, **when)


@EXAMPLES
@given(SEEDS)
def test_what_is_decided_by_is_what_was_declared(seed: int) -> None:
    page = random_page(seed).page.page
    rules = with_declared(page)
    assert list(shelf_problems(rules)) == []
    assert tuple(rules.slots) == page.slots
    read = shelf_page(decoder(PageRules)(encode(rules)), "*", 0)
    bounded = shelf_candidates(rules)
    assert read.shelves == tuple(
        msgspec.convert(vars_of(shelf) | {"candidates": bounded[shelf.name]}, type(shelf)) for shelf in page.shelves
    )
    assert (read.rows, read.rules) == (page.rows, page.rules)


def vars_of(shelf: Any) -> dict[str, Any]:
    return {name: getattr(shelf, name) for name in type(shelf).__slots__}


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=64, unique=True))
def test_a_flat_page_is_one_row_without_a_name(slots: list[str]) -> None:
    rules = PageRules("home", 1, slots)
    assert shelf_page(rules, "*", 0) == ShelfPage.flat(slots)
    assert (shelf_candidates(rules), shelf_blocks(rules), list(shelf_problems(rules))) == ({}, {}, [])


@pytest.mark.parametrize("name", ["page-rules.small", "page-rules.full", "layout.small", "layout.full"])
def test_messages_of_flat_pages_are_the_bytes_that_they_were(name: str) -> None:
    message = example(name)
    fields = FLAT_FIELDS if isinstance(message, PageRules) else FLAT_LAYOUT_FIELDS
    plain = msgspec.to_builtins(message)
    assert encode(message) == msgspec.json.encode({field: plain[field] for field in fields if field in plain})


def test_rules_for_shelves_are_in_force_for_a_time_and_some_segments() -> None:
    page = ShelfPage(random_page(1).page.page.shelves, random_page(1).page.page.rows)
    shelf, row = page.shelf_names[0], page.row_names[0]
    rule = NotAbove("late", shelf, row)
    bound = message_of(rule, starts_at=1_000, ends_at=2_000, segments=["hikers"])
    rules = msgspec.structs.replace(with_declared(page), rules=[bound])
    assert shelf_page(rules, "hikers", 1_000).rules == (rule,)
    assert [shelf_page(rules, *when).rules for when in (("hikers", 999), ("hikers", 2_000), ("cooks", 1_500))] == [
        ()
    ] * 3
    assert (next_change(rules, [], 999), next_change(rules, [], 1_000)) == (1_000, 2_000)


@EXAMPLES
@given(st.lists(st.integers(1, 300), min_size=1, max_size=20), st.integers(1, 1_000))
def test_shelves_share_the_candidates_of_a_page(limits: list[int], whole: int) -> None:
    shelves = [
        PageShelf(f"s{at}", candidates=Candidates(limit=limit, reserve=limit)) for at, limit in enumerate(limits)
    ]
    rules = PageRules("home", 1, shelves=shelves, rows=[PageRow("r", columns=1)], candidates=Candidates(limit=whole))
    shares = [candidates.limit for candidates in shelf_candidates(rules).values()]
    reserves = [candidates.reserve for candidates in shelf_candidates(rules).values()]
    assert sum(shares) <= whole
    assert reserves == shares, "places for the newest are fewer in proportion"
    assert all(share <= limit for share, limit in zip(shares, limits, strict=True))
    wanting = [share for share, limit in zip(shares, limits, strict=True) if share < limit]
    assert not wanting or sum(shares) == whole, "nothing is left over while a shelf has less than it may"
    assert not wanting or max(wanting) - min(wanting) <= 1
    assert not wanting or max(shares) <= max(wanting), "who has less than it may has no less than any other"


def test_a_shelf_without_candidates_of_its_own_has_those_of_the_page() -> None:
    own, whole = Candidates(tags=["new"]), Candidates(categories=["shoes"], limit=2_000)
    shelves = [PageShelf("a"), PageShelf("b", candidates=own), PageShelf("c", candidates=Candidates(items=["x", "b1"]))]
    rules = PageRules("p", 1, shelves=shelves, rows=[PageRow("r", columns=2)], candidates=whole, blocks=["b1", "b2"])
    assert [(each.categories, each.tags, each.limit) for each in shelf_candidates(rules).values()] == [
        (["shoes"], [], 666),
        ([], ["new"], 667),
        ([], [], 667),
    ]
    assert shelf_blocks(rules) == {"a": [], "b": [], "c": ["b1"]}
    assert [path for path, _ in shelf_problems(rules)] == ["blocks[1]"]


@EXAMPLES
@given(SEEDS)
def test_a_layout_says_which_shelf_stands_where(seed: int) -> None:
    page = random_page(seed).page.page
    layout: Layout = example("layout.small")
    rows = [dict(zip(page.row_names, page.shelf_names, strict=False))]
    arranged = with_rows(layout, page, rows, rows[0], {row: {shelf: 1.0} for row, shelf in rows[0].items()})
    assert (arranged.rows, arranged.baseline_rows) == (rows, rows[0])
    assert isinstance(arranged.shelves, dict) and set(arranged.shelves) == set(rows[0].values())
    assert decoder(Layout)(encode(arranged)) == arranged
    assert with_rows(layout, ShelfPage.flat(["a"]), [{}], {}, {}) is layout


def test_rows_are_those_of_all_slates() -> None:
    layout = example("layout.small")
    with pytest.raises(ValueError, match="Expected `rows` for each of the 1 `slates`, got 2"):
        msgspec.structs.replace(layout, rows=[{}, {}])


@pytest.mark.parametrize(("slots", "slates"), [(256, 10), (64, 40), (160, 16)])
def test_a_layout_of_the_largest_page_is_below_256_kb(slots: int, slates: int) -> None:
    assert slots * slates == MOST_CELLS
    width = 4
    rules = PageRules(
        "home",
        1,
        policy=PolicyChoice(variants=slates),
        shelves=[PageShelf(f"shelf-{at:02}", title="What is new here") for at in range(64)],
        rows=[PageRow(f"row-{at:02}", columns=width) for at in range(slots // width)],
    )
    with pytest.raises(ValueError, match=f"at most {slates} slates"):
        msgspec.structs.replace(rules, policy=PolicyChoice(variants=slates + 1))
    names = {slot: [f"item-{at:03}-{number:011}" for number in range(slates)] for at, slot in enumerate(rules.slots)}
    assert len(names[rules.slots[0]][0]) == 20
    page = shelf_page(rules, "*", 0)
    rows = [
        {row: page.shelf_names[(at + number) % 64] for at, row in enumerate(page.row_names)} for number in range(slates)
    ]
    layout = msgspec.structs.replace(
        example("layout.full"),
        branches=[],
        shadow=[],
        baseline={slot: items[0] for slot, items in names.items()},
        slates=[{slot: items[number] for slot, items in names.items()} for number in range(slates)],
        propensities={slot: dict.fromkeys(items, 1 / slates) for slot, items in names.items()},
    )
    shares = {row: dict.fromkeys(page.shelf_names[: min(64, slates)], 1 / min(64, slates)) for row in page.row_names}
    size = len(encode(with_rows(layout, page, rows, rows[0], shares)))
    assert size < 256 * 1024


def test_flat_pages_of_today_have_as_many_slates_as_they_had() -> None:
    slots = [f"s{at}" for at in range(64)]
    assert len(PageRules("p", 1, slots, policy=PolicyChoice(variants=256)).slots) == 64
    with pytest.raises(ValueError, match="at most 39 slates"):
        PageRules("p", 1, [*slots, "s64"], policy=PolicyChoice(variants=64))


def test_the_docs_of_examples_are_pages_that_make_sense() -> None:
    page = json.loads(Path(export.EXAMPLES / "page-rules.shelves.json").read_bytes())
    assert [path for path, _ in shelf_problems(msgspec.convert(page, PageRules))] == []
