"""How long brokers are asked to wait for data follows what came lately."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from streams.kafka import parsed
from streams.kafka.parsed import BRIEF_WAIT_MS, QUIET_WAIT_MS, FetchWait
from tests.streams.transport_worker import until

USUAL_MS = 100


def fetcher() -> Any:
    return SimpleNamespace(_fetch_max_wait_ms=USUAL_MS, _records={})


def test_only_fetches_until_the_data_is_read_are_brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsed, "BRIEF_S", 3600.0)

    async def waits() -> list[int]:
        reader = fetcher()
        wait = FetchWait(reader)
        steps = [reader._fetch_max_wait_ms]
        reader._records = {("clicks", 0): "data", ("clicks", 1): "data"}
        for left in ({("clicks", 1): "data"}, {}):
            wait.came()
            steps.append(reader._fetch_max_wait_ms)
            reader._records = left
            wait.read()
            steps.append(reader._fetch_max_wait_ms)
        return steps

    assert asyncio.run(waits()) == [USUAL_MS, BRIEF_WAIT_MS, BRIEF_WAIT_MS, BRIEF_WAIT_MS, USUAL_MS]


def test_data_that_nobody_reads_does_not_keep_fetches_brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsed, "BRIEF_S", 0.0)

    async def left() -> None:
        reader = fetcher()
        reader._records = {("paused", 0): "data"}
        FetchWait(reader).came()
        assert reader._fetch_max_wait_ms == BRIEF_WAIT_MS
        await until(lambda: reader._fetch_max_wait_ms == USUAL_MS)

    asyncio.run(left())


def test_a_quiet_log_is_asked_less_often_until_data_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsed, "QUIET_S", 0.0)

    async def quiet() -> None:
        reader = fetcher()
        wait = FetchWait(reader)
        await until(lambda: reader._fetch_max_wait_ms == QUIET_WAIT_MS)
        wait.came()
        wait.read()
        assert reader._fetch_max_wait_ms == USUAL_MS

    asyncio.run(quiet())


def test_a_wait_that_is_long_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsed, "QUIET_S", 0.0)

    async def patient() -> int:
        reader = fetcher()
        reader._fetch_max_wait_ms = 2 * QUIET_WAIT_MS
        FetchWait(reader)
        await asyncio.sleep(0.02)
        return int(reader._fetch_max_wait_ms)

    assert asyncio.run(patient()) == 2 * QUIET_WAIT_MS
