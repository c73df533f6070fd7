"""What the end of a test run says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.conftest import pytest_terminal_summary


class _Terminal:
    def __init__(self, reasons: list[str]) -> None:
        skipped = [SimpleNamespace(longrepr=("test_one.py", 3, f"Skipped: {reason}")) for reason in reasons]
        self.stats: dict[str, Any] = {"skipped": skipped} if reasons else {}
        self.said: list[str] = []

    def section(self, title: str) -> None:
        self.said.append(title)

    def line(self, text: str) -> None:
        self.said.append(text)


def test_each_part_that_is_missing_is_named_with_its_tests() -> None:
    terminal = _Terminal(["wrk is not installed", "promtool is not installed", "wrk is not installed"])
    pytest_terminal_summary(terminal)
    assert terminal.said == [
        "skipped for a missing part", "1 tests: promtool is not installed", "2 tests: wrk is not installed",
    ]  # fmt: skip
    whole = _Terminal([])
    pytest_terminal_summary(whole)
    assert whole.said == []
