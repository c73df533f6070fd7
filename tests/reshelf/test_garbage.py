"""Memory that nobody needs goes back, also where too little of it comes for the collector to look."""

from __future__ import annotations

import gc
import platform
import resource
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reshelf.processes import garbage


class Cycle:
    """An object that keeps itself."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize("lived", [None, 0, 1])
def test_garbage_of_a_process_at_rest_goes_however_long_it_lived(
    monkeypatch: pytest.MonkeyPatch, thresholds: None, lived: int | None
) -> None:
    """`lived` is the oldest generation that the object lived through."""
    monkeypatch.setattr(garbage, "REST_S", 0.05)
    monkeypatch.setattr(garbage, "FULL_EVERY", 2)
    garbage.collect_rarely()
    assert gc.get_threshold() == garbage.COLLECT_AFTER
    cycle = Cycle()
    if lived is not None:
        gc.collect(lived)
    gone = weakref.ref(cycle)
    del cycle
    assert eventually(lambda: gone() is None)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries give memory back by themselves")
def test_what_is_free_below_what_is_in_use_goes_back_to_the_machine(
    monkeypatch: pytest.MonkeyPatch, thresholds: None
) -> None:
    before = own_memory()
    blocks = [bytes(4_000) for _ in range(20_000)]
    taken_up = own_memory() - before
    # Not the last one: it may lie in a gap below others, in a process that has lived for long.
    blocks = [max(blocks, key=id)]
    assert own_memory() - before > taken_up // 2, "the last block keeps what is below it"
    monkeypatch.setattr(garbage, "REST_S", 0.05)
    garbage.collect_rarely()
    assert eventually(lambda: own_memory() - before < taken_up // 4)


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it holds after a while."""
    end = time.monotonic() + 20
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def own_memory() -> int:
    """Bytes of the process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
