"""The order of a test run, and what its end says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import dealt, pytest_terminal_summary


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


@given(st.lists(st.booleans(), max_size=60), st.integers(2, 5))
def test_each_process_begins_with_as_many_long_tests(long: list[bool], hands: int) -> None:
    order = dealt(range(len(long)), long, hands)
    assert sorted(order) == list(range(len(long)))
    assert [at for at in order if not long[at]] == [at for at, is_long in enumerate(long) if not is_long]
    counts, rest = [], order
    for hand in range(hands):
        run, rest = rest[: len(rest) // (hands - hand)], rest[len(rest) // (hands - hand) :]
        head = [long[at] for at in run]
        assert head == sorted(head, reverse=True)
        counts.append(sum(head))
    if 2 * sum(long) < len(long):
        assert max(counts) - min(counts) <= 1
