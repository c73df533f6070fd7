"""Pages with shelves in files: read, written again, and what is wrong with its line."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.pages.messages import shelf_page
from reshelf.rules.file import check, read, written
from reshelf.rules.lint import lint
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import (
    Branch,
    Candidates,
    PageRow,
    PageRules,
    PageShelf,
    PageTemplate,
    PolicyChoice,
    TemplateRow,
)
from tests.policy.shelf_pages import random_page
from tests.policy.test_shelf_messages import with_declared

DOCS = Path(__file__).parents[2] / "docs"
FILE = """
page: home
candidates: {categories: [shoes], limit: 3000}
blocks: [shoe-week]
shelves:
  - {name: week, kind: banner, candidates: {items: [shoe-week]}, most_columns: 1, pinned: top}
  - {name: new, title: New in}
  - {name: best, kind: grid, candidates: {}, keeps: true, least_columns: 2}
rows:
  - {name: top, slots: [hero]}
  - {name: row-1, columns: 4, shelves: [new, best]}
  - {name: row-2, columns: 4}
rules:
  - {kind: boost, name: clearance, match: {tags: [clearance]}, factor: 2}
  - {kind: not-above, name: low, shelf: new, row: row-2}
  - {kind: most-of-kind, name: one, shelf_kind: grid, most: 1, starts_at: 2026-12-01}
  - {kind: least-exposure, name: often, shelf: new, least: 0.2}
