"""The command reference is that of the commands."""

from __future__ import annotations

from pathlib import Path

from reshelf.reference import written

FILE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_reference_is_what_the_commands_say() -> None:
    assert FILE.read_text(encoding="utf-8") == written(), "write it anew with `make docs`"
