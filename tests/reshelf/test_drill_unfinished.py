"""A drill whose servers are slow, or do not come back, waits, says so, and tells what it has."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

from reshelf.drill.faults.breaking import RESTARTS, Breaking
from reshelf.drill.plan import Fault, Kind
from reshelf.drill.report import Options, Report, as_json
from reshelf.drill.run import drill
from reshelf.drill.setup.environment import Broker, Environment
from reshelf.drill.setup.operator import Operator
from reshelf.drill.setup.stores import Store
from reshelf.drill.setup.workers import Workers
from reshelf.drill.traffic import Traffic
from reshelf.processes.children import ServerFailed
from reshelf.settings import Settings
from streams.settings import RedisSettings

KILLED = Fault(0.0, 0.0, Kind.REDIS_KILLED, 0)


class SlowStore(Store):
    """Comes up when it is started for the `needed`th time."""

    def __init__(self, needed: int) -> None:
        self.needed = needed
        self.waits: list[float] = []
        self.up = True

    @property
    def runs(self) -> bool:
        return self.up

    def settings(self, redis: RedisSettings) -> RedisSettings:
        return redis

    @contextlib.contextmanager
    def servers(self) -> Iterator[list[redis.Redis]]:
        yield []

    def read(self, names: Sequence[str]) -> list[Any]:
        return [None for _ in names]

    def start(self, wait_factor: float = 1.0) -> None:
        self.waits.append(wait_factor)
        self.up = len(self.waits) >= self.needed
        if not self.up:
            raise ServerFailed("Redis did not start on 127.0.0.1:1; its last words:\nLoading")

    def stop(self, *, kill: bool) -> None:
        self.up = False


@pytest.mark.parametrize("needed", [1, 2, RESTARTS, RESTARTS + 1])
def test_a_slow_restart_is_waited_for_and_told(needed: int, tmp_path: Path) -> None:
    store, report, said, healed = SlowStore(needed), Report(1), list[str](), list[Kind]()
    workers = Workers(Settings(), tmp_path, 0)
    environment = Environment(Settings(), Broker(None, tmp_path), store, workers, Operator(tmp_path))
    breaking = Breaking(environment, report, said.append, lambda kind, now: healed.append(kind))
    breaking.inject(KILLED, time.monotonic())
    with pytest.raises(ServerFailed) if needed > RESTARTS else contextlib.nullcontext():
        while breaking.heals:
            breaking.heal_due(time.monotonic() + 60)
    assert store.waits == [1, 2, 4, 8][:needed]
    assert healed == [KILLED.kind] * (needed <= RESTARTS)
    assert report.faults == {KILLED.kind.value: 1}
    assert sum("started again" in line for line in said) == min(needed, RESTARTS) - 1
    assert report.slow_restarts.total() == min(needed, RESTARTS) - 1


def test_what_cannot_go_on_is_reported_with_what_there_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("reshelf.drill.run.WARM_UP_S", 0.3)
    monkeypatch.setattr("reshelf.drill.run.apply", lambda kafka: None)
    monkeypatch.setattr("reshelf.drill.run._servers", lambda *_: (Broker(None, tmp_path), SlowStore(1)))
    monkeypatch.setattr(Broker, "start", lambda self: setattr(self, "address", "127.0.0.1:1"))
    monkeypatch.setattr(Workers, "open", lambda self: None)
    monkeypatch.setattr(Traffic, "open", lambda self: None)
    said: list[str] = []
    report = drill(Settings(), Options(1, 5.0, 7, 50.0, None), tmp_path, said.append)
    assert report.unfinished.startswith("the workers did not begin to work within 0 s (seed 7)")
    assert report.events and not report.equal
    assert as_json(report)["unfinished"] == report.unfinished
    assert said[-1].startswith("The drill cannot go on: the workers did not begin")
