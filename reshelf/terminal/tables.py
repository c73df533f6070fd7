"""Tables for a terminal: names stand whole, so that they can be copied into the next command."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Column, Table
from rich.text import Text

WIDE = 1_000
"""The width where there is no terminal: nothing is cut off."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]], spare: int = 0) -> Table:
    """One line a row; where the terminal is narrow, the last `spare` columns are cut off, and never another."""
    whole = len(head) - spare
    columns = [
        Column(name, no_wrap=True, min_width=max(map(cell_len, (name, *(row[at] for row in rows)))))
        for at, name in enumerate(head[:whole])
    ]
    grid = Table(*columns, *head[whole:], box=None)
    for row in rows:
        grid.add_row(*row[:whole], *(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row[whole:]))
    return grid


def show(what: RenderableType) -> None:
    """Print it, as wide as the terminal; whole where there is none."""
    Console(highlight=False, width=None if sys.stdout.isatty() else WIDE).print(what)
