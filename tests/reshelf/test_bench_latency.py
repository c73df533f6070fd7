"""`reshelf bench latency`: what counts as seen, the clock of the stream, and a small run of it all."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner
from confluent_kafka.admin import AdminClient
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from bench.cli.latency import latency
from bench.latency.counted import TOPICS, Progress
from bench.latency.delays import (
    DEFERRED,
    STAGES,
    Asked,
    Decision,
    Deferral,
    Observations,
    Outcome,
    SentEvent,
    Sighting,
    Window,
    outcomes,
    summary,
)
from bench.latency.history import write_history
from bench.latency.slow import slowed
from bench.latency.traffic import BURST, Pace, Shop
from bench.latency.worker import Reading
from reshelf.cli.front import Front
from reshelf.cli.main import cli
from reshelf.processes.children import processor_s
from reshelf.settings import Settings
from schemas.errors import ReshelfError
from streams.catalog.page import Key
from streams.fold.deltas import WHOLE_PAGE, Traffic
from streams.layouts.clock import Decided
from streams.settings import FoldSettings, RedisSettings
from streams.state.keys import group_of
from streams.state.manifest import manifest_of
from streams.state.reader import StateReader
from tests.all_tests import if_all
from tests.reshelf.environments import use_servers

HOME, CART = Key("home", "new"), Key("cart", "new")


def sighting(at: float, *positions: int) -> Sighting:
    return Sighting(at, round(at * 1000), positions)


def decision(at: float, *positions: int, changed: bool = True) -> Decision:
    """Taken 30 ms before it was done, read after 10 ms and composed after 20."""
    return Decision(positions, changed, at - 0.03, at - 0.02, at - 0.01, at)


def test_a_click_counts_from_its_sending_to_the_first_layout_past_its_offset() -> None:
    clicks = [SentEvent(HOME, 1, 7, 10.0), SentEvent(HOME, 0, 7, 10.0)]
    positions = [(9.0, 7, 6), (10.1, 7, 7), (10.2, 8, 7), (10.4, 9, 8)]
    seen = Observations(
        [], [decision(*one) for one in positions], [sighting(at + 0.05, *places) for at, *places in positions]
    )
    assert [one.delay_s for one in outcomes(clicks, {HOME: seen}, 5.0)] == pytest.approx([0.45, 0.25])


def test_a_click_that_only_other_layouts_or_late_ones_reflect_is_not_seen() -> None:
    clicks = [SentEvent(HOME, 0, 7, 10.0), SentEvent(CART, 0, 7, 10.0), SentEvent(CART, 3, 7, 10.0)]
    seen = {CART: Observations([], [decision(15.4, 8)], [sighting(15.5, 8)])}
    assert outcomes(clicks, seen, 5.0) == [Outcome(True, math.inf)] * 3
    assert outcomes(clicks[1:2], {CART: Observations([], [decision(10.1, 8)])}, 5.0) == [Outcome(True, math.inf)]


def test_a_click_whose_layout_was_decided_to_stay_is_told_apart() -> None:
    seen = Observations([], [decision(10.2, 8, changed=False), decision(11.0, 9)], [sighting(11.1, 9)])
    (one,) = outcomes([SentEvent(HOME, 0, 7, 10.0)], {HOME: seen}, 5.0)
    assert not one.changed
    assert one.delay_s == pytest.approx(0.2)
    (late,) = outcomes([SentEvent(HOME, 0, 7, 10.0)], {HOME: seen}, 0.1)
    assert late == Outcome(True, math.inf)


def test_stages_of_a_click_add_up_to_its_delay() -> None:
    click, made = SentEvent(HOME, 0, 7, 10.0), [decision(10.2, 8)]
    for asked, first in (([9.0, 10.1, 10.15], 0.1), ([9.0], 0.17), ([10.18], 0.17)):
        requests = [Asked(at, offset, offset + 1) for offset, at in enumerate(asked)]
        (one,) = outcomes([click], {HOME: Observations(requests, made, [sighting(10.25, 8)])}, 5.0)
        assert one.stages == pytest.approx([first, 0.17 - first, 0.01, 0.01, 0.06])
        assert sum(one.stages) == pytest.approx(one.delay_s)


def test_a_click_whose_request_was_too_little_for_a_layout_is_deferred() -> None:
    clicks = [SentEvent(HOME, 0, offset, 10.0 + offset) for offset in range(3)]
    asked = [Asked(10.0 + at + 0.1, 70 + at, at + 1) for at in range(3)]
    seen = Observations(asked, [decision(11.2, 2)], [sighting(11.25, 2)], frozenset({70, 72}))
    first, second, third = outcomes(clicks, {HOME: seen}, 5.0)
    assert first is third is DEFERRED
    assert second.delay_s == pytest.approx(0.25)
    counted = summary(100, [Window(1.0, [first, second, third], 1.0, 1.0, 1.0)], 5.0)
    assert (counted.clicks, counted.deferred, counted.unchanged, counted.unseen) == (3, 2, 0, 0)
    assert counted.p99_ms == 250.0


def test_a_click_goes_with_the_request_that_counts_it() -> None:
    """When the second click was sent, the request of the first was under way, and that was put off."""
    clicks = [SentEvent(HOME, 0, at, 10.0 + 0.05 * at, at) for at in range(2)]
    asked = [Asked(10.06, 70, 1), Asked(10.12, 71, 2)]
    seen = Observations(asked, [decision(10.2, 2)], [sighting(10.25, 2)], frozenset({70}))
    first, second = outcomes(clicks, {HOME: seen}, 5.0)
    assert first is DEFERRED
    assert second.delay_s == pytest.approx(0.2)
    assert second.stages[0] == pytest.approx(0.07)


def test_a_click_that_another_layout_took_in_before_its_request_is_not_deferred() -> None:
    seen = Observations([Asked(10.1, 70, 1)], [decision(10.09, 1)], [sighting(10.11, 1)], frozenset({70}))
    (one,) = outcomes([SentEvent(HOME, 0, 0, 10.0, 0)], {HOME: seen}, 5.0)
    assert one.delay_s == pytest.approx(0.11)


def test_an_event_is_counted_when_its_key_and_its_page_are() -> None:
    settings = Settings().changed(kafka={"partitions": 2}, redis={"groups": 3})
    progress, key = Progress(settings), Key("home", "new")
    of_key, of_page = (group_of("home", segment, 3) for segment in ("new", WHOLE_PAGE))
    assert of_key != of_page
    assert not progress.counts("clicks", [SentEvent(key, 1, 4, 10.0)])
    for at, key_offset, page_offset in ((10.1, 4, 4), (10.2, 5, 4), (10.3, 5, 6)):
        offsets = [b"99"] * 12
        clicks = list(TOPICS).index("clicks")
        offsets[(clicks * 2 + 1) * 3 + of_key] = b"%d" % key_offset
        offsets[(clicks * 2 + 1) * 3 + of_page] = b"%d" % page_offset
        progress.note(at, offsets)
    events = [SentEvent(key, 1, offset, 10.0) for offset in (3, 4, 5)]
    assert progress.delays("clicks", events) == [pytest.approx(0.1), pytest.approx(0.3), math.inf]
    assert progress.counts("clicks", events[:2]) and not progress.counts("clicks", events)
    progress.forget()
    assert progress.delays("clicks", events[:1]) == [pytest.approx(0.3)]


def test_a_slowed_process_has_its_share_of_the_time_and_runs_on_afterwards(tmp_path: Path) -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with slowed([busy.pid], 0.3, tmp_path / "log"):
            time.sleep(0.3)
            begin, before = time.perf_counter(), processor_s(busy.pid)
            time.sleep(0.7)
            share = (processor_s(busy.pid) - before) / (time.perf_counter() - begin)
        assert 0.02 < share < 0.45
        assert wait_until_runs(busy.pid)
    finally:
        busy.kill()
        busy.wait()


def wait_until_runs(pid: int) -> bool:
    until = time.monotonic() + 5
    while (state := Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]) == "T":
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return state in "RS"


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=20), st.integers(0, 50))
def test_what_becomes_of_a_click_is_found_as_by_looking_at_each(made: list[tuple[int, bool]], offset: int) -> None:
    """Positions may fall back, as they do when Redis loses writes."""
    made_at = [(10.1 + number, position, changed) for number, (position, changed) in enumerate(made)]
    seen = Observations(
        [],
        [decision(at, position, changed=changed) for at, position, changed in made_at],
        [sighting(at, position) for at, position, changed in made_at if changed],
    )
    first = next(((at, changed) for at, position, changed in made_at if position > offset), None)
    (one,) = outcomes([SentEvent(HOME, 0, offset, 10.0)], {HOME: seen}, math.inf)
    at, changed = (math.inf, True) if first is None else first
    assert one.changed is changed
    assert one.delay_s == pytest.approx(at - 10.0)


def test_a_worker_is_read_a_line_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "decided"
    made = Decided(HOME, {"events-clicks": [3, 4]}, "unchanged", 1000.0, 2000.0, 3000.0, 4000.0)
    line = msgspec.json.encode(made) + b"\n"
    file.write_bytes(line + line[:9])
    reading = Reading(file)
    assert reading.more() == [(HOME, Decision([3, 4], False, 1.0, 2.0, 3.0, 4.0))]
    assert reading.more() == []
    file.write_bytes(line + line)
    assert len(reading.more()) == 1
    deferred = Decided(HOME, {}, "deferred", 1.0, 1.0, 1.0, 1.0, 7)
    file.write_bytes(2 * line + msgspec.json.encode(deferred) + b"\n")
    assert reading.more() == [(HOME, Deferral(7))]


def window(reached: float, delays: list[float], unchanged: list[float], cpu: float) -> Window:
    clicks = [Outcome(True, one, [one / 5] * 5 if one < math.inf else ()) for one in delays]
    return Window(reached, [*clicks, *(Outcome(False, one, [one / 4] * 4) for one in unchanged)], 40.0, cpu, 20.0)


def test_a_summary_has_medians_of_rounds_and_counts_the_unseen_at_the_limit() -> None:
    windows = [
        window(100.0, [0.1] * 9 + [math.inf], [0.5], 10.0),
        window(98.0, [0.2], [], 30.0),
        window(99.0, [0.3], [0.7], 20.0),
    ]
    found = summary(100, windows, 5.0)
    assert (found.p50_ms, found.max_ms, found.clicks, found.unseen, found.rounds) == (200.0, 5_000.0, 14, 1, 3)
    assert (found.unchanged, found.unchanged_p50_ms, found.unchanged_p99_ms) == (2, 600.0, 600.0)
    assert (found.reached_per_s, found.learner_cpu, found.layouts_cpu) == (99.0, 20.0, 20.0)
    assert found.composed_per_s == 40.0
    assert found.stages_ms["received"] == pytest.approx([20.0, 58.0])
    with pytest.raises(ReshelfError, match="no click"):
        summary(100, [window(1.0, [], [0.1], 0.0)], 5.0)


@given(st.floats(1, 50_000), st.lists(st.floats(0, 0.5), max_size=50))
def test_the_pace_never_runs_ahead_and_forgets_nothing(rate: float, steps: list[float]) -> None:
    pace, now = Pace(rate, 5.0), 5.0
    for step in steps:
        now += step
        assert 0 <= pace.take(now) <= BURST
        assert pace.done <= (now - 5.0) * rate
    while pace.take(now):
        pass
    assert pace.done == int((now - 5.0) * rate)


def test_a_shop_declares_what_was_asked_for() -> None:
    shop = Shop(2, 3, 20, 4, 8)
    rules = shop.rules("page-001")
    assert len(set(shop.keys())) == 6
    assert (len(rules.slots), len(rules.candidates.items), rules.policy.variants) == (4, 20, 8)


def test_a_shop_has_the_page_views_that_were_asked_for_before(redis: Redis, redis_url: str) -> None:
    settings, shop = RedisSettings(url=redis_url, namespace="before"), Shop(2, 3, 20, 4, 8)
    write_history(settings, shop, 500)
    keys = shop.keys()
    manifest = manifest_of("before", "", {"events-clicks": [0]}, settings.groups, FoldSettings())
    redis.set("reshelf:{before}:manifest", msgspec.json.encode(manifest))

    async def read() -> None:
        async with AsyncRedis.from_url(redis_url) as client:
            reader = await StateReader.open(client, "before")
            assert await reader.keys() == set(keys)
            for key in keys:
                tables = (await reader.read(*key)).tables
                assert {table.traffic for table in tables} == {Traffic.LEARNED, Traffic.HOLDOUT}
                seen, clicks = (
                    sum(int(table.counts[name].sum()) for table in tables) for name in ("impressions", "clicks")
                )
                assert seen == pytest.approx(500 * 4, rel=0.2)
                assert clicks == pytest.approx(0.05 * seen, rel=0.6)

    asyncio.run(read())


@pytest.mark.long
@if_all
def test_each_rate_is_measured_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, broker: str, redis: Redis, redis_url: str, prefix: str
) -> None:
    use_servers(monkeypatch, broker, redis_url, prefix)
    sizes = ["--pages", "2", "--segments", "2", "--items", "20", "--slots", "3", "--variants", "4"]
    times = ["--rate", "100", "--rate", "300", "--seconds", "1", "--warm-up", "0.3", "--rounds", "1"]
    front = Front(click.Context(cli), json=True)
    done = CliRunner().invoke(latency, [*sizes, *times], obj=front, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    answer = json.loads(done.output)
    assert answer["machine"] and answer["broker"] == broker
    assert [row["events_per_s"] for row in answer["rates"]] == [100, 300]
    for row in answer["rates"]:
        assert row["reached_per_s"] == pytest.approx(row["events_per_s"], rel=0.5)
        assert 0 < row["p50_ms"] <= row["p99_ms"] <= row["max_ms"] <= 5_000
        assert row["clicks"] >= 4 and 2 * row["unseen"] <= row["clicks"] and row["unchanged"] < row["clicks"]
        assert list(row["stages_ms"]) == list(STAGES) and row["composed_per_s"] > 0
        assert row["learner_cpu"] > 0 and row["layouts_cpu"] > 0
        for p50, p99 in (row["counted_ms"][kind] for kind in ("clicks", "impressions")):
            assert 0 < p50 <= p99 <= 5_000
    assert not list(redis.scan_iter("*bench-latency*"))
    left = AdminClient({"bootstrap.servers": broker}).list_topics(timeout=10).topics
    assert not [name for name in left if name.startswith(f"{prefix}bench-latency")]
