"""The fault drill: its plan, its books, and one of everything on real servers."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from reshelf.cli.main import run
from reshelf.drill.faults.clock import OFF_S, check_clocks
from reshelf.drill.faults.partitions import READERS as GROWN
from reshelf.drill.fuzz import check_hostile_records
from reshelf.drill.plan import WORKER_KINDS, Kind, plan
from reshelf.drill.report import Options
from reshelf.drill.run import FLAT, drill
from reshelf.drill.samples import Sample, Samples
from reshelf.drill.setup.clock import work
from reshelf.drill.setup.workers import Member, Workers
from reshelf.drill.slow import slow_redis
from reshelf.drill.traffic import Traffic
from reshelf.drill.verify import (
    LAYOUT_TTL_MS,
    Logged,
    check_acknowledged,
    check_conversions,
    check_layouts,
    compare,
)
from reshelf.drill.watch import DECIDED, READERS
from reshelf.settings import Settings
from schemas.codec import encode_key
from schemas.messages.events import Click, Conversion, Purchase, PurchaseLine, Signal
from schemas.messages.layouts import Layout, LayoutLife
from schemas.topics import (
    CLICKS,
    CONVERSIONS,
    CREDITS,
    EVENT_TOPICS,
    IMPRESSIONS,
    LAYOUT_LIVES,
    LAYOUTS,
    PURCHASES,
    RETURNS,
    SIGNALS,
)
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings, KafkaSettings
from tests.all_tests import ALL_TESTS, if_all
from tests.drills import describe


@given(st.integers(0, 1_000), st.integers(1, 60), st.floats(10, 1_000))
def test_a_plan_is_a_function_of_its_seed(seed: int, kills: int, seconds: float) -> None:
    faults = plan(seed, kills, seconds, 6.0)
    assert faults == plan(seed, kills, seconds, 6.0)
    assert len(faults) == kills
    assert all(0 <= one.at <= seconds for one in faults)
    assert [one.at for one in faults] == sorted(one.at for one in faults)


@given(st.integers(0, 1_000))
def test_every_kind_occurs_before_any_occurs_again(seed: int) -> None:
    kinds = [fault.kind for fault in plan(seed, 2 * len(Kind), 100.0, 6.0)]
    assert set(kinds[: len(Kind)]) == set(kinds[len(Kind) :]) == set(Kind)


def test_what_lacks_is_lost_and_what_is_too_much_is_double() -> None:
    expected = [("cell", "p", "s", 0, 1, 0, "i", "top", 7, 1), ("tally", "clicks", 0, "applied", 9)]
    got = [("cell", "p", "s", 0, 1, 0, "i", "top", 5, 1), ("tally", "clicks", 0, "applied", 10)]
    found = compare("rows", expected, got)
    assert (found.lost, found.double, found.equal) == (2, 1, False)
    assert compare("rows", expected, expected).equal
    gone = compare("rows", expected, got[1:])
    assert (gone.lost, gone.double) == (7, 1)


def test_counts_that_differ_behind_the_first_are_found() -> None:
    assert not compare(
        "rows", [("cell", "p", "s", 0, 1, 0, "i", "top", 7, 1)], [("cell", "p", "s", 0, 1, 0, "i", "top", 7, 2)]
    ).equal


def test_an_acknowledged_event_that_is_not_in_the_log_is_lost() -> None:
    log = {TopicPartition(CLICKS.name, 0): [Logged(0, 1, b"u", b'{"event_id":"a","unit":"u"}', ())]}
    assert check_acknowledged(log, {"a"}).equal
    assert check_acknowledged(log, {"a", "b"}).lost == 1


def test_a_conversion_that_lacks_or_is_surplus_is_found() -> None:
    now = 1_790_000_000_000
    click = Click("c", now, "u", "home", "s", "top", "i", "v", 1, 0)
    purchase = Purchase("p", now + 10, "u", "o", "EUR", [PurchaseLine("i", 1, 500)])
    settings = Settings()
    log = {
        TopicPartition(topic.name, n): list[Logged]() for topic in (CLICKS, PURCHASES, CONVERSIONS) for n in range(4)
    }
    log[TopicPartition(CLICKS.name, 0)] = [Logged(0, now, b"u", msgspec.json.encode(click), ())]
    log[TopicPartition(PURCHASES.name, 0)] = [Logged(0, now + 10, b"u", msgspec.json.encode(purchase), ())]
    assert check_conversions(log, settings, {"home": 1_000}).lost == 1
    right = Conversion(
        "p/0", now + 10, "u", "o", "p", 0, "c", now, 10, "home", "s", "top", "i", 1, 0, 1, 500, "EUR", nth=1
    )  # fmt: skip
    log[TopicPartition(CONVERSIONS.name, 0)] = [Logged(0, now, b"u", msgspec.json.encode(right), ())] * 2
    assert check_conversions(log, settings, {"home": 1_000}).equal
    wrong = msgspec.structs.replace(right, event_id="p/1")
    log[TopicPartition(CONVERSIONS.name, 1)] = [Logged(0, now, b"u", msgspec.json.encode(wrong), ())]
    assert check_conversions(log, settings, {"home": 1_000}).double == 1


def test_a_signal_of_an_undeclared_kind_is_expected_to_be_credited_to_nothing() -> None:
    now, settings = 1_790_000_000_000, Settings()
    log = {TopicPartition(topic.name, n): list[Logged]() for topic in EVENT_TOPICS for n in range(4)}
    click = Click("c", now, "u", "home", "s", "top", "i", "v", 1, 0)
    log[TopicPartition(CLICKS.name, 0)] = [Logged(0, now, b"u", msgspec.json.encode(click), ())]
    kinds = ("view", "undeclared-kind")
    signals = [Signal(f"s-{kind}", now + 10, "u", kind, "i") for kind in kinds]
    log[TopicPartition(SIGNALS.name, 0)] = [
        Logged(at, now + 10, b"u", msgspec.json.encode(signal), ()) for at, signal in enumerate(signals)
    ]
    finding = check_conversions(log, settings, {"home": 1_000})
    assert (finding.lost, finding.examples) == (1, ["lacking view:s-view"])


def test_the_traffic_of_a_drill_has_all_that_follows_a_click() -> None:
    traffic = Traffic(KafkaSettings(bootstrap="127.0.0.1:1"), seed=1, rate=1.0)
    events: dict[str, list[Any]] = {}
    traffic._publish = lambda topic, event: events.setdefault(topic.name, []).append(event)  # type: ignore[method-assign]
    for number in range(3_000):
        traffic.sent = number
        traffic._event()
    orders, returns = events[PURCHASES.name], events[RETURNS.name]
    assert len({order.event_id for order in orders}) == len(orders) > len({order.order_id for order in orders})
    assert len({order.return_id for order in returns}) < len(returns)
    assert not {order.order_id for order in returns} <= {order.order_id for order in orders}
    assert "undeclared-kind" in {signal.kind for signal in events[SIGNALS.name]}
    assert {"EUR", "USD"} == {order.currency for order in returns}
    clicked = {(click.unit, click.item) for click in events[CLICKS.name]}
    siblings = [signal for signal in events[SIGNALS.name] if (signal.unit, signal.item) not in clicked]
    assert len(siblings) > len(events[SIGNALS.name]) * 0.05, "of other items of the family"


def test_what_attribution_writes_is_waited_for_after_what_it_reads() -> None:
    assert {name for name, _ in (*READERS, *DECIDED)} == {topic.name for topic in EVENT_TOPICS}
    assert {name for name, _ in DECIDED} == {CONVERSIONS.name, CREDITS.name}
    assert set(GROWN) == {topic.name for topic in EVENT_TOPICS}


def test_a_version_that_goes_back_and_a_layout_that_is_behind_are_found() -> None:
    example = Path(__file__).parents[2] / "schemas" / "examples" / "layout.full.json"
    layout = msgspec.json.decode(example.read_bytes(), type=Layout)
    pages = [
        msgspec.structs.replace(layout, page=page, segment="*", watermarks={}) for page in ("home", "garden", "cart")
    ]
    place = TopicPartition(LAYOUTS.name, 0)
    records = [
        Logged(at, 0, encode_key(LAYOUTS, one.page, "*"), msgspec.json.encode(one), ()) for at, one in enumerate(pages)
    ]
    assert check_layouts({place: records}, {}, 4).equal
    assert check_layouts({place: records}, {TopicPartition(IMPRESSIONS.name, 1): 3}, 4).lost == 3
    assert check_layouts({place: records[1:]}, {}, 4).lost == 1
    life = LayoutLife(layout.life, 1, 5_000 + LAYOUT_TTL_MS)
    signs = {TopicPartition(LAYOUT_LIVES.name, 0): [Logged(0, 0, life.life.encode(), msgspec.json.encode(life), ())]}
    for since, lost in ((5_000, 0), (5_001, 3)):
        behind = check_layouts({place: records} | signs, {TopicPartition(IMPRESSIONS.name, 1): 3}, 4, since)
        assert behind.lost == lost, "composed from all counts and the same, or not"
    older = msgspec.structs.replace(pages[0], version=pages[0].version - 1)
    back = [*records, Logged(9, 0, encode_key(LAYOUTS, "home", "*"), msgspec.json.encode(older), ())]
    assert check_layouts({place: back}, {}, 4).double == 1


@pytest.mark.parametrize("seed", [1, 2])
def test_each_harmful_record_gets_one_verdict_and_a_flood_of_names_is_bounded(seed: int) -> None:
    settings = FoldSettings(max_items=300, max_keys=60, max_slots=20)
    account = check_hostile_records(12_000, seed, settings)
    assert account.read == account.verdicts.total() == 12_000
    assert 0 < account.clicks_kept < account.read
    assert {
        "applied",
        "duplicate",
        "malformed",
        "invalid",
        "empty",
        "key",
        "quota",
        "undeclared",
    } <= account.verdicts.keys()
    once = check_hostile_records(9_000, seed, settings.changed(bucket_ms=0))
    assert all(names <= 380 for names in once.names.values())


def test_hostile_records_are_told_by_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drill", "--fuzz", "700", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["equal"] and sum(answer["verdicts"].values()) == answer["read"]
    assert "applied" in answer["verdicts"]
    assert run(["drill", "--fuzz", "700"]) == 0
    assert f"{answer['read']:,}" in capsys.readouterr().out


SELDOM = (
    Kind.REDIS_PASSWORD,
    Kind.DISK_FULL,
    Kind.CLOCK_OFF,
    Kind.LAYOUTS_ANEW,
    Kind.PARTITIONS_ADDED,
    Kind.REDIS_EMPTIED,
)
"""They take long, and are tested where all tests are asked for."""
OFTEN = tuple(kind for kind in Kind if kind not in SELDOM)
OFTEN_S = (4.0 if ALL_TESTS else 3.0) * len(OFTEN)
"""What workers and brokers take of a processor goes with the time, whatever the events; faults overlap the more."""


@pytest.mark.long
@pytest.mark.parametrize(
    ("seed", "kinds", "seconds"),
    [pytest.param(5, OFTEN, OFTEN_S, id="often"), pytest.param(6, SELDOM, 30.0, id="seldom", marks=if_all)],
)
def test_one_fault_of_each_kind_loses_nothing(
    kafka_home: Path, tmp_path: Path, seed: int, kinds: Sequence[Kind], seconds: float
) -> None:
    said: list[str] = []
    options = Options(len(kinds), seconds, seed, 200.0, kafka_home, only=kinds)
    report = drill(Settings(), options, tmp_path, said.append)
    assert report.equal, describe(report, said)
    assert set(report.faults) | set(report.impossible) == {kind.value for kind in kinds}, describe(report, said)
    assert report.faults.total() > len(kinds) // 2, describe(report, said)
    assert report.events > seconds * 200 / 2, describe(report, said)
    assert not report.proved_nothing, describe(report, said)


def test_a_layout_by_a_clock_that_is_off_is_found() -> None:
    example = Path(__file__).parents[2] / "schemas" / "examples" / "layout.full.json"
    made_ms = msgspec.json.decode(example.read_bytes(), type=Layout).produced_at
    records = [Logged(at, made_ms + off_ms, b"k", example.read_bytes(), ()) for at, off_ms in enumerate((0, 60_000))]
    place = TopicPartition(LAYOUTS.name, 0)
    assert check_clocks({place: records}).equal
    life = msgspec.json.encode(LayoutLife("live/0/1", made_ms, made_ms))
    assert check_clocks({TopicPartition(LAYOUT_LIVES.name, 0): [Logged(0, 5, b"live/0/1", life, ())]}).double == 1
    for off_s in OFF_S:
        assert check_clocks({place: [*records, records[0]._replace(timestamp=made_ms - 1_000 * off_s)]}).double == 1


def test_a_worker_by_another_clock_takes_all_times_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[float] = []
    monkeypatch.setattr(time, "time", time.time)
    monkeypatch.setattr(time, "time_ns", time.time_ns)
    monkeypatch.setattr("runpy.run_module", lambda *_, **__: times.extend([time.time(), time.time_ns() / 1e9]))
    before = time.time()
    work(86_400)
    assert all(86_400 <= at - before < 86_460 for at in times) and len(times) == 2


@pytest.mark.parametrize(("status", "excused"), [(1, True), (2, True), (0, False), (9, False)])
def test_a_worker_that_ends_over_what_the_drill_broke_is_excused_when_it_says_so(
    tmp_path: Path, status: int, excused: bool
) -> None:
    workers = Workers(Settings(), tmp_path, 0)
    for said in ("Check redis.password", "Traceback"):
        log = tmp_path / f"{said}.log"
        log.write_text(said)
        child = subprocess.Popen(["sh", "-c", f"exit {status}"])
        child.wait()
        workers.members.append(Member("learner", child, log, contextlib.ExitStack(), set()))
    workers.excuse("redis.password")
    workers.tend(0.0)
    assert len(workers.excused) == excused
    assert len(workers.gave_up) == 2 - excused


def test_all_kinds_are_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "operating" / "drill.md").read_text()
    assert [kind.value for kind in Kind if f"| {kind} |" not in text] == []


@pytest.mark.long
@if_all
def test_a_cluster_whose_primaries_die_loses_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    order = Options(3, 15.0, 3, 200.0, None, only=("Redis killed", "Redis failed over", "worker killed"), cluster=True)
    report = drill(Settings(), order, tmp_path, said.append)
    assert report.equal, describe(report, said)
    assert report.faults.total() >= 2, describe(report, said)


def test_a_slow_redis_answers_late(redis_url: str) -> None:
    port = int(redis_url.rpartition(":")[2].split("/")[0])
    with slow_redis(lambda: port, 0.1) as slow, redis.Redis(port=slow) as client:
        client.ping()
        began = time.monotonic()
        assert client.ping()
        assert time.monotonic() - began >= 0.1


@pytest.mark.long
@if_all
def test_slow_neighbours_lose_nothing(kafka_home: Path, tmp_path: Path) -> None:
    said: list[str] = []
    order = Options(0, 10.0, 4, 400.0, kafka_home, redis_delay_s=0.1, read_bytes_per_s=300_000)
    report = drill(Settings(), order, tmp_path, said.append)
    # Ten seconds tell nothing of whether a worker grows.
    findings = [one for one in report.findings if one.what != FLAT]
    assert findings and all(one.equal for one in findings), describe(report, said)
    assert not report.gave_up, describe(report, said)
    assert report.latency_s.keys() == {"p50", "p99", "max"}
    assert {use.worker.split()[0] for use in report.uses} == {"learner", "attribution", "layouts"}


@pytest.mark.parametrize("home", [None, Path()])
def test_external_servers_are_left_alone(home: Path | None) -> None:
    order = Options(1, 1, 1, 1, home, external=True)
    assert set(order.kinds) == WORKER_KINDS


def test_a_process_that_grows_is_told_from_one_that_does_not() -> None:
    samples = Samples()
    samples.processes["steady", 1] = [Sample(float(at), 100.0 + at % 3, 20) for at in range(100)]
    samples.processes["grows", 2] = [Sample(float(at), 100.0 + at, 20) for at in range(100)]
    samples.processes["leaks", 3] = [Sample(float(at), 100.0, 20 + at) for at in range(100)]
    samples.processes["brief", 4] = [Sample(0.0, 100.0, 20)]
    uses = {use.worker: use for use in samples.uses()}
    assert {name: use.flat for name, use in uses.items()} == {"steady 1": True, "grows 2": False, "leaks 3": False}
    assert uses["grows 2"].slope_mb_per_h == pytest.approx(3_600)


def test_latency_is_from_acknowledged_to_passed_by_all_readers() -> None:
    samples, tp = Samples(), TopicPartition(CLICKS.name, 0)
    samples.look([], [{tp: 0}, {tp: 0}], {tp: 5}, 1.0)
    samples.look([], [{tp: 5}, {tp: 4}], {tp: 9}, 2.0)
    assert samples.latency_s() == {}
    samples.look([], [{tp: 5}, {tp: 5}], {tp: 9}, 4.5)
    assert samples.latency_s() == {"p50": 3.5, "p99": 3.5, "max": 3.5}
