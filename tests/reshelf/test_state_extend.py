"""A namespace of before signals and returns gains them: nothing that was counted changes, nothing that came is lost."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from bench.shop.child import running
from reshelf.cli.main import run
from reshelf.doctor.refusals import look_at_state
from reshelf.namespaces.extend import extended
from reshelf.namespaces.state import Row, rows
from reshelf.settings import Settings
from reshelf.topics.admin import apply
from reshelf.topics.publish import deliver
from schemas.codec import encode
from schemas.errors import BadSettings
from schemas.messages.events import Click, Purchase, PurchaseLine, Return, ReturnLine, Signal
from schemas.messages.fields import MOST_KINDS
from schemas.topic import Topic
from schemas.topics import CLICKS, EVENT_TOPICS, FOLDED_TOPICS, PURCHASES, RETURNS, SIGNALS
from streams.fold.plain import PlainFold
from streams.kafka.log_source import KafkaSource
from streams.settings import KafkaSettings, RedisSettings
from streams.state.manifest import Manifest, agree, manifest_of, read
from streams.state.namespace import extend

LIMIT_S = 90.0


@pytest.fixture
def settings(kafka: str, redis: Redis, redis_url: str, prefix: str, tmp_path: Path) -> Settings:
    """Topics of now, and a namespace as it was made before: it has only the topics of then."""
    own_kafka = KafkaSettings(bootstrap=kafka, prefix=prefix, partitions=1)
    own = Settings(kafka=own_kafka, redis=RedisSettings(url=redis_url, groups=2)).changed(
        attribution={"folder": str(tmp_path / "clicks"), "grace_ms": 50, "clock_skew_ms": 0},
        learner={"folder": str(tmp_path / "duplicates"), "advance_s": 0.1},
    )
    apply(own_kafka)
    starts = {topic.name: [0] for topic in EVENT_TOPICS if not topic.later}

    async def make() -> None:
        async with AsyncRedis.from_url(redis_url) as client:
            await agree(client, manifest_of("live", prefix, starts, 2, own.fold))

    asyncio.run(make())
    return own


@contextlib.contextmanager
def working(settings: Settings, folder: Path) -> Iterator[None]:
    """A learner and an attribution worker, ready."""
    with contextlib.ExitStack() as stack:
        for role in ("learner", "attribution"):
            command = ("reshelf", "worker", role)
            part = stack.enter_context(running(role, command, settings, folder, 2_000))
            assert part.started(LIMIT_S)["ready_s"] is not None, part.ended()
        yield


def publish(settings: Settings, topic: Topic, *events: Click | Signal | Purchase | Return) -> None:
    deliver(settings.kafka, topic, [(event.unit.encode(), encode(event)) for event in events])


def click(name: str, now: int) -> Click:
    return Click(f"c-{name}", now - 9_000, f"u-{name}", "home", "s", "top", f"i-{name}", f"v-{name}", 1, 0)


def order(name: str, now: int) -> Purchase:
    return Purchase(f"p-{name}", now - 1_000, f"u-{name}", f"o-{name}", "EUR", [PurchaseLine(f"i-{name}", 1, 500)])


def expected(settings: Settings) -> list[Row]:
    """What the whole log gives by the plain fold."""
    plain, source = PlainFold(settings.fold), KafkaSource(settings.kafka)
    bounds = source.bounds([topic.name for topic in FOLDED_TOPICS])
    for tp, span in sorted(bounds.items()):
        plain.read(tp, [record for _, run in source.records({tp: span}) for record in run])
    return [list(row) for row in plain.rows()]


def wait_for(settings: Settings, kind: str, count: int) -> list[Row]:
    """The state, once it has so many rows of a kind and is what the log gives."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        state = asyncio.run(rows(settings, "live"))
        if sum(row[0] == kind for row in state) >= count and state == expected(settings):
            return state
        time.sleep(0.2)
    raise AssertionError(f"{kind}: {asyncio.run(rows(settings, 'live'))} is not {expected(settings)}")


def manifest_now(settings: Settings) -> Manifest:
    async def stored() -> Manifest:
        async with AsyncRedis.from_url(settings.redis.url) as client:
            return await read(client, "live")

    return asyncio.run(stored())


