"""`reshelf replay`, `state diff` and `state swap` beside live workers, as an operator uses them."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from reshelf.cli.main import run
from reshelf.namespaces import replay
from reshelf.namespaces.replay import Options
from reshelf.processes.children import process, tail
from reshelf.settings import Settings, as_environment
from schemas.errors import BadSettings
from schemas.topic import Topic
from schemas.topics import CLICKS, CONVERSIONS, IMPRESSIONS, PURCHASES
from streams.attribution.reattribute import Reattributed, Rule
from streams.attribution.windows import PageWindows
from streams.kafka.log_source import KafkaSource, Span
from streams.kafka.records import TopicPartition
from streams.settings import AttributionSettings, FoldSettings, KafkaSettings, RedisSettings
from streams.state.clicks.progress import READ
from tests.deadline import Deadline
from tests.reshelf.environments import in_environment
from tests.streams.logs import example_log
from tests.streams.test_attribution_agent import shop as clicks_and_purchases
from tests.streams.test_learner import publish

WAIT_S = 40.0


@pytest.fixture
def shop(
    broker: str, redis: Redis, redis_url: str, prefix: str, make_topics: Callable[..., None], monkeypatch: Any
) -> Settings:
    """Topics with a log in them, and the settings in the environment."""
    make_topics(broker)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    publish(kafka, example_log(3, 80, partitions=4, shelves=True))
    fold = FoldSettings(allowed_lateness_ms=0, max_clock_skew_ms=0, bucket_ms=0, amount_cap=500)
    return in_environment(Settings(kafka=kafka, redis=RedisSettings(url=redis_url), fold=fold), monkeypatch)


@pytest.fixture
def bare(
    broker: str, redis: Redis, redis_url: str, prefix: str, make_topics: Callable[..., None], monkeypatch: Any
) -> Settings:
    """Empty topics, and the settings in the environment."""
    make_topics(broker)
    kafka, redis_ = KafkaSettings(bootstrap=broker, prefix=prefix), RedisSettings(url=redis_url)
    return in_environment(
        Settings(kafka=kafka, redis=redis_, attribution=AttributionSettings(grace_ms=100, clock_skew_ms=0)), monkeypatch
    )


def told(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> Any:
    assert run([*arguments, "--json"]) == status, capsys.readouterr()
    return json.loads(capsys.readouterr().out)


def until(holds: Callable[[], bool], child: subprocess.Popen[bytes], log: Path) -> None:
    end = Deadline(WAIT_S)
    while not holds():
        assert child.poll() is None and end.ahead, tail(log)
        time.sleep(0.2)


def test_workers_go_over_to_a_replayed_namespace_and_lose_nothing(
    shop: Settings, redis: Redis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = told(capsys, "replay", "--into", "one")
    assert first["records"] > 0 and first["gone"] == {}
    assert told(capsys, "replay", "--into", "one")["records"] == 0
    told(capsys, "replay", "--into", "two", "--to", "20")
    apart = told(capsys, "state", "diff", "one", "two", status=1)
    assert apart["differing"] > 0
    told(capsys, "replay", "--into", "two")
    assert told(capsys, "state", "diff", "one", "two")["differing"] == 0
    digests = [told(capsys, "state", "digest", name)["digest"] for name in ("one", "two")]
    assert digests[0] == digests[1]

    command, log = [sys.executable, "-m", "reshelf", "worker", "learner"], tmp_path / "log"
    with process(command, log, as_environment(shop)) as child:
        until(lambda: redis.exists("reshelf:{live}:manifest") == 1, child, log)
        until(lambda: _same(capsys, "live", "one"), child, log)
        assert told(capsys, "state", "swap", "one") == {"name": "live", "before": "live", "now": "one"}
        assert child.wait(WAIT_S) == 1
        assert "stands for namespace 'one' now" in tail(log)
    publish(shop.kafka, {tp: records[-3:] for tp, records in example_log(3, 80, partitions=4).items()})
    with process(command, log, as_environment(shop)) as child:
        until(
            lambda: told(capsys, "replay", "--into", "three")["records"] >= 0 and _same(capsys, "one", "three"),
            child,
            log,
        )
    assert told(capsys, "state", "digest")["namespace"] == "one"
    assert told(capsys, "state", "swap", "live", "--max-behind", "9999")["before"] == "one"


def _caught_up(capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether the namespace that workers use now equals a replay of the whole log."""
    told(capsys, "replay", "--into", "three")
    return _same(capsys, "one", "three")


