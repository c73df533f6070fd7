"""A page as merchants declare it: shelves, rows of slots, and which shelf may stand where.

A flat page is one row with an unnamed shelf: its slots keep their names, so whoever turns
it into rows keeps its counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from policy.pages.rules import ShelfRule, rule_problems
from policy.rules.kind import Problem
from schemas.messages.fields import MOST_SLOTS
from schemas.messages.pages import Candidates, column_names

ALL = Candidates()
"""All items of the catalog."""
UNNAMED = ""
"""The shelf of a flat page, whose factor is 1 by definition."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A module of a page: a carousel, a grid, a banner.

    `kind` says how its columns are looked at: shelves of one kind have this in common.  It stands in a row only with
    at least `least_columns` items, and shows at most `most_columns`.  One that `keeps` its items claims its best
    ones before any other shelf; one that is `pinned` stands in the row of that name in every slate.
    """

    name: str
    kind: str = "carousel"
    title: str = ""
    candidates: Candidates = ALL
    least_columns: int = 1
    most_columns: int = MOST_SLOTS
    keeps: bool = False
    pinned: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Slots side by side, in rendered order; `shelves` may stand there, without them all may."""

    name: str
    slots: tuple[str, ...]
    shelves: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, columns: int, shelves: Iterable[str] = ()) -> Row:
        """A row whose slots have the default names, `row.column` from 1."""
        return cls(name, tuple(column_names(name, columns)), tuple(shelves))


@dataclass(frozen=True)
class Declaration:
    """Shelves and rows, each in the order in which they were declared; rows in rendered order.

    It may be one that cannot be meant (`page_problems`).
    """

    shelves: tuple[Shelf, ...]
    rows: tuple[Row, ...]
    rules: tuple[ShelfRule, ...] = ()

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """All slots in rendered order."""
        return tuple(slot for row in self.rows for slot in row.slots)

    @cached_property
    def shelf_names(self) -> tuple[str, ...]:
        """All shelves in declared order."""
        return tuple(shelf.name for shelf in self.shelves)

    @cached_property
    def row_names(self) -> tuple[str, ...]:
        """All rows in rendered order."""
        return tuple(row.name for row in self.rows)

    def rows_for(self, shelf: Shelf) -> list[Row]:
        """Where the shelf may stand by what rows say, however many slots they have."""
        return [row for row in self.rows if not row.shelves or shelf.name in row.shelves]


@dataclass(frozen=True)
class ShelfPage(Declaration):
    """A declaration that makes sense: raises `ValueError` with all that cannot be meant, each with its path."""

    def __post_init__(self) -> None:
        problems = list(page_problems(self))
        if problems:
            raise ValueError("; ".join(f"{path}: {text}" for path, text in problems))

    @classmethod
    def flat(cls, slots: Sequence[str]) -> ShelfPage:
        """A page that is a list of slots."""
        return cls((Shelf(UNNAMED),), (Row("", tuple(slots)),))

    @property
    def is_flat(self) -> bool:
        """Whether there is nothing to arrange."""
        return self.shelves[0].name == UNNAMED


def page_problems(page: Declaration) -> Iterator[Problem]:
    """Everything that cannot be meant, by its path; empty where the declaration makes sense."""
    if not page.shelves:
        yield Problem("shelves", "expected at least one shelf")
    if not page.rows:
        yield Problem("rows", "expected at least one row")
    yield from _repeated("shelves", page.shelf_names, "shelf")
    yield from _repeated("rows", page.row_names, "row")
    yield from _repeated("rows.slots", page.slots, "slot")
    if len(page.slots) > MOST_SLOTS:
        yield Problem("rows", f"expected at most {MOST_SLOTS} slots in all rows, got {len(page.slots)}")
    if UNNAMED in page.shelf_names and (len(page.shelves) > 1 or len(page.rows) > 1):
        yield Problem("shelves", "expected a name for each shelf: only the one shelf of a flat page has none")
    for at, shelf in enumerate(page.shelves):
        yield from (Problem(f"shelves[{at}].{path}", text) for path, text in _shelf_problems(page, shelf))
    for at, row in enumerate(page.rows):
        yield from (Problem(f"rows[{at}].{path}", text) for path, text in _row_problems(page, row))
    pinned = Counter(shelf.pinned for shelf in page.shelves if shelf.pinned)
    for place, count in pinned.items():
        if count > 1:
            yield Problem("shelves", f"expected at most one shelf pinned to row {place!r}, got {count}")
    for at, rule in enumerate(page.rules):
        problems = rule_problems(rule, page.shelf_names, page.row_names, {shelf.kind for shelf in page.shelves})
        yield from (Problem(f"rules[{at}].{path}", text) for path, text in problems)
    yield from _repeated("rules", [rule.name for rule in page.rules], "rule")


def _repeated(path: str, names: Sequence[str], what: str) -> Iterator[Problem]:
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        yield Problem(path, f"expected each {what} once, got more of {', '.join(map(repr, repeated))}")


def _shelf_problems(page: Declaration, shelf: Shelf) -> Iterator[Problem]:
    if not shelf.kind:
        yield Problem("kind", "expected a word for how its columns are looked at, as carousel or grid")
    if shelf.least_columns < 1:
        yield Problem("least_columns", f"expected at least 1, got {shelf.least_columns}")
    if shelf.most_columns < shelf.least_columns:
        least = shelf.least_columns
        yield Problem("most_columns", f"expected at least least_columns, {least}, got {shelf.most_columns}")
    standing = page.rows_for(shelf)
    if not any(len(row.slots) >= shelf.least_columns for row in standing):
        yield Problem("least_columns", f"expected a row with {shelf.least_columns} slots that the shelf may stand in")
    if not shelf.pinned:
        return
    if shelf.pinned not in page.row_names:
        yield Problem("pinned", f"expected one of the rows ({', '.join(page.row_names)}), got {shelf.pinned!r}")
    elif shelf.pinned not in [row.name for row in standing]:
        yield Problem("pinned", f"expected a row that the shelf may stand in, got {shelf.pinned!r}")


def _row_problems(page: Declaration, row: Row) -> Iterator[Problem]:
    if not row.slots:
        yield Problem("slots", "expected at least one slot")
    for shelf in row.shelves:
        if shelf not in page.shelf_names:
            yield Problem("shelves", f"expected some of the shelves ({', '.join(page.shelf_names)}), got {shelf!r}")
