"""What is garbage goes within a minute, also where too little of it comes for the collector to look."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator

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


def test_garbage_of_a_process_at_rest_goes(monkeypatch: pytest.MonkeyPatch, thresholds: None) -> None:
    monkeypatch.setattr(garbage, "REST_S", 0.05)
    garbage.collect_rarely()
    assert gc.get_threshold() == garbage.COLLECT_AFTER
    gone = weakref.ref(Cycle())
    end = time.monotonic() + 20
    while gone() is not None and time.monotonic() < end:
        time.sleep(0.01)
    assert gone() is None