def _same(capsys: pytest.CaptureFixture[str], one: str, other: str) -> bool:
    status = run(["state", "diff", one, other, "--json"])
    capsys.readouterr()
    return status == 0


def test_an_archive_stands_in_for_a_log_that_is_gone(
    shop: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "replay", "--into", "one")
    expected = told(capsys, "state", "digest", "one")["digest"]
    for form, workers in (("parquet", "1"), ("jsonl", "2")):
        kept = told(capsys, "log", "archive", str(tmp_path / form), "--format", form)
        arguments = "--into", form, "--archive", str(tmp_path / form), "--workers", workers
        done = told(capsys, "replay", *arguments)
        assert 0 < done["records"] <= kept["records"]
        assert told(capsys, "state", "digest", form)["digest"] == expected


def test_conversions_decided_again_equal_those_that_were_published(
    bare: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clicks_and_purchases(bare.kafka, random.Random(5), 300, 0)
    source = KafkaSource(bare.kafka)
    everything = source.bounds([PURCHASES.name])
    rule = Rule(bare.attribution, bare.fold, PageWindows(bare.attribution.window_ms))
    wanted = Reattributed(source, rule, everything).bounds([CONVERSIONS.name])
    assert sum(end for _, end in wanted.values()) > 50
    with process([sys.executable, "-m", "reshelf", "worker", "attribution"], log := tmp_path / "log") as child:
        until(lambda: source.bounds([CONVERSIONS.name]) == wanted, child, log)
    told(capsys, "replay", "--into", "one")
    again = told(capsys, "replay", "--into", "two", "--reattribute", "--workers", "2")
    assert again["ends"]["events-conversions"] == [wanted[tp][1] for tp in sorted(wanted)]
    assert told(capsys, "state", "diff", "one", "two")["equal"] > 0
    assert told(capsys, "state", "digest", "one")["digest"] == told(capsys, "state", "digest", "two")["digest"]
    assert told(capsys, "replay", "--into", "two", "--reattribute")["records"] == 0
    short = told(capsys, "replay", "--into", "three", "--reattribute", "--window-ms", "1")
    assert short["records"] < again["records"]
    assert run(["state", "swap", "two"]) == 2
    assert "conversions that were decided anew" in capsys.readouterr().err
    for wrong in (["--into", "two"], ["--into", "two", "--reattribute", "--window-ms", "9"]):
        assert run(["replay", *wrong]) == 1
        assert "made with other settings: attribution is" in capsys.readouterr().err


class Watched(KafkaSource):
    """The same topics, and when their bounds were asked for."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.kafka)
        self.asked: list[tuple[tuple[str, ...], float]] = []

    def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Span]:
        self.asked.append((tuple(topics), time.monotonic()))
        return super().bounds(topics)


def quiet(total: int, what: str) -> Callable[[int], None]:
    return lambda count: None


def test_deciding_again_asks_no_wall_clock_and_waits_for_clicks_within_the_grace(
    bare: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clicks_and_purchases(bare.kafka, random.Random(5), 300, 0)
    source, windows = Watched(bare), PageWindows(bare.attribution.window_ms)
    patient = bare.changed(attribution={"grace_ms": 700, "clock_skew_ms": 200})
    rule = Rule(patient.attribution, patient.fold, windows)
    wanted = Reattributed(source, rule, source.bounds([PURCHASES.name])).bounds([CONVERSIONS.name])
    source.asked.clear()
    monkeypatch.setattr(time, "time", lambda: 1.0)
    done = replay.run(patient, source, Options("beginning", "end", "two", windows), quiet)
    assert done.ends[CONVERSIONS.name] == [wanted[tp][1] for tp in sorted(wanted)]
    first = source.asked[0][1]
    read = tuple(topic.name for topic in READ)
    assert [at - first >= 0.9 for topics, at in source.asked if topics == read] == [True]


class Shortened(KafkaSource):
    """The same topics after retention took the first records of one."""

    def __init__(self, settings: Settings, topic: Topic) -> None:
        super().__init__(settings.kafka)
        self._topic = topic

    def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Span]:
        """Two records fewer in each partition."""
        found = super().bounds(topics)
        return {
            tp: (min(first + 2, end), end) if tp.topic == self._topic.name else (first, end)
            for tp, (first, end) in found.items()
        }


def test_deciding_again_does_not_go_on_where_the_log_has_lost_what_it_counted_from(bare: Settings) -> None:
    clicks_and_purchases(bare.kafka, random.Random(5), 100, 0)
    again = Options("beginning", "end", "two", PageWindows(bare.attribution.window_ms))

    replay.run(bare, KafkaSource(bare.kafka), again, quiet)
    for topic in (CLICKS, PURCHASES):
        with pytest.raises(BadSettings, match=r"--reattribute over clicks and purchases from .*Name another namespace"):
            replay.run(bare, Shortened(bare, topic), again, quiet)
    replay.run(bare, Shortened(bare, IMPRESSIONS), again, quiet)
    as_published = Options("beginning", "end", "one")
    for source in (KafkaSource(bare.kafka), Shortened(bare, CLICKS)):
        replay.run(bare, source, as_published, quiet)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--into", "live"], "is the namespace that workers use"),
        (["--into", "bad name"], "--into: expected 1 to 32 of a to z, 0 to 9 and -, got 'bad name'"),
        (["--into", "x", "--from", "yesterday"], "expected beginning, end, an offset"),
        (["--into", "x", "--window-ms", "5"], "add --reattribute"),
        (["--into", "x", "--from", "end"], "--from: expected an offset, a time or 'beginning'"),
    ],
)
def test_orders_that_make_no_sense_are_refused(
    shop: Settings, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(["replay", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_namespace_that_does_not_fit_is_not_switched_to(
    shop: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told(capsys, "replay", "--into", "early", "--to", "5")
    assert run(["state", "swap", "early", "--max-behind", "0"]) == 2
    assert "lacks" in capsys.readouterr().err
    assert run(["replay", "--into", "early", "--from", "3"]) == 2
    assert "was begun from other offsets (events-impressions at 0, 0, 0, 0, now at 3, 3, 3, 3)" in (
        capsys.readouterr().err
    )
    monkeypatch.setenv("RESHELF_FOLD__AMOUNT_CAP", "7")
    assert run(["state", "swap", "early"]) == 2
    assert "other settings" in capsys.readouterr().err
    assert run(["state", "swap", "nowhere"]) == 1
    capsys.readouterr()
    assert run(["state", "swap", "bad name"]) == 2
    assert "NAMESPACE: expected 1 to 32" in capsys.readouterr().err
    assert run(["state", "swap", "early", "--max-behind", "-5"]) == 2
    assert "-5 is not in the range" in capsys.readouterr().err


def test_what_workers_have_yet_to_bury_is_not_passed_over(shop: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "replay", "--into", "used", "--to", "5")
    told(capsys, "state", "swap", "used", "--max-behind", "9999")
    told(capsys, "replay", "--into", "ahead")
    assert run(["state", "swap", "ahead"]) == 2
    assert "would never get to dead-letters" in capsys.readouterr().err
    assert told(capsys, "state", "swap", "ahead", "--skip-dead-letters")["now"] == "ahead"


def test_what_is_served_is_neither_replayed_into_nor_left_for_a_later_part_of_the_log(
    shop: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RESHELF_RUNS__FOLDER", str(tmp_path))
    told(capsys, "replay", "--into", "one")
    told(capsys, "state", "swap", "one")
    assert run(["replay", "--into", "one"]) == 2
    assert "is the namespace that workers use" in capsys.readouterr().err
    told(capsys, "replay", "--into", "late", "--from", "5")
    assert run(["state", "swap", "late"]) == 2
    assert "begins at 5, expected at most 0" in capsys.readouterr().err
    assert told(capsys, "state", "swap", "one")["now"] == "one"
    kept = told(capsys, "runs", "list", "--kind", "replay")["runs"]
    assert {(one["asked"]["into"], one["asked"]["from"]) for one in kept} == {("one", "beginning"), ("late", "5")}
    late = next(one for one in kept if one["asked"]["into"] == "late")
    assert late["log"]["starts"]["events-clicks"] == [5, 5, 5, 5]
    assert told(capsys, "runs", "show", late["id"]) == late
    found = told(capsys, "runs", "compare", *(one["id"] for one in kept))["differences"]
    assert sorted(found["asked.from"]) == ["5", "beginning"]


def test_places_are_of_the_log(shop: Settings) -> None:
    from reshelf.namespaces.stretch import FOLDED

    bounds = KafkaSource(shop.kafka).bounds(FOLDED)
    assert bounds[TopicPartition(FOLDED[0], 0)][1] > 0
