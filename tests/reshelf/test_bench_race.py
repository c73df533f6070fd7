"""How a contender of the benchmarks is timed, whatever the speed of the machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bench.events import race
from bench.events.race import OURS
from reshelf.settings import Settings


class Server:
    """A Redis whose watermark stands at one of these numbers at each look."""

    def __init__(self, *looks: int) -> None:
        self._looks = iter(looks)

    def mget(self, names: list[str]) -> list[bytes]:
        return [f"{next(self._looks)}:0:-1:0".encode()]

    def info(self, section: str) -> dict[str, float]:
        return {"used_cpu_user": 1.0, "used_cpu_sys": 0.5}


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    yield [child]
    child.kill()
    child.communicate()


@pytest.mark.parametrize(("looks", "timed"), [((0, 3_000), 3_000), ((3_000,), 3_000), ((0, 1_000, 3_000), 2_000)])
def test_a_log_that_is_written_at_the_first_look_is_timed_from_the_start(
    looks: tuple[int, ...], timed: int, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And any other one from the first look that sees some of it; looks that are not listed would raise."""
    server: Any = Server(*looks)
    clock = iter(range(100))
    times = SimpleNamespace(perf_counter=lambda: float(next(clock)), sleep=lambda seconds: None)
    monkeypatch.setattr(race, "time", times)
    timing = race._watched(server, OURS, Settings(), processes, 3_000, 60.0)
    seconds = len(looks) if timed == 3_000 else 1
    assert timing.events_per_s == timed / seconds
