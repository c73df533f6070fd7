"""Lines for a terminal: sentences are broken at blanks where it is narrow, and names and numbers never."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator

import click
from rich.cells import cell_len

from reshelf.terminal.waiting import shown

PARTS = re.compile(r" *[^ ]+(?: [0-9.,]+%[,;.)]*)?")
"""Words with the blanks before them; a share stays with the name that it is of."""
NARROWEST = 40
"""Cells: nothing can be read on less."""


def tell(text: str, *, error: bool = False, hang: int = 0) -> None:
    """Print sentences, on standard error where they are an `error`; whole where there is no terminal.

    What is broken goes on where its line begins, or `hang` cells in.
    """
    shown()
    stream = sys.stderr if error else sys.stdout
    width = max(NARROWEST, shutil.get_terminal_size().columns) if stream.isatty() else 0
    click.echo("\n".join(wrapped(text, width, hang)), err=error)


def wrapped(text: str, width: int, hang: int = 0) -> Iterator[str]:
    """The lines of a text, none wider than `width` cells where its words are not; 0: as they are."""
    for line in text.split("\n"):
        if not width or cell_len(line) <= width:
            yield line
        else:
            yield from _broken(line, width, " " * max(hang, len(line) - len(line.lstrip(" "))))


def _broken(line: str, width: int, indent: str) -> Iterator[str]:
    current = ""
    for part in PARTS.findall(line):
        if current.strip() and cell_len(current + part) > width:
            yield current
            current = indent + part.lstrip(" ")
        else:
            current += part
    yield current
