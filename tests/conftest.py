"""Servers for all tests: each is started once, when the first test asks for it.

A test that needs a part this machine lacks is skipped with the reason, and the
reasons are listed again at the end of the run.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from redis import Redis

from reshelf.processes.parallel import THREADS
from reshelf.processes.servers import embedded_broker, embedded_redis, real_kafka
from schemas.topics import TOPICS
from tests import moved_clock
from tests.all_tests import ALL, ALL_TESTS

NO_KAFKA = "KAFKA_HOME is not set: tests on real Apache Kafka are skipped"

EXAMPLES = 100 if ALL_TESTS else 15
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None, database=None, max_examples=EXAMPLES)
hypothesis.settings.load_profile("fixed")
# A Kafka of the tests lives for minutes: its Java compiles quickly rather than well, for half the processor time.
os.environ.setdefault("KAFKA_OPTS", "-XX:TieredStopAtLevel=1")
# Processes that share the processors: more threads of linear algebra would only wait for each other.
os.environ.update(dict.fromkeys(THREADS, "1"))

MakeTopics = Callable[..., None]
T = TypeVar("T")
_KAFKA = pytest.StashKey[str]()
_prefixes = (f"t{os.getpid()}-{number}-" for number in itertools.count())


def pytest_configure(config: pytest.Config) -> None:
    """All begins again where another day is asked for."""
    moved_clock.restart_on_date(config)


def pytest_report_header() -> str | None:
    """The day of the tests, where it is not today."""
    return moved_clock.heading()


@pytest.fixture(scope="session", autouse=True)
def _state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Workers without a folder of their own keep clicks in one that goes with the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _own_environment() -> Iterator[None]:
    """Processes that tests start take each RESHELF_ variable for a setting: they do not get those of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (ALL, moved_clock.DATE):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a Valkey server shared by all tests of the run."""
    with embedded_redis() as url:
        yield url


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """A client of the shared server, which is empty when the test begins."""
    with Redis.from_url(redis_url) as client:
        client.flushall()
        yield client


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """The address of an embedded broker shared by all tests of the run."""
    with embedded_broker() as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def kafka_home() -> Path:
    """The Kafka distribution to test with."""
    if home := os.environ.get("KAFKA_HOME"):
        return Path(home)
    pytest.skip(NO_KAFKA)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Where tests run in several processes, these share one Kafka: each would warm up a Java of its own."""
    config: pytest.Config = node.config
    if _KAFKA not in config.stash and (home := os.environ.get("KAFKA_HOME")):
        started = contextlib.ExitStack()
        config.add_cleanup(started.close)
        config.stash[_KAFKA] = started.enter_context(real_kafka(Path(home)))
    node.workerinput["kafka"] = config.stash.get(_KAFKA, None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Processes that share the tests begin with the long ones and end with short ones, so that they end together."""
    hands = getattr(config, "workerinput", {}).get("workercount", 1)
    if hands > 1:
        items[:] = dealt(items, [item.get_closest_marker("long") is not None for item in items], hands)


def dealt(items: Sequence[T], long: Sequence[bool], hands: int) -> list[T]:
    """The same items in runs of equal length, one for each hand, with as many long ones at the head of each."""
    first = [item for item, is_long in zip(items, long, strict=True) if is_long]
    others = iter([item for item, is_long in zip(items, long, strict=True) if not is_long])
    runs: list[T] = []
    for hand in range(hands):
        own = first[hand::hands]
        length = (len(items) - len(runs)) // (hands - hand)
        runs += own + list(itertools.islice(others, max(0, length - len(own))))
    return runs


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, kafka_home: Path) -> Iterator[str]:
    """The address of a real Kafka shared by all tests of the run."""
    if shared := getattr(request.config, "workerinput", {}).get("kafka"):
        yield shared
        return
    with real_kafka(kafka_home) as bootstrap:
        yield bootstrap


@pytest.fixture(params=["broker", "kafka"])
def any_broker(request: pytest.FixtureRequest) -> str:
    """Once the embedded broker, once real Kafka."""
    bootstrap: str = request.getfixturevalue(request.param)
    return bootstrap


@pytest.fixture
def prefix() -> str:
    """A topic prefix that no other test uses."""
    return next(_prefixes)


@pytest.fixture
def make_topics(prefix: str) -> MakeTopics:
    """`make_topics(bootstrap, partitions=4, names=None)`: the topics under this test's prefix."""

    def make(bootstrap: str, partitions: int = 4, names: tuple[str, ...] | None = None) -> None:
        admin = AdminClient({"bootstrap.servers": bootstrap})
        wanted = [topic for topic in TOPICS if names is None or topic.name in names]
        stamps = {True: {"message.timestamp.type": "LogAppendTime"}, False: {}}
        made = admin.create_topics(
            [
                NewTopic(prefix + t.name, partitions, 1, config={"cleanup.policy": t.cleanup} | stamp)
                for t in wanted
                for stamp in [stamps[t.event or t.log_time]]
            ]
        )
        for done in made.values():
            done.result(30)

    return make


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List what was skipped and why, so that green is not mistaken for whole: no test is skipped but for a part."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    if reasons:
        terminalreporter.section("skipped for a missing part")
        for reason, count in sorted(reasons.items()):
            terminalreporter.line(f"{count} tests: {reason}")