"""


def test_a_page_with_shelves_comes_back_as_it_was() -> None:
    (page,) = read(FILE, "home.yaml")
    assert page.slots == ["hero", *(f"row-{row}.{column}" for row in (1, 2) for column in (1, 2, 3, 4))]
    text = written([page])
    assert read(text, "again") == [page]
    assert "columns: 4" in text and "slots:\n    - hero\n" in text and "row-1.1" not in text
    assert "candidates: {}" in text, "all items, whatever the page shows"
    assert [shelf.name for shelf in shelf_page(page, "*", 0).shelves] == ["week", "new", "best"]


@pytest.mark.parametrize("name", ["concepts/rules.md", "start/shelves.md"])
def test_the_page_in_the_docs_fits(name: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / name).read_text(encoding="utf-8"), re.DOTALL)
    page, *more = [block for block in blocks if "shelves:" in block]
    for text in (page, *(page + block for block in more)):
        assert check(text)[1] == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000))
def test_what_can_be_meant_can_be_written_in_a_file(seed: int) -> None:
    page = msgspec.structs.replace(with_declared(random_page(seed).page.page), version=0)
    assert read(written([page]), "file") == [page]


def test_templates_and_branches_are_written_without_what_is_usual() -> None:
    in_order = PageTemplate("in order", [TemplateRow("top", shelves=["new"]), TemplateRow("end", columns=2)])
    page = PageRules(
        "home",
        0,
        shelves=[PageShelf("new"), PageShelf("sale")],
        rows=[PageRow("top", columns=4), PageRow("end", columns=4)],
        templates=[in_order],
        branches=[
            Branch("still", 0.2, PolicyChoice(variants=4), template="in order"),
            Branch("same", 0.2, PolicyChoice()),
        ],
    )
    text = written([page])
    assert read(text, "file") == [page]
    assert "columns: 0" not in text and "exploration" not in text and "variants: 4" in text
    assert text.count("name: thompson") == 2


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("slots: [hero]", "slots: [hero], columns: 2", 10, "Expected `slots` or `columns`, one of them at rows[0]"),
        ("columns: 4}", "column: 4}", 12, "Expected `slots` or `columns`, one of them at rows[2]"),
        ("columns: 4}", "columns: 300}", 12, "Expected `int` <= 256 at rows[2].columns"),
        ("name: row-2, columns: 4}", "name: row-1, columns: 4}", 2, "Expected `rows` to name each row and each slot"),
        ("- {name: row-2, columns: 4}", "- {name: row-2, columns: 252}", 2, "Expected at most 256 slots in all `rows`"),
        ("- {name: row-2, columns: 4}", "- {name: row-2, columns: 250}", 2, "Expected at most 2560 slots in all slat"),
        ("page: home", "page: home\nslots: [a]", 3, "expected no `slots` on a page with `rows`"),
        ("rows:", "roows:", 2, "Expected `shelves` and `rows`, both of them or none"),
        ("pinned: top", "pinned: row-3", 6, "expected one of the rows (top, row-1, row-2), got 'row-3'"),
        ("name: new, title", "nam: new, title", 7, "Object missing required field `name` at shelves[1]"),
        ("name: new, title", "name: best, title", 6, "expected each shelf once, got more of 'best'"),
        ("least_columns: 2", "least_columns: 20", 8, "expected a row with 20 slots that the shelf may stand in"),
        ("candidates: {}", "candidate: {}", 8, "there is no field `candidate` here; there are: name, kind, title"),
        ("candidates: {}", "candidates: {brand: [x]}", 8, "there is no field `brand` here"),
        ("candidates: {}", "candidates: {limit: 10, reserve: 20}", 8, "expected at most limit, 10"),
        ("candidates: {items: [shoe-week]}", "title: Shoes", 4, "expected a shelf whose candidates name 'shoe-week'"),
        ("limit: 3000", "limit: 9, reserve: 1", 3, "expected at least 12: the share of shelf 'new' is 3"),
        ("shelves: [new, best]", "shelves: [new, beast]", 11, "expected some of the shelves (week, new, best)"),
        ("shelf: new, row: row-2", "shelf: news, row: row-2", 15, "expected one of the shelves (week, new, best)"),
        ("shelf_kind: grid", "shelf_kind: gird", 16, "expected the kind of a shelf (banner, carousel, grid)"),
        ("least: 0.2", "least: 0", 17, "Expected `float` > 0.0 at rules[3].least"),
        ("kind: boost", "kind: exposure", 14, "Object contains unknown field `factor`; a rule of kind exposure"),
        ("kind: not-above", "kind: never", 15, "Invalid value 'never', not one of pin, boost, cap"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(old: str, new: str, line: int, said: str) -> None:
    assert old in FILE
    _, wrong = check(FILE.replace(old, new))
    assert (line, said) in [(each.line, each.text[: len(said)]) for each in wrong]


@pytest.mark.parametrize(
    "rule",
    [
        "{kind: pin, name: n, item: i, slot: hero}",
        "{kind: cap, name: n, most: 2}",
        "{kind: spacing, name: n, by: brand, distance: 2}",
        "{kind: exposure, name: n, match: {}, least: 0.25}",
        "{kind: place, name: n, match: {}, slots: [hero]}",
        "{kind: sponsored, name: n, match: {}, slot: hero, impressions: 1}",
        "{kind: complements, name: n}",
    ],
)
def test_rules_for_items_are_taken(rule: str) -> None:
    assert check(f"{FILE}  - {rule}\n")[1] == []
    wrong = check(f"{FILE}  - {rule.replace('hero', 'zero')}\n")[1]
    assert [each.line for each in wrong] == [18] * ("hero" in rule)


def test_rules_for_shelves_are_refused_on_a_flat_page() -> None:
    rules = FILE[FILE.index("rules:") :]
    wrong = check(f"page: home\nslots: [a]\n{rules}")[1]
    assert [each.line for each in wrong] == [5, 6, 7]
    assert {each.text for each in wrong} == {"expected a page with `shelves` and `rows`: this rule is about shelves"}


def test_all_that_does_not_fit_is_told_at_once() -> None:
    faulty = FILE.replace("least_columns: 2", "least_columns: x").replace("columns: 4}", "columns: -1}")
    assert [each.line for each in check(faulty.replace("least: 0.2", "least: 2"))[1]] == [8, 12, 17]


def test_names_that_no_item_has_are_said_by_shelf() -> None:
    (page,) = read(FILE.replace("name: row-2", "name: Row-1").replace("row: row-2", "row: row-1"), "f")
    shelves = list(page.shelves or ())
    shelves[1] = msgspec.structs.replace(shelves[1], candidates=Candidates(tags=["news"]))
    page = msgspec.structs.replace(page, shelves=shelves)
    catalog = {"i": CatalogItem("i", "i", category="shoes", tags=["clearance"])}
    assert lint(page, catalog) == [
        "row 'Row-1' differs from 'row-1' by case alone: they are two",
        "shelf new: no item of the catalog fits tags: news",
    ]
