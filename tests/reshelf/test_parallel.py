"""Work in processes of its own: in order, with one thread each, and ended at once when a part of it fails."""

from __future__ import annotations

import os
import time

import pytest

from reshelf.processes.parallel import THREADS, mapped


def threads(name: str) -> str | None:
    """What a process is told of its threads."""
    return os.environ.get(name)


def test_results_stand_in_the_order_of_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    assert mapped(abs, [-3, 2, -1, 0], 2, lambda: done.append(1)) == [3, 2, 1, 0]
    assert len(done) == 4
    monkeypatch.setenv(THREADS[0], "2")
    monkeypatch.delenv(THREADS[1])
    before = [os.environ.get(name) for name in THREADS]
    assert mapped(threads, THREADS, 1) == ["1"] * len(THREADS)
    assert [os.environ.get(name) for name in THREADS] == before


def test_what_fails_is_raised_and_ends_the_others() -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match="non-negative"):
        mapped(time.sleep, [300.0, -1.0], 2)
    assert time.monotonic() - began < 60.0
