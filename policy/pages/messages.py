"""Pages of shelves in messages: what merchants declare as a page to decide, and what was decided into a layout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from policy.pages.declaration import UNNAMED, Declaration, Row, Shelf, ShelfPage, page_problems
from policy.pages.rules import LeastExposure, MostOfKind, NotAbove, NotBelow, ShelfRule
from policy.pages.templates import template_problems
from policy.rules.compiled import in_force
from policy.rules.kind import Problem
from schemas import rules as declared
from schemas.messages.layouts import Layout, LayoutShelf
from schemas.messages.pages import Candidates, PageRules, PageShelf


def shelf_page(rules: PageRules, segment: str, now_ms: int) -> ShelfPage:
    """A page with the rules for shelves that are in force for a segment at a time.

    Each shelf has the candidates that it may have (`shelf_candidates`).  Raises `ValueError` with all that cannot
    be meant, each with its path, for a page that was published without being checked.
    """
    if not rules.has_shelves:
        return ShelfPage.flat(rules.slots)
    page = _declaration(rules)
    for_now = [rule for rule in rules.rules if in_force(rule, segment, now_ms)]
    return ShelfPage(page.shelves, page.rows, tuple(_shelf_rules(for_now)))


def shelf_candidates(rules: PageRules) -> dict[str, Candidates]:
    """Which items each shelf may show: its own candidates, else the page's, and at most its share of them.

    All shelves together have at most `candidates.limit` of the page.  Each has an equal share; what one with a
    smaller limit of its own leaves over is for the others.  Places for the newest items are fewer in proportion.
    """
    own = {shelf.name: shelf.candidates or rules.candidates for shelf in _shelves(rules)}
    bounded, left = dict[str, Candidates](), rules.candidates.limit
    for count, name in enumerate(sorted(own, key=lambda name: own[name].limit)):
        whole = own[name]
        limit = min(whole.limit, left // (len(own) - count))
        left -= limit
        bounded[name] = msgspec.structs.replace(whole, limit=limit, reserve=whole.reserve * limit // whole.limit)
    return {name: bounded[name] for name in own}


def shelf_blocks(rules: PageRules) -> dict[str, list[str]]:
    """The content blocks of the page that each shelf may show: those that its own candidates name."""
    return {
        shelf.name: [block for block in rules.blocks if shelf.candidates and block in shelf.candidates.items]
        for shelf in _shelves(rules)
    }


class Offer(NamedTuple):
    """Which items a shelf, or a flat page, may show: those of the catalog that fit, and content blocks."""

    candidates: Candidates
    blocks: Sequence[str]


def offers(rules: PageRules) -> dict[str, Offer]:
    """What each shelf of a page may show; a flat page has one without a name."""
    if not rules.has_shelves:
        return {UNNAMED: Offer(rules.candidates, rules.blocks)}
    blocks = shelf_blocks(rules)
    return {name: Offer(own, blocks[name]) for name, own in shelf_candidates(rules).items()}


def shelf_problems(rules: PageRules) -> Iterator[Problem]:
    """What of shelves, rows, templates and rules for shelves cannot be meant; by path."""
    yield from template_problems(rules)
    if not rules.has_shelves:
        return
    about_shelves = [at for at, rule in enumerate(rules.rules) if isinstance(rule, declared.ShelfRule)]
    for path, text in page_problems(_declaration(rules)):
        yield Problem(_path(path, about_shelves), text)
    yield from _candidate_problems(rules)


def with_rows(
    layout: Layout,
    page: ShelfPage,
    rows: Sequence[Mapping[str, str]],
    baseline_rows: Mapping[str, str],
    row_propensities: Mapping[str, Mapping[str, float]],
) -> Layout:
    """The layout with row to shelf for each slate and the baseline, how likely each is, and what shelves are called.

    A layout of a flat page stays as it is.
    """
    if page.is_flat:
        return layout
    return msgspec.structs.replace(
        layout,
        rows=[dict(slate) for slate in rows],
        baseline_rows=dict(baseline_rows),
        row_propensities={row: dict(shares) for row, shares in row_propensities.items()},
        shelves=_standing(page.shelves, (*rows, baseline_rows)),
    )


def layout_shelves(rules: PageRules, layout: Layout) -> dict[str, LayoutShelf]:
    """What the shelves that stand in a layout are called."""
    return _standing(_shelves(rules), (*(layout.rows or ()), layout.baseline_rows or {}))


def _standing(shelves: Iterable[Shelf | PageShelf], rows: Iterable[Mapping[str, str]]) -> dict[str, LayoutShelf]:
    standing = {shelf for slate in rows for shelf in slate.values()}
    return {shelf.name: LayoutShelf(shelf.title, shelf.kind) for shelf in shelves if shelf.name in standing}


def _shelves(rules: PageRules) -> Sequence[PageShelf]:
    return () if rules.shelves is UNSET else rules.shelves


def _declaration(rules: PageRules) -> Declaration:
    """The page with all its rules for shelves, whenever they are in force."""
    declared_rows = () if rules.rows is UNSET else rules.rows
    candidates = shelf_candidates(rules)
    shelves = tuple(
        Shelf(
            name=shelf.name,
            kind=shelf.kind,
            title=shelf.title,
            candidates=candidates[shelf.name],
            least_columns=shelf.least_columns,
            most_columns=shelf.most_columns,
            keeps=shelf.keeps,
            pinned=shelf.pinned,
        )
        for shelf in _shelves(rules)
    )
    rows = tuple(Row(row.name, tuple(row.slot_names), tuple(row.shelves)) for row in declared_rows)
    return Declaration(shelves, rows, tuple(_shelf_rules(rules.rules)))


def _shelf_rules(rules: Sequence[declared.Rule]) -> Iterator[ShelfRule]:
    """Rules for shelves among all rules, as they are decided by."""
    for rule in rules:
        match rule:
            case declared.NotAbove():
                yield NotAbove(rule.name, rule.shelf, rule.row)
            case declared.NotBelow():
                yield NotBelow(rule.name, rule.shelf, rule.row)
            case declared.MostOfKind():
                yield MostOfKind(rule.name, rule.shelf_kind, rule.most)
            case declared.LeastExposure():
                yield LeastExposure(rule.name, rule.shelf, rule.least)


def _path(path: str, about_shelves: Sequence[int]) -> str:
    """Where in the message is what is at `path` of the declaration, which has no rules but those for shelves."""
    if not path.startswith("rules["):
        return path
    number, _, field = path.removeprefix("rules[").partition("].")
    return f"rules[{about_shelves[int(number)]}].{'shelf_kind' if field == 'kind' else field}"


def _candidate_problems(rules: PageRules) -> Iterator[Problem]:
    """Shelves with fewer candidates than columns, and blocks that no shelf may show."""
    page = _declaration(rules)
    for at, (shelf, own) in enumerate(zip(page.shelves, _shelves(rules), strict=True)):
        columns = min(shelf.most_columns, max((len(row.slots) for row in page.rows_for(shelf)), default=0))
        share, limit = shelf.candidates.limit, (own.candidates or rules.candidates).limit
        if share < min(columns, limit):
            least = columns * len(page.shelves)
            yield Problem(
                "candidates.limit", f"expected at least {least}: the share of shelf {shelf.name!r} is {share}"
            )
        if own.candidates and own.candidates.reserve > limit:
            yield Problem(f"shelves[{at}].candidates.reserve", f"expected at most limit, {limit}")
    shown = {block for blocks in shelf_blocks(rules).values() for block in blocks}
    for at, block in enumerate(rules.blocks):
        if block not in shown:
            yield Problem(f"blocks[{at}]", f"expected a shelf whose candidates name {block!r} among their items")
