"""`reshelf bench pipeline`, `stages` and the peers' sink, small, on real servers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from redis import Redis

from bench.events.log import impressions
from bench.peers.sink import WRITTEN, Sink
from reshelf.cli.main import cli
from streams.fold.fast.path import BUILT
from streams.settings import FoldSettings, RedisSettings
from streams.state.keys import GroupKeys


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(cli, ["bench", *arguments, "--broker", "embedded", "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_pipeline_counts_a_bare_loop_and_itself() -> None:
    told = run("pipeline", "--events", "3000", "--rounds", "1", "--slots", "1", "--peers", "none", "--workers", "1")
    (found,) = told["pipeline"]
    assert told["broker"] == "embedded" and told["machine"]
    assert found["events"] == 3_000 and found["slots"] == 1 and found["bytes_per_event"] > 150
    assert told["slot_impressions_per_s"] == found["events_per_s"] == found["rates"]["reshelf"] > 0


def test_stages_have_a_cost_each() -> None:
    (found,) = run("stages", "--slots", "2", "--events", "4000")["events"]
    costs = {one["name"]: one["us"] for one in found["stages"]}
    assert ("decode to fold, compiled" in costs) == BUILT
    assert {"fetch", "decode, in Python", "encode", "script"} <= costs.keys()
    assert all(cost > 0 for cost in costs.values())


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
