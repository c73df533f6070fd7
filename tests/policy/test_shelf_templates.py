"""Templates of a page with shelves: what each leaves out, and which cannot be meant."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from policy.arrays import EMPTY
from policy.pages.compiled import CompiledPage
from policy.pages.messages import shelf_page, shelf_problems
from policy.pages.templates import narrowed
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

SHORT = PageTemplate("short", [TemplateRow("top", shelves=["best"]), TemplateRow("middle", columns=2)])
RULES = PageRules(
    "home",
    1,
    shelves=[PageShelf("hero", pinned="top"), PageShelf("best"), PageShelf("new", most_columns=3)],
    rows=[PageRow("top", columns=1), PageRow("middle", columns=4, shelves=["best", "new"]), PageRow("end", columns=4)],
    candidates=Candidates(limit=60),
    templates=[PageTemplate("short", [TemplateRow("top"), TemplateRow("middle", columns=2, shelves=["new"])])],
    branches=[Branch("few", 0.2, PolicyChoice(variants=4), template="short")],
)


def compiled(rules: PageRules, template: PageTemplate) -> CompiledPage:
    """The page as the template has it."""
    return narrowed(CompiledPage.of(shelf_page(rules, "*", 0)), template)


def test_rows_that_a_template_does_not_name_are_left_out_with_what_is_pinned_there() -> None:
    whole = CompiledPage.of(shelf_page(RULES, "*", 0))
    page = narrowed(whole, PageTemplate("end", [TemplateRow("end", columns=2)]))
    assert page.declared.any(axis=1).tolist() == [False, False, True]
    assert page.allowed.sum() == 2, "the pinned shelf has no other row"
    assert page.pins.tolist() == [EMPTY] * 3
    assert page.columns.tolist() == [[0, 0, 0], [0, 0, 0], [2, 2, 2]]
    assert page.page is whole.page, "names and numbers stay"


def test_a_template_of_all_rows_is_the_page() -> None:
    whole = CompiledPage.of(shelf_page(RULES, "*", 0))
    page = narrowed(whole, PageTemplate("all", [TemplateRow(row) for row in whole.page.row_names]))
    for name in ("declared", "allowed", "columns", "pins"):
        np.testing.assert_array_equal(getattr(page, name), getattr(whole, name))


def test_what_a_template_says_is_narrower_than_rows_and_rules() -> None:
    assert RULES.templates
    page = compiled(RULES, RULES.templates[0])
    assert page.declared[1].tolist() == [False, False, True]
    assert page.pins.tolist() == [0, EMPTY, EMPTY]
    assert page.columns[1].tolist() == [2, 2, 2]
    assert not list(shelf_problems(RULES))


@pytest.mark.parametrize(
    ("templates", "path"),
    [
        ([SHORT], "templates[0].rows[0].shelves"),
        ([PageTemplate("default", [TemplateRow("top")])], "templates"),
        ([PageTemplate("a", [TemplateRow("top")]), PageTemplate("a", [TemplateRow("end")])], "templates"),
        ([PageTemplate("a", [TemplateRow("bottom")])], "templates[0].rows[0].name"),
        ([PageTemplate("a", [TemplateRow("top"), TemplateRow("top")])], "templates[0].rows"),
        ([PageTemplate("a", [TemplateRow("end", columns=5)])], "templates[0].rows[0].columns"),
        ([PageTemplate("a", [TemplateRow("middle", shelves=["hero"])])], "templates[0].rows[0].shelves"),
    ],
)
def test_a_template_that_cannot_be_meant_is_told_with_its_path(templates: Any, path: str) -> None:
    rules = msgspec.structs.replace(RULES, templates=templates, branches=[])
    assert [problem.path for problem in shelf_problems(rules)] == [path]


def test_a_branch_names_a_template_of_its_page() -> None:
    branches = [Branch("a", 0.1, PolicyChoice(variants=2), template=name) for name in ("short", "default", "long")]
    named = [msgspec.structs.replace(branch, name=str(at)) for at, branch in enumerate(branches)]
    problems = list(shelf_problems(msgspec.structs.replace(RULES, branches=named)))
    assert [problem.path for problem in problems] == ["branches[2].template"]
    assert "'long'" in problems[0].text


def test_a_flat_page_has_no_templates() -> None:
    flat = PageRules("cart", 1, ["a", "b"], templates=RULES.templates)
    assert [problem.path for problem in shelf_problems(flat)] == ["templates"]
