"""Templates: narrower forms of a page, which have some of its rows, with fewer columns or fewer shelves to stand there.

Rows, slots and shelves keep their names and numbers, so all templates of a page share its counts and its fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from msgspec import UNSET

from policy.arrays import EMPTY
from policy.pages.compiled import CompiledPage
from policy.rules.kind import Problem
from schemas.messages.pages import WHOLE_TEMPLATE, PageRow, PageRules, PageTemplate, TemplateRow


def templates_of(rules: PageRules) -> dict[str, PageTemplate]:
    """The templates of a page by name."""
    return {} if rules.templates is UNSET else {template.name: template for template in rules.templates}


def narrowed(page: CompiledPage, template: PageTemplate) -> CompiledPage:
    """The page as a template has it: rows that it does not name are left out, and what is pinned there with them."""
    names, shelves = page.page.row_names, page.page.shelf_names
    standing = np.zeros_like(page.declared)
    columns = np.zeros_like(page.columns)
    widths = np.zeros(len(names), dtype=np.intp)
    for row in template.rows:
        at = names.index(row.name)
        standing[at] = [not row.shelves or shelf in row.shelves for shelf in shelves]
        widths[at] = row.columns or page.shape[2]
        columns[at] = np.minimum(page.columns[at], widths[at])
    return replace(
        page,
        declared=page.declared & standing,
        allowed=page.allowed & standing,
        columns=columns,
        pins=np.where(standing.any(axis=1), page.pins, EMPTY).astype(np.int32),
        present=page.column_of < widths[page.row_of],
    )


def template_problems(rules: PageRules) -> Iterator[Problem]:
    """What of a page's templates cannot be meant, and branches whose template is not there; by path."""
    names = list(templates_of(rules))
    for at, branch in enumerate(rules.branches):
        if branch.template is not UNSET and branch.template not in (WHOLE_TEMPLATE, *names):
            expected = ", ".join((WHOLE_TEMPLATE, *names))
            yield Problem(f"branches[{at}].template", f"expected one of {expected}, got {branch.template!r}")
    if rules.templates is UNSET:
        return
    if rules.rows is UNSET:
        yield Problem("templates", "expected a page with `shelves` and `rows`: a flat page has none to leave out")
        return
    if len(names) < len(rules.templates) or WHOLE_TEMPLATE in names:
        yield Problem("templates", f"expected a name for each, other than {WHOLE_TEMPLATE!r}, each once")
    rows = {row.name: row for row in rules.rows}
    for at, template in enumerate(rules.templates):
        for path, text in _row_problems(template.rows, rows, rules):
            yield Problem(f"templates[{at}].rows{path}", text)


def _row_problems(narrow: Sequence[TemplateRow], rows: dict[str, PageRow], rules: PageRules) -> Iterator[Problem]:
    if len({row.name for row in narrow}) < len(narrow):
        yield Problem("", "expected each row once")
    for at, row in enumerate(narrow):
        whole = rows.get(row.name)
        if whole is None:
            yield Problem(f"[{at}].name", f"expected one of the page's rows ({', '.join(rows)}), got {row.name!r}")
            continue
        if row.columns > len(whole.slot_names):
            yield Problem(
                f"[{at}].columns", f"expected at most {len(whole.slot_names)}, as the page's row has, got {row.columns}"
            )
        yield from (Problem(f"[{at}].shelves", text) for text in _shelf_problems(row, whole, rules))


def _shelf_problems(row: TemplateRow, whole: PageRow, rules: PageRules) -> Iterator[str]:
    shelves = rules.shelves or []
    standing = whole.shelves or [shelf.name for shelf in shelves]
    for name in row.shelves:
        if name not in standing:
            yield f"expected some of the shelves of the page's row ({', '.join(standing)}), got {name!r}"
    pinned = [shelf.name for shelf in shelves if shelf.pinned == row.name]
    if row.shelves and pinned and pinned[0] not in row.shelves:
        yield f"expected {pinned[0]!r} among them, which is pinned to this row"
