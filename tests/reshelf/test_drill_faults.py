"""What faults of a drill rest on: whether they had their turn, and what is done about them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from reshelf.drill.faults import partitions
from reshelf.drill.faults.breaking import Breaking
from reshelf.drill.faults.clock import decided
from reshelf.drill.faults.emptied import empty_redis
from reshelf.drill.faults.partitions import FAILURES, Remedy
from reshelf.drill.faults.topic import check_renderer
from reshelf.drill.plan import Fault, Kind, ProvedNothing
from reshelf.drill.report import Options, Report, as_json
from reshelf.drill.setup.environment import Broker, Environment
from reshelf.drill.setup.operator import Operator, Refused, UnderWay
from reshelf.drill.setup.probe import Probe, sums_of
from reshelf.drill.setup.renderer import Shown
from reshelf.drill.setup.workers import Workers
from reshelf.drill.traffic import PAGES
from reshelf.drill.verify import Logged, check_dead_letters, check_layouts, fold, torn_layouts
from reshelf.settings import Settings
from schemas.codec import encode_key
from schemas.dead_letters import DeadLetter
from schemas.messages.layouts import Layout
from schemas.topic import Topic
from schemas.topics import CLICKS, DEAD_LETTERS, EVENT_TOPICS, LAYOUTS, LAYOUTS_HISTORY, RETURNS
from streams.kafka.records import TopicPartition
from tests.reshelf.test_drill_unfinished import SlowStore

EXAMPLE = Path(__file__).parents[2] / "schemas" / "examples" / "layout.full.json"
DAY_S = 86_400


def layouts(topic: Topic, *entries: tuple[str, int, int]) -> dict[TopicPartition, list[Logged]]:
    """A topic that holds layouts of pages for everyone, each with its version and when it was appended."""
    layout = msgspec.json.decode(EXAMPLE.read_bytes(), type=Layout)
    records = []
    for offset, (page, version, at) in enumerate(entries):
        content = msgspec.structs.replace(layout, page=page, segment="*", version=version, watermarks={})
        records.append(Logged(offset, at, encode_key(topic, page, "*"), msgspec.json.encode(content), ()))
    return {TopicPartition(topic.name, 0): records}


@pytest.mark.parametrize(
    ("role", "ahead_s", "sums", "turn"),
    [
        ("learner", DAY_S, {"reshelf_records_total": 3.0}, True),
        ("learner", DAY_S, {"reshelf_records_total": 0.0}, False),
        ("learner", DAY_S, {}, False),
        ("learner", 0, {"reshelf_records_total": 3.0}, False),
        ("attribution", DAY_S - 2, {"reshelf_purchase_lines_total": 1.0, "reshelf_records_total": 0.0}, True),
        ("attribution", DAY_S, {"reshelf_records_total": 9.0}, False),
        ("layouts", DAY_S, {"reshelf_layout_clock_skew_seconds": float(DAY_S)}, True),
        ("layouts", DAY_S, {"reshelf_layout_clock_skew_seconds": 0.4}, False),
    ],
)
def test_a_clock_that_is_off_had_its_turn_where_its_worker_worked_by_it(
    role: str, ahead_s: float, sums: dict[str, float], turn: bool
) -> None:
    assert decided(role, DAY_S, Probe(ahead_s, sums)) is turn
    assert not decided(role, DAY_S, None)


def test_a_layout_worker_that_is_behind_had_its_turn_too() -> None:
    assert decided("layouts", -600, Probe(-600.5, {"reshelf_layout_clock_skew_seconds": -601.0}))


def test_metrics_are_summed_over_their_labels() -> None:
    text = '# HELP a b\na{topic="x y",verdict="applied"} 3\na{topic="z"} 2\nb -1.5\n'
    assert sums_of(text) == {"a": 5.0, "b": -1.5}


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    settings = Settings()
    workers = Workers(settings, tmp_path, 0)
    return Environment(settings, Broker(None, tmp_path), SlowStore(1), workers, Operator(tmp_path))


def test_a_fault_without_a_turn_is_reported_as_one_that_proved_nothing(environment: Environment) -> None:
    report, said, healed = Report(1), list[str](), list[Kind]()
    breaking = Breaking(environment, report, said.append, lambda kind, now: healed.append(kind))

    def heal() -> None:
        raise ProvedNothing("it decided nothing")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reshelf.drill.faults.breaking.inject", lambda *_: heal)
        breaking.inject(Fault(0.0, 0.0, Kind.CLOCK_OFF, 0), time.monotonic())
    breaking.heal_due(time.monotonic() + 1)
    assert not breaking.heals and not healed
    assert as_json(report)["proved_nothing"] == {Kind.CLOCK_OFF.value: 1}
    assert said[-1] == "proved nothing: clock of a worker off (it decided nothing)"


def test_layouts_from_before_their_topic_was_made_anew_are_not_torn() -> None:
    history = layouts(LAYOUTS_HISTORY, ("home", 1, 10), ("home", 2, 20), ("home", 3, 30), ("cart", 4, 40))
    log = history | layouts(LAYOUTS, ("home", 3, 30))
    assert torn_layouts(log) == 3
    assert torn_layouts(log, since_ms=30) == 1


def test_a_layout_from_before_partitions_were_added_is_behind_and_no_error() -> None:
    log = layouts(LAYOUTS, *((page, 1, 10) for page in PAGES))
    place = TopicPartition(LAYOUTS.name, 0)
    value = msgspec.json.decode(log[place][0].value or b"", type=Layout)
    old = msgspec.json.encode(msgspec.structs.replace(value, watermarks={CLICKS.name: [7, 7]}))
    log[place][0] = log[place][0]._replace(value=old)
    assert check_layouts(log, {TopicPartition(CLICKS.name, 1): 7}, 3).lost == len(PAGES) - 1
    assert check_layouts(log, {TopicPartition(CLICKS.name, 2): 1}, 3).lost == len(PAGES)


@pytest.mark.parametrize("times", [0, 1, 2, 4])
def test_each_invalid_record_has_one_dead_letter(times: int) -> None:
    settings, place = Settings(), TopicPartition(CLICKS.name, 0)
    log = {place: [Logged(0, 1_790_000_000_000, b"u", b"{", ())]}
    letter = DeadLetter(CLICKS.name, 0, 0, "malformed", "no JSON", b"u", b"{")
    letters = [Logged(at, 0, b"u", b"{", tuple(letter.to_headers())) for at in range(times)]
    finding = check_dead_letters(log, fold(log, settings), {TopicPartition(DEAD_LETTERS.name, 0): letters}, settings)
    assert (finding.lost, finding.double) == (int(times == 0), max(0, times - 1))
    assert finding.equal is (times == 1)


@pytest.mark.parametrize(
    ("shown", "lost"),
    [
        ({"home": Shown("*", 2), "cart": Shown("*", 9)}, 0),
        ({"home": Shown("*", 1), "cart": Shown("*", 9)}, 1),
        ({"cart": Shown("*", 9)}, 1),
        ({"home": Shown("new", 2), "cart": None}, 2),
    ],
)
def test_a_renderer_that_shows_no_layout_or_an_old_one_is_noticed(shown: dict[str, Shown | None], lost: int) -> None:
    log = layouts(LAYOUTS, ("home", 1, 10), ("home", 2, 20), ("cart", 8, 30))
    finding = check_renderer(log, lambda page, segment: shown.get(page))
    assert (finding.compared, finding.lost, finding.equal) == (2, lost, not lost)


def test_a_topic_without_layouts_is_no_recovery() -> None:
    assert not check_renderer(layouts(LAYOUTS), lambda page, segment: None).equal


class Scripted(Operator):
    """Refuses the commands whose turn it is to be refused."""

    def __init__(self, folder: Path, refused: Sequence[str]) -> None:
        super().__init__(folder)
        self.refused = list(refused)
        self.ran: list[tuple[str, ...]] = []

    def run(self, settings: Settings, *words: str) -> None:
        self.ran.append(words)
        if self.refused and self.refused[0] == words[0]:
            del self.refused[0]
            raise Refused("refused")


def follow_manual(
    environment: Environment, topic: Topic, patch: pytest.MonkeyPatch
) -> list[tuple[Sequence[Topic], int]]:
    """Have the remedy of a topic carried out to its end; what was grown meanwhile."""
    grown: list[tuple[Sequence[Topic], int]] = []
    patch.setattr(partitions, "grow", lambda kafka, topics, count: grown.append((topics, count)))
    remedy = Remedy(environment, topic)
    with pytest.raises(OSError, match="no "):
        remedy.go_on()
    assert environment.switching
    environment.workers.excused += [f"{role}, status 1: Partitions were added" for role in ("learner", "attribution")]
    for _ in range(FAILURES):
        with contextlib.suppress(OSError):
            remedy.go_on()
    return grown


@pytest.fixture
def stands(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name stands for whatever was swapped last."""

    def name(_: Environment) -> str:
        operator = environment.operator
        assert isinstance(operator, Scripted)
        return operator.ran[-1][2]

    monkeypatch.setattr(Environment, "namespace", property(name))


