"""Tables for a terminal: names and numbers stand whole, so that they can be copied into the next command."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Column, Table
from rich.text import Text

from reshelf.terminal.waiting import shown

WIDE = 1_000
"""The width where there is no terminal: nothing is cut off."""
LEAST_SPARE = 6
"""Cells of a column that may be cut off: with less there is nothing to read in it."""


class FittingTable(Table):
    """A table whose rows become a few lines each where the terminal is too narrow for its columns."""

    def __init__(self, columns: Sequence[Column | str], least: int, head: Sequence[str], rows: Rows) -> None:
        super().__init__(*columns, box=None)
        self._least, self._head, self._cells = least, head, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._least <= options.max_width:
            yield from super().__rich_console__(console, options)
        else:
            for row in self._cells:
                yield from (Text(line, no_wrap=True) for line in stacked(self._head, row, options.max_width))


Rows = Sequence[Sequence[str]]


def table(head: Sequence[str], rows: Rows, spare: int = 0) -> FittingTable:
    """One line a row; where the terminal is narrow, the last `spare` columns are cut off, and never another."""
    whole = len(head) - spare
    widths = [max(map(cell_len, (name, *(row[at] for row in rows)))) for at, name in enumerate(head)]
    columns = [Column(name, no_wrap=True, min_width=width) for name, width in zip(head[:whole], widths, strict=False)]
    least = sum(widths[:whole]) + sum(min(LEAST_SPARE, width) for width in widths[whole:]) + 2 * len(head)
    grid = FittingTable([*columns, *head[whole:]], least, head, rows)
    for row in rows:
        grid.add_row(*row[:whole], *(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row[whole:]))
    return grid


def stacked(head: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    """A row on lines of its own: what it is about, then its other cells by name, as many in a line as fit."""
    yield f" {row[0]}"
    named = (f"{name} {cell}".strip() for name, cell in zip(head[1:], row[1:], strict=True) if cell)
    indent = " " * (3 + len(row[0]) - len(row[0].lstrip()))
    yield from _packed(named, indent, width)


def _packed(parts: Iterable[str], indent: str, width: int) -> Iterator[str]:
    line = ""
    for part in parts:
        if line and cell_len(f"{line}, {part}") >= width:
            yield f"{line},"
            line = ""
        line = f"{line}, {part}" if line else f"{indent}{part}"
    if line:
        yield line


def show(what: RenderableType) -> None:
    """Print it, as wide as the terminal; whole where there is none."""
    shown()
    Console(highlight=False, width=None if sys.stdout.isatty() else WIDE).print(what)
