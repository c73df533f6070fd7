"""Whether rules for shelves hold: which do not, and in how many slates."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from policy.arrays import EMPTY, Codes
from policy.pages.compiled import CompiledPage, Floor
from policy.pages.rules import NotAbove, NotBelow, label
from policy.rules.kinds.exposure import ROUNDING


def broken(page: CompiledPage, rows: Codes) -> Iterator[tuple[str, int]]:
    """Rules that shelves in rows, int32[V, R], do not obey, with the number of slates; and rows that are left out."""
    names = page.page.shelf_names
    counts = [
        (f"pin {names[shelf]}", int((rows[:, row] != shelf).sum()))
        for row, shelf in enumerate(page.pins)
        if shelf != EMPTY
    ]
    for rule in page.page.rules:
        match rule:
            case NotAbove(shelf=shelf, row=row):
                there = rows[:, : page.page.row_names.index(row)]
            case NotBelow(shelf=shelf, row=row):
                there = rows[:, page.page.row_names.index(row) + 1 :]
            case _:
                continue
        counts.append((label(rule), int((there == names.index(shelf)).any(axis=1).sum())))
    for cap in page.caps:
        count = (np.append(cap.shelves, False)[rows]).sum(axis=1)
        counts.append((cap.label, int((count > cap.most).sum())))
    counts += [(floor.label, count) for floor, count in lacking(page, rows)]
    counts += [
        (f"row {name}", int((rows[:, row] == EMPTY).sum()))
        for row, name in enumerate(page.page.row_names)
        if page.declared[row].any()
    ]
    return ((rule, count) for rule, count in counts if count)


def lacking(page: CompiledPage, rows: Codes, fixed: Codes | None = None) -> Iterator[tuple[Floor, int]]:
    """Floors that do not hold in rows, int32[V, R], with the number of slates that lack the shelf.

    What is `fixed` [V, R] will be there.
    """
    for floor in page.floors:
        has = (rows == floor.shelf).any(axis=1)
        if fixed is not None:
            has |= (fixed == floor.shelf).any(axis=1)
        count = math.ceil(floor.least * len(rows) - ROUNDING) - int(has.sum())
        if count > 0:
            yield floor, count