def nobody(_: Settings, __: Manifest) -> None:
    """No workers run."""


@pytest.mark.long
def test_what_was_counted_stays_and_what_came_meanwhile_is_counted(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (
        ("KAFKA__BOOTSTRAP", settings.kafka.bootstrap),
        ("KAFKA__PREFIX", settings.kafka.prefix),
        ("KAFKA__PARTITIONS", "1"),
        ("REDIS__URL", settings.redis.url),
        ("REDIS__GROUPS", "2"),
    ):
        monkeypatch.setenv(f"RESHELF_{name}", value)
    now = time.time_ns() // 1_000_000
    with working(settings, tmp_path):
        publish(settings, CLICKS, click("a", now), click("b", now))
        publish(settings, SIGNALS, Signal("s-a", now - 5_000, "u-a", "add-to-cart", "i-a"))
        publish(settings, PURCHASES, order("a", now))
        before = wait_for(settings, "sale", 1)
        assert run(["state", "extend"]) == 2 and "stop them first" in capsys.readouterr().err
    assert [found.state for found in look_at_state(settings)] == ["note", "ok"]
    end = time.monotonic() + LIMIT_S
    while run(["state", "extend"]) and time.monotonic() < end:
        time.sleep(0.5)  # until the broker has noticed that they left
    assert "events-signals, events-returns, events-credits, signals view" in capsys.readouterr().out
    assert [found.state for found in look_at_state(settings)] == ["ok"]
    assert asyncio.run(rows(settings, "live")) == before
    publish(settings, SIGNALS, Signal("s-b", now - 5_000, "u-b", "add-to-cart", "i-b"))
    with working(settings, tmp_path):
        publish(settings, PURCHASES, order("b", now))
        publish(settings, RETURNS, Return("r-a", now, "u-a", "back-a", "o-a", "EUR", [ReturnLine("i-a", 1, 400)]))
        after = wait_for(settings, "return_bin", 1)
    followed = {row[6]: row[7:] for row in wait_for(settings, "stage_delay", 2) if row[0] == "followed"}
    kinds = list(manifest_now(settings).signals)
    signal, via = 5 + kinds.index("add-to-cart"), 5 + MOST_KINDS + kinds.index("add-to-cart")
    assert followed["i-a"][:5] == [0, 0, 1, 400, 160_000] and (followed["i-a"][signal], followed["i-a"][via]) == (1, 0)
    assert followed["i-b"][:5] == [0, 0, 0, 0, 0] and (followed["i-b"][signal], followed["i-b"][via]) == (1, 1)
    assert {row[0] for row in before} < {row[0] for row in after}


def test_kinds_are_added_at_the_end_and_count_from_then_on(settings: Settings) -> None:
    publish(settings, SIGNALS, Signal("s", 1_000, "u", "zoom", "i"))
    assert extended(settings, nobody) == ["events-signals", "events-returns", "events-credits"] + [
        f"signals {kind}" for kind in settings.fold.signals
    ]
    assert extended(settings, nobody) == []
    more = settings.changed(fold={"signals": ("zoom", "view")})
    assert extended(more, nobody) == ["signals zoom"]
    assert manifest_now(settings).signals == {"view": [0], "add-to-cart": [0], "wish": [0], "zoom": [1]}
    many = settings.changed(fold={"signals": tuple(f"kind-{at}" for at in range(MOST_KINDS))})
    with pytest.raises(BadSettings, match=f"at most {MOST_KINDS} kinds"):
        extended(many, nobody)


def test_of_two_who_extend_it_at_once_none_undoes_the_other(settings: Settings) -> None:
    async def both() -> list[object]:
        async with AsyncRedis.from_url(settings.redis.url) as client:
            folds = [settings.fold.changed(signals=("view", name)) for name in ("one", "two")]
            calls = (extend(settings.kafka, client, "live", fold) for fold in folds)
            return list(await asyncio.gather(*calls, return_exceptions=True))

    outcomes = asyncio.run(both())
    failed = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert len(manifest_now(settings).signals) == 3 - len(failed)
