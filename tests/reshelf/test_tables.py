"""Tables on a terminal: whole names, one line a row, and money as people read it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from reshelf.terminal.tables import show, table

ROWS = [("four-season-sleeping-bag-0001", "1,234", "home-1 25 %, home-2 50 %", "pinned by summer sale")] * 3


def test_names_stand_whole_on_a_narrow_terminal() -> None:
    drawn = io.StringIO()
    Console(file=drawn, width=60).print(table(("item", "seen", "slots", "rules"), ROWS, spare=2))
    lines = drawn.getvalue().splitlines()
    assert len(lines) == 1 + len(ROWS)
    assert all(len(line) <= 60 for line in lines)
    assert all("four-season-sleeping-bag-0001  1,234  home-1" in line for line in lines[1:])


def test_nothing_is_cut_off_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    show(table(("item", "seen", "slots", "rules"), ROWS, spare=2))
    assert capsys.readouterr().out.count("pinned by summer sale") == len(ROWS)
