"""A page of shelves and rows as arrays, for drawing and fitting: H shelves, R rows, at most C columns, S slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from policy.arrays import EMPTY, Bools, Codes, Floats, Hashes, Indices
from policy.hashes import arm_hashes
from policy.pages.declaration import UNNAMED, ShelfPage
from policy.pages.rules import LeastExposure, MostOfKind, NotAbove, NotBelow, label


@dataclass(frozen=True, slots=True, eq=False)
class KindCap:
    """At most `most` of the shelves, bool[H], are on the page."""

    label: str
    shelves: Bools
    most: int


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """The shelf is in at least the share `least` of slates."""

    label: str
    shelf: int
    least: float


@dataclass(frozen=True, slots=True, eq=False)
class CompiledPage:
    """The declaration of a page as arrays.

    `slots` int[R, C] are the numbers of the slots of each row, -1 where it has no more, and `row_of` and `column_of`
    int[S] where each slot is.  `kinds` int[H] number the kinds of shelves, `allowed` bool[R, H] says which shelf may
    stand where by all rules, and `declared` bool[R, H] by rows alone.  `columns` int[R, H] is how many items a shelf
    shows in a row at most, and `least` int[H] how many it needs.  `pins` int32[R] are the shelves pinned to rows, -1
    without one.
    `present` bool[S] are the slots that it has, all but where it is narrowed to a template.
    """

    page: ShelfPage
    slots: Indices
    row_of: Indices
    column_of: Indices
    kinds: Indices
    kind_names: tuple[str, ...]
    allowed: Bools
    declared: Bools
    columns: Indices
    least: Indices
    keeps: Bools
    titled: Bools
    pins: Codes
    present: Bools
    caps: tuple[KindCap, ...]
    floors: tuple[Floor, ...]
    hashes: Hashes
    spot_hashes: Hashes
    """Of each pair of row and shelf, uint64[R * H]."""

    @classmethod
    def of(cls, page: ShelfPage) -> CompiledPage:
        """The arrays of a page."""
        names, rows = page.shelf_names, page.row_names
        widths = [len(row.slots) for row in page.rows]
        slots = np.full((len(rows), max(widths)), EMPTY, dtype=np.intp)
        row_of = np.repeat(np.arange(len(rows)), widths)
        column_of = np.concatenate([np.arange(width) for width in widths])
        slots[row_of, column_of] = np.arange(len(page.slots))
        kind_names = tuple(dict.fromkeys(shelf.kind for shelf in page.shelves))
        declared = np.array([[not row.shelves or name in row.shelves for name in names] for row in page.rows])
        most = np.array([shelf.most_columns for shelf in page.shelves], dtype=np.intp)
        pins = {shelf.pinned: at for at, shelf in enumerate(page.shelves) if shelf.pinned}
        return cls(
            page=page,
            slots=slots,
            row_of=row_of,
            column_of=column_of,
            kinds=np.array([kind_names.index(shelf.kind) for shelf in page.shelves], dtype=np.intp),
            kind_names=kind_names,
            allowed=_allowed(page, declared),
            declared=declared,
            columns=np.minimum(np.array(widths, dtype=np.intp)[:, None], most),
            least=np.array([shelf.least_columns for shelf in page.shelves], dtype=np.intp),
            keeps=np.array([shelf.keeps for shelf in page.shelves]),
            titled=np.array([name != UNNAMED for name in names]),
            pins=np.array([pins.get(row, EMPTY) for row in rows], dtype=np.int32),
            present=np.ones(len(page.slots), dtype=np.bool_),
            caps=tuple(_caps(page)),
            floors=tuple(
                Floor(label(rule), names.index(rule.shelf), rule.least)
                for rule in page.rules
                if isinstance(rule, LeastExposure)
            ),
            hashes=arm_hashes(names),
            spot_hashes=arm_hashes([f"{row}\t{name}" for row in rows for name in names]),
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many rows, shelves, and columns at most."""
        return (*self.declared.shape, self.slots.shape[1])

    @property
    def is_pinned(self) -> Bools:
        """Which shelves always stand in the same row, bool[H]: pinned ones, and those with one row to stand in."""
        return np.asarray((self.declared.sum(axis=0) == 1) | np.isin(np.arange(len(self.kinds)), self.pins))

    def by_column(self, values: Floats) -> Floats:
        """What each shelf has in each column of each row, float64[R, H, C] from [H, S]; 0 where a row has no slot."""
        # Slots beyond a row's last are numbered -1.
        padded = np.append(values, np.zeros((len(values), 1)), axis=1)
        return np.asarray(padded[:, self.slots].transpose(1, 0, 2))

    def candidates(self, items: Sequence[str], of_shelf: Mapping[str, Sequence[str]]) -> Bools:
        """Which items each shelf may show, bool[H, A]; a shelf that `of_shelf` does not name may show all."""
        rows = {item: row for row, item in enumerate(items)}
        mask = np.zeros((len(self.kinds), len(items)), dtype=np.bool_)
        for at, name in enumerate(self.page.shelf_names):
            mask[at, [rows[item] for item in of_shelf[name] if item in rows] if name in of_shelf else slice(None)] = (
                True
            )
        return mask


def _allowed(page: ShelfPage, declared: Bools) -> Bools:
    """Where shelves may stand by all rules that are about rows; a pinned shelf has no other row."""
    allowed, names, rows = declared.copy(), page.shelf_names, page.row_names
    for rule in page.rules:
        match rule:
            case NotAbove(shelf=shelf, row=row):
                allowed[: rows.index(row), names.index(shelf)] = False
            case NotBelow(shelf=shelf, row=row):
                allowed[rows.index(row) + 1 :, names.index(shelf)] = False
    for at, declared_shelf in enumerate(page.shelves):
        if declared_shelf.pinned:
            allowed[:, at] = np.array(rows) == declared_shelf.pinned
    return allowed


def _caps(page: ShelfPage) -> list[KindCap]:
    return [
        KindCap(label(rule), np.array([shelf.kind == rule.kind for shelf in page.shelves]), rule.most)
        for rule in page.rules
        if isinstance(rule, MostOfKind)
    ]