@pytest.mark.usefixtures("stands")
@pytest.mark.parametrize("topic", EVENT_TOPICS)
def test_the_manual_is_followed_where_partitions_were_added(
    environment: Environment, topic: Topic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = environment.operator = Scripted(tmp_path, ["state", "replay"])
    grown = follow_manual(environment, topic, monkeypatch)
    assert [(len(topics), count) for topics, count in grown] == [(1, 5), (len(EVENT_TOPICS), 5)]
    assert environment.settings.kafka.partitions == environment.workers.settings.kafka.partitions == 5
    assert not environment.workers.gave_up and not environment.switching
    into = [words[2] for words in operator.ran]
    assert [words[0] for words in operator.ran] == ["replay", "state", "replay", "replay", "state"]
    assert into == ["live-5-0", "live-5-0", "live-5-1", "live-5-1", "live-5-1"]
    first, later = (operator.ran[at][4] for at in (0, 2))
    assert later < first, "a swap that is refused asks for an earlier end"


@pytest.mark.usefixtures("stands")
def test_a_remedy_that_does_not_work_is_reported(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.operator = Scripted(tmp_path, ["state"] * FAILURES)
    monkeypatch.setattr(partitions, "PATIENCE_S", -1.0)
    follow_manual(environment, CLICKS, monkeypatch)
    assert len(environment.workers.gave_up) == 1 and "does not work" in environment.workers.gave_up[0]
    assert not environment.switching


@pytest.mark.usefixtures("stands")
def test_a_topic_that_has_grown_is_noticed_as_late_as_other_faults_let_workers_read(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.operator = Scripted(tmp_path, [])
    now = 0.0
    monkeypatch.setattr(partitions, "time", SimpleNamespace(time=lambda: now, monotonic=lambda: now))
    monkeypatch.setattr(partitions, "grow", lambda kafka, topics, count: None)
    remedy = Remedy(environment, RETURNS)
    for seconds in (0.0, 300.0):
        now = seconds
        with pytest.raises(OSError, match="no attribution has refused"):
            remedy.go_on()
    assert not environment.workers.gave_up
    now = 901.0
    remedy.go_on()
    assert environment.workers.gave_up == ["attribution: did not notice that events-returns has grown"]


@pytest.mark.usefixtures("stands")
def test_a_remedy_has_the_time_that_slow_workers_need(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.operator = Scripted(tmp_path, ["state"] * (FAILURES - 1) + ["replay"])
    follow_manual(environment, CLICKS, monkeypatch)
    assert not environment.workers.gave_up and environment.switching


class Emptied(SlowStore):
    """Counts how often it was emptied."""

    def __init__(self) -> None:
        super().__init__(1)
        self.flushed = 0

    @contextlib.contextmanager
    def servers(self) -> Iterator[list[Any]]:
        yield [self]

    def flushall(self) -> None:
        self.flushed += 1


def test_redis_is_not_emptied_while_workers_are_switched(environment: Environment) -> None:
    store = environment.store = Emptied()
    fault = Fault(0.0, 0.0, Kind.REDIS_EMPTIED, 0)
    environment.switching = True
    heal = empty_redis(environment, fault)
    assert heal is not None
    with pytest.raises(OSError, match="being switched"):
        heal()
    assert store.flushed == 0
    environment.switching = False
    heal()
    assert store.flushed == 1
    assert empty_redis(environment, fault) is None and store.flushed == 2


def test_an_operator_waits_for_a_command_and_hears_its_last_words(tmp_path: Path) -> None:
    operator = Operator(tmp_path)

    def done(*words: str) -> None:
        while True:
            try:
                return operator.run(Settings(), *words)
            except UnderWay:
                time.sleep(0.05)

    done("--version")
    with pytest.raises(Refused, match=r"status 2(.|\n)*nonsense"):
        done("nonsense")


def test_partitions_are_not_added_to_a_broker_without_a_disk() -> None:
    kinds = Options(1, 1, 1, 1, None).kinds
    assert Kind.PARTITIONS_ADDED not in kinds and Kind.REDIS_EMPTIED in kinds
