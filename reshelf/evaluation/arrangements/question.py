"""Which arrangements of a page's shelves are asked about, and whether the page has what they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from policy.arrays import Codes
from policy.defaults import LEVEL
from policy.evaluation.shelves import fits
from policy.model.priors import WHOLE_PAGE
from policy.pages.compiled import CompiledPage
from policy.pages.messages import shelf_page
from policy.pages.templates import narrowed, templates_of
from reshelf.evaluation.arrangements.arrangement import (
    Arrangement,
    Fill,
    as_served,
    in_declared_order,
    in_template,
    with_exchange,
    with_pin,
)
from schemas.errors import BadSettings, ReshelfError
from schemas.messages.layouts import Layout
from schemas.messages.pages import WHOLE_TEMPLATE, PageRules


@dataclass(frozen=True, slots=True)
class ArrangementQuestion:
    """Arrangements of the shelves of a page, each by itself; what was served is always among the answers.

    `pins` are `SHELF=ROW`, `exchanges` pairs of rows.  With none of all these it is the declared order and every
    template of the page.
    """

    page: str
    declared: bool = False
    templates: Sequence[str] = ()
    pins: Sequence[str] = ()
    exchanges: Sequence[tuple[str, str]] = ()
    level: float = LEVEL

    @property
    def is_open(self) -> bool:
        """Whether no arrangement is named."""
        return not (self.declared or self.templates or self.pins or self.exchanges)


def page_with_shelves(rules: Mapping[str, PageRules], page: str) -> PageRules:
    """The declaration of a page as it is now; raises `ReshelfError` without one, `BadSettings` if it has no shelves."""
    if page not in rules:
        raise ReshelfError(
            f"--page: expected one of the pages of page-rules ({', '.join(sorted(rules)) or 'none'}), got {page!r}: "
            "arrangements are of a page as it is declared. Publish it with `reshelf rules apply`."
        )
    if not rules[page].has_shelves:
        raise BadSettings(
            f"page {page!r} has no shelves, so it has no other arrangement. Ask about a policy: "
            f"`reshelf evaluate --page {page} --policy greedy`."
        )
    return rules[page]


def compiled(rules: PageRules) -> CompiledPage:
    """The page's shelves and rows, whatever rules are in force at times and in segments."""
    return CompiledPage.of(shelf_page(rules, WHOLE_PAGE, 0))


def check(rules: Mapping[str, PageRules], question: ArrangementQuestion) -> None:
    """Raises what `answer` would raise for a page, shelf, row or template that is not there, before a log is read."""

    def fill(template: str, layout: Layout) -> Codes:
        raise NotImplementedError

    declared = page_with_shelves(rules, question.page)
    arrangements(declared, compiled(declared), question, fill)


def arrangements(rules: PageRules, page: CompiledPage, question: ArrangementQuestion, fill: Fill) -> list[Arrangement]:
    """What is asked about, what was served first; raises `BadSettings` for what the page does not have."""
    asked = [as_served()]
    if question.declared or question.is_open:
        asked.append(in_declared_order(page))
    asked += _in_templates(rules, page, question, fill)
    asked += (_with_pin(page, text) for text in question.pins)
    asked += (_with_exchange(page, pair) for pair in question.exchanges)
    return list({arrangement.name: arrangement for arrangement in asked}.values())


def _in_templates(
    rules: PageRules, page: CompiledPage, question: ArrangementQuestion, fill: Fill
) -> Iterator[Arrangement]:
    templates = templates_of(rules)
    for name in templates if question.is_open else question.templates:
        if name not in (WHOLE_TEMPLATE, *templates):
            expected = ", ".join((WHOLE_TEMPLATE, *templates))
            raise BadSettings(
                f"--template: expected one of {expected}, got {name!r}. Declare it in `templates` of the page."
            )
        narrow = narrowed(page, templates[name]) if name in templates else page
        yield in_template(name, narrow.columns, fill)


def _with_pin(page: CompiledPage, text: str) -> Arrangement:
    shelves, rows = page.page.shelf_names, page.page.row_names
    # Names may have an equals sign in them.
    splits = [(text[:at], text[at + 1 :]) for at, letter in enumerate(text) if letter == "="]
    if not splits:
        raise BadSettings(f"--pin: expected SHELF=ROW, as {shelves[0]}={rows[0]}, got {text!r}.")
    shelf, row = next((split for split in splits if split[0] in shelves and split[1] in rows), splits[0])
    at = _number("--pin: expected one of the shelves", shelves, shelf), _row(page, "--pin", row)
    if not fits(page)[at[1], at[0]]:
        standing = ", ".join(name for name, fit in zip(rows, fits(page)[:, at[0]], strict=True) if fit)
        raise BadSettings(
            f"--pin: expected a row that {shelf!r} may stand in ({standing}), got {row!r}: rows say in `shelves` which "
            "may, and a shelf has its `least_columns`."
        )
    return with_pin(page, *at)


def _with_exchange(page: CompiledPage, pair: tuple[str, str]) -> Arrangement:
    upper, lower = (_row(page, "--exchange", row) for row in pair)
    if upper == lower:
        raise BadSettings(f"--exchange: expected two rows, got {pair[0]!r} twice.")
    return with_exchange(page, upper, lower)


def _row(page: CompiledPage, option: str, row: str) -> int:
    return _number(f"{option}: expected one of the rows", page.page.row_names, row)


def _number(expected: str, names: Sequence[str], name: str) -> int:
    if name not in names:
        raise BadSettings(f"{expected} ({', '.join(names)}), got {name!r}.")
    return names.index(name)
