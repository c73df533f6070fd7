"""`reshelf bench pipeline`, `stages` and the peers' sink, small, on real servers."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from bench.events.fold_paths import Ratios, measure_paths, worst_of
from bench.events.log import impressions
from bench.events.signals import SignalRates, clicks, purchases, signals
from bench.peers import PEERS
from bench.peers.sink import WRITTEN, Sink
from reshelf.cli.main import cli
from reshelf.processes.children import process, tail
from reshelf.settings import Settings, as_environment
from schemas.topics import IMPRESSIONS
from streams.fold.fast.path import BUILT
from streams.settings import FoldSettings, RedisSettings
from streams.state import export
from streams.state.keys import GroupKeys
from streams.state.manifest import manifest_of
from streams.state.store import Store
from tests.all_tests import if_all
from tests.conftest import MakeTopics
from tests.delivery import flush


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(cli, ["bench", *arguments, "--broker", "embedded", "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@if_all
def test_pipeline_counts_a_bare_loop_and_itself() -> None:
    small = ("--events", "3000", "--rounds", "1", "--slots", "1", "--signals", "3000")
    told = run("pipeline", *small, "--peers", "none", "--workers", "1")
    (found,) = told["pipeline"]
    assert told["broker"] == "embedded" and told["machine"]
    assert found["events"] == 3_000 and found["slots"] == 1 and found["bytes_per_event"] > 150
    assert told["slot_impressions_per_s"] == found["events_per_s"] == found["rates"]["reshelf"] > 0
    rates = told["signals"]
    assert rates["events"] == 3_000
    assert min(rates[f"{name}_per_s"] for name in ("impressions", "credits", "signals", "purchases", "bound")) > 0
    assert len(rates["processor_us"]) == 5
    assert told["signals_ratio"] == min(told["credits_ratio"], told["attribution_ratio"])
    assert told["purchases_ratio"] == pytest.approx(rates["purchases_per_s"] / rates["impressions_per_s"], abs=1e-3)


def test_the_ratio_of_signals_is_that_of_the_slower_step() -> None:
    ratios = SignalRates(10, 1_000, credits_per_s=500, signals_per_s=100, purchases_per_s=50, bound_per_s=400).ratios()
    assert ratios == {
        "signals_ratio": 0.1,
        "credits_ratio": 0.5,
        "attribution_ratio": 0.1,
        "purchases_ratio": 0.05,
        "signals_bound_ratio": 0.4,
    }
    assert SignalRates(10, 1_000, 50, 100, 50, 400).ratios()["signals_ratio"] == 0.05


def test_most_signals_and_purchases_follow_a_click_of_their_own() -> None:
    clicked = {(click.unit, click.item) for click in clicks(500)}
    units = {unit for unit, _ in clicked}
    sent, bought = list(signals(500)), list(purchases(500))
    assert {signal.unit for signal in sent} == units
    assert 0.8 < sum((signal.unit, signal.item) in clicked for signal in sent) / 500 < 1.0
    assert [(order.unit, order.lines[0].item) for order in bought] == [(signal.unit, signal.item) for signal in sent]


def test_stages_have_a_cost_each() -> None:
    answer = run("stages", "--slots", "2", "--events", "4000")
    (found,) = answer["events"]
    costs = {one["name"]: one["us"] for one in found["stages"]}
    assert ("decode to fold, compiled" in costs) == BUILT
    assert {"fetch", "decode, in Python", "encode", "script"} <= costs.keys()
    assert all(cost > 0 for cost in costs.values())
    for name in ("unicode_ratio", "escaped_ratio"):
        assert answer[name] == found[name]
        # In Python such an event costs over ten times a plain one that is compiled.
        assert (0.5 < found[name] < 1.5) if BUILT else found[name] is None


def test_ratios_of_the_fold_are_null_where_it_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.events.fold_paths.BUILT", False)
    none = measure_paths(Settings(), 100, 1)
    assert none == worst_of([none, none]) == Ratios(None, None)
    assert worst_of([Ratios(0.9, 1.0), Ratios(0.95, 0.8)]) == Ratios(0.9, 0.8)


@pytest.mark.parametrize("overlapped", [True, False])
def test_a_peer_writes_the_counts(redis: Redis, redis_url: str, overlapped: bool) -> None:
    redis.flushall()
    sink = Sink(RedisSettings(url=redis_url, namespace="peer"), FoldSettings())
    events = list(impressions(300, 3, 1))
    for at in range(0, 300, 100):
        if overlapped:
            sink.settle()
            sink.send(events[at : at + 100])
        else:
            sink.add(events[at : at + 100])
    sink.settle()
    stored = redis.get(GroupKeys("peer", 0).watermark(WRITTEN))
    assert isinstance(stored, bytes) and stored.startswith(b"300:")


@pytest.mark.skipif(not PEERS["pathway"].installed, reason="Pathway is not installed: `make bench` does that")
@pytest.mark.parametrize("name", ["pathway", "pathway_unique"])
def test_pathway_counts_what_the_other_peers_do(
    name: str, broker: str, redis: Redis, redis_url: str, prefix: str, make_topics: MakeTopics, tmp_path: Path
) -> None:
    redis.flushall()
    make_topics(broker, 2, (IMPRESSIONS.name,))
    settings = Settings().changed(kafka={"bootstrap": broker, "prefix": prefix, "partitions": 2})
    settings = settings.changed(redis={"url": redis_url, "namespace": "flow"})
    once = list(impressions(300, 3, 1))
    sent, counted = [*once, *once[:100]], once if PEERS[name].function == "run_unique" else [*once, *once[:100]]
    producer = Producer({"bootstrap.servers": broker})
    for event in sent:
        producer.produce(prefix + IMPRESSIONS.name, msgspec.json.encode(event), event.unit.encode())
    flush(producer)
    sink = Sink(settings.redis.changed(namespace="sink"), settings.fold)
    sink.add(counted)
    command, log = [sys.executable, "-m", "bench.peers", name, "150"], tmp_path / "log"
    with process(command, log, as_environment(settings)) as flow:
        until = time.monotonic() + 120
        while (rows := _rows(settings, "flow")) != _rows(settings, "sink"):
            assert flow.poll() is None and time.monotonic() < until, tail(log)
            time.sleep(0.1)
    assert sum(row[-2] for row in rows if row[0] == "cell") == 3 * len(counted)


def _rows(settings: Settings, namespace: str) -> list[list[Any]]:
    """The canonical export of a peer's state, which is in one group."""

    async def read() -> list[list[Any]]:
        async with AsyncRedis.from_url(settings.redis.url) as client:
            manifest = manifest_of(namespace, "", {IMPRESSIONS.name: [0]}, 1, settings.fold)
            return await export.rows(Store(client, namespace, 1), manifest)

    return asyncio.run(read())
