"""Whoever reads a state goes by what its manifest says, whatever the settings of the shell that asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import redis.asyncio
from confluent_kafka import Producer
from redis import Redis

from policy.assignment import choose
from reshelf import doctor
from reshelf.cli.main import run
from reshelf.console.live_view import LiveView
from reshelf.console.views.arms import arms
from reshelf.console.views.experiment import experiment
from reshelf.console.views.explanation import why
from reshelf.doctor import Finding
from reshelf.inspect.experiment import health
from reshelf.inspect.search import questions
from reshelf.namespaces.open_state import namespace_settings, settings_of
from reshelf.settings import Settings, load_settings
from schemas.codec import encode, encode_key
from schemas.errors import BadSettings, StateAttention
from schemas.messages.catalog import CatalogEmbedding
from schemas.messages.events import Click, Conversion, Impression, SlotItem
from schemas.messages.layouts import Layout
from schemas.messages.pages import Candidates, PageRules
from schemas.topics import (
    CATALOG_EMBEDDINGS,
    CATALOG_ITEMS,
    CLICKS,
    CONVERSIONS,
    DAY_MS,
    IMPRESSIONS,
    LAYOUTS_HISTORY,
    PAGE_RULES,
)
from streams.catalog.snapshot import read_texts
from streams.fold.deltas import GroupDelta, TableDelta, TableKey, Traffic
from streams.kafka.clients import confluent_producer_config
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings, KafkaSettings
from streams.state.keys import GroupKeys, group_of, manifest
from streams.state.manifest import FOLD_VERSION, Manifest
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark
from tests.delivery import flush
from tests.streams.layout_inputs import item
from tests.streams.namespaces import make_namespace

HOUR_MS = 3_600_000
SINCE = 20_000 * DAY_MS + 12 * HOUR_MS
NOW = SINCE + 2 * HOUR_MS
GROUPS = 64
FOLD = FoldSettings(
    duplicate_window_ms=3_600_000,
    currency="USD",
    amount_cap=500,
    bucket_ms=HOUR_MS,
    allowed_lateness_ms=0,
    max_clock_skew_ms=0,
)
ITEMS, SLOTS, SEGMENTS = ["a", "b", "c"], ["top", "side"], ["cooks", "hikers"]
VIEWS = 40
LAYOUT = Layout(
    page="home", segment="cooks", version=1, produced_at=NOW, expires_at=NOW + HOUR_MS, epoch=1, template="default",
    policy="thompson", settings_digest="d", rules_version=1, parameters_version=0, catalog_position=[3], watermarks={},
    holdout_share=0.25, holdout_salt="h", baseline={"top": "a", "side": "b"},
    slates=[{"top": "b", "side": "c"}, {"top": "c", "side": "a"}],
    propensities={"top": {"b": 0.5, "c": 0.5}, "side": {"c": 0.5, "a": 0.5}},
)  # fmt: skip


@pytest.fixture
def shop(
    broker: str,
    prefix: str,
    make_topics: Callable[..., None],
    redis: Redis,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """A shop whose state was made with other groups and fold settings than the shell's defaults, which it gives."""
    make_topics(broker)
    make_namespace(redis_url, prefix, FOLD, groups=GROUPS)
    publish(KafkaSettings(bootstrap=broker, prefix=prefix))
    asyncio.run(count(redis_url))
    environment = {"KAFKA__BOOTSTRAP": broker, "KAFKA__PREFIX": prefix, "REDIS__URL": redis_url}
    experiment = {"EXPERIMENT__SINCE_MS": str(SINCE), "EXPERIMENT__PRE_PERIOD_SINCE_MS": str(SINCE - DAY_MS)}
    for key, value in {**environment, **experiment}.items():
        monkeypatch.setenv(f"RESHELF_{key}", value)
    settings = load_settings().settings
    assert (settings.redis.groups, settings.fold) == (16, FoldSettings())
    return settings


def publish(kafka: KafkaSettings) -> None:
    """A page, its items, a layout, and visits whose every view sold one item for 700 cents, 500 of which count."""
    producer = Producer(confluent_producer_config(kafka))

    def put(topic: Any, key: bytes, message: msgspec.Struct) -> None:
        producer.produce(kafka.prefix + topic.name, encode(message), key, timestamp=NOW)

    put(PAGE_RULES, b"home", PageRules("home", 1, SLOTS, candidates=Candidates(items=ITEMS)))
    put(LAYOUTS_HISTORY, encode_key(LAYOUTS_HISTORY, "home", "cooks"), LAYOUT)
    for at, name in enumerate(ITEMS):
        put(CATALOG_ITEMS, name.encode(), item(name))
        put(CATALOG_EMBEDDINGS, name.encode(), CatalogEmbedding(name, "m", "h", [1.0, float(at)], "r"))
    for number in range(VIEWS):
        unit = f"u{number}"
        variant, slate, _ = choose(LAYOUT, unit)
        common: dict[str, Any] = {"unit": unit, "page": "home", "segment": "cooks", "variant": variant}
        common |= {"occurred_at": NOW, "layout_version": 1}
        seen = [SlotItem(slot, name) for slot, name in slate.items()]
        put(IMPRESSIONS, unit.encode(), Impression(**common, event_id=f"i{number}", page_view_id=unit, slots=seen))
        place: dict[str, Any] = {"slot": "top", "item": slate["top"]}
        put(CLICKS, unit.encode(), Click(**common, **place, event_id=f"c{number}", page_view_id=unit))
        sale: dict[str, Any] = {"order_id": f"o{number}", "purchase_id": "p", "line": 0, "quantity": 1}
        sale |= {"clicked_at": NOW, "delay": 0, "amount": 700, "currency": "USD", "click_id": f"c{number}"}
        put(CONVERSIONS, unit.encode(), Conversion(**common, **place, **sale, event_id=f"s{number}"))
    flush(producer)


async def count(redis_url: str) -> None:
    """Clicks of both segments in the hour before the experiment and two hours of it, and the experiment's bins."""
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        store = Store(client, "live", GROUPS)
        keys = [("home", segment) for segment in [*SEGMENTS, "*"]]
        assert len({group_of(*key, GROUPS) for key in keys}) == len(keys)
        assert all(group_of(*key, GROUPS) != group_of(*key, 16) for key in keys), "each lies elsewhere for the shell"
        for page, segment in keys:
            delta = GroupDelta()
            for bucket in (SINCE - HOUR_MS, SINCE, SINCE + HOUR_MS):
                add(delta, page, segment, bucket)
            move = GroupUpdate(group_of(page, segment, GROUPS), 0, Watermark(1), delta)
            assert await store.apply(TopicPartition("events-clicks", 0), 0, [move]) == [1]


def add(delta: GroupDelta, page: str, segment: str, bucket: int) -> None:
    for traffic in (Traffic.LEARNED, Traffic.HOLDOUT):
        key, seed = TableKey(page, segment, bucket, traffic), bucket // HOUR_MS + traffic
        if segment == "*":
            clicks = np.random.default_rng(seed).poisson(20, 256).tolist()
            delta.bins[key] = {at: [90, 9, number, number // 4, number * 10] for at, number in enumerate(clicks)}
            continue
        shown = {(name, slot): 100 for name in ITEMS for slot in SLOTS}
        delta.tables[key] = TableDelta({"impressions": shown, "clicks": {("a", "top"): 10}})


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("segment", "segments"), [("cooks", 1), ("*", 2)])
def test_a_layout_is_explained_from_the_groups_that_workers_write(
    shop: Settings, capsys: pytest.CaptureFixture[str], segment: str, segments: int
) -> None:
    (arm,) = answer(capsys, "explain", "home", segment, "a")["arms"]
    assert (arm["impressions"], arm["clicks"]) == (600 * segments, 30 * segments)


def test_questions_are_ranked_by_the_clicks_that_workers_count(
    shop: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "_encoded", lambda *asked: np.array([1.0, 0.0], dtype=np.float32))
    found = answer(capsys, "ask", "anything", "--page", "home", "--segment", "hikers")["items"]
    assert {one["item"]: one["clicks"] for one in found} == {"a": 30.0, "b": 0.0, "c": 0.0}


def test_an_experiment_is_told_by_the_states_own_buckets_and_currency(
    shop: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    told = answer(capsys, "experiment", "status", "home")["pages"]["home"]
    assert told["sample_ratio"]["learned"] == 2 * 9 * 256
    bins = asyncio.run(read_bins(shop))
    wide = health(bins, shop).uplifts["clicks"]
    own = health(bins, namespace_settings(shop)).uplifts["clicks"]
    assert own != wide, "the hour before the experiment is a pre-period that days would leave out"
    assert told["uplift"]["clicks"]["uplift"] == pytest.approx(own.uplift)
    assert run(["experiment", "status", "home"]) == 0
    text = capsys.readouterr().out
    assert "$" in text and "€" not in text


async def read_bins(settings: Settings) -> Any:
    from reshelf.namespaces.open_state import open_state

    async with open_state(settings) as state:
        return await state.reader.read_bins("home")


def test_a_report_is_of_the_states_own_buckets_and_currency(
    shop: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "report.html"
    assert answer(capsys, "report", str(target), "--policy", "served")["notes"] == []
    text = target.read_text()
    assert "$" in text and "€" not in text
    assert "<circle" in text, "two hours of the experiment are two points"


def test_a_log_is_evaluated_as_the_state_was_counted(
    shop: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = answer(capsys, "evaluate", "--policy", "served")["pages"]["home"]
    earned = {one["value"] for one in page["served"]["revenue"].values()}
    assert (page["views"], earned) == (VIEWS, {500.0}), "other currencies are rejected, amounts are capped"
    assert run(["evaluate", "--policy", "served"]) == 0
    assert "$5.50" in capsys.readouterr().out
    answer(capsys, "log", "export", str(tmp_path / "log"))
    rows = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "log").to_pylist()
    assert sum(row["revenue"] for row in rows) == VIEWS * 500


def test_the_console_shows_what_workers_count(shop: Settings, redis_url: str) -> None:
    async def look() -> tuple[Any, ...]:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            seen = LiveView(shop, client)
            seen.catalog.__dict__.update(read_texts(shop.kafka).__dict__)
            await seen.look()
            seen.dead_letters.close()
            assert seen.state is not None
            rules = seen.catalog.rules["home"]
            return (
                await arms(seen, seen.state, rules, "*"),
                await why(seen, seen.state, rules, "*", ("top", "a"), NOW),
                await experiment(seen, seen.state, "home", NOW * 2),
                seen.monitor.health["home"],
            )

    shown, reason, trial, found = asyncio.run(look())
    assert dict(zip(shown["item"], shown["clicks"].tolist(), strict=True))["a"] == 60.0
    assert reason["arm"]["clicks"] == 60.0
    assert trial["currency"] == "USD"
    assert [at for at, *_ in trial["over_time"]["clicks"]][:2] == [SINCE + HOUR_MS, SINCE + 2 * HOUR_MS]
    assert found == health(asyncio.run(read_bins(shop)), namespace_settings(shop))


def test_the_doctor_goes_by_the_namespace(shop: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(settings: Settings, window: int) -> Iterator[Finding]:
        yield Finding("topics", "ok", f"for {window:,}")

    monkeypatch.setattr(doctor, "look_at_topics", look)
    findings = {finding.about: finding.detail for finding in doctor.examine(shop)}
    assert findings["topics"] == "for 3,600,000"
    assert findings["state"].endswith("records behind the log")


COMMANDS = [
    ["explain", "home", "cooks"],
    ["ask", "anything", "--page", "home"],
    ["experiment", "status"],
    ["evaluate", "--policy", "served"],
    ["state", "digest"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_namespace_that_is_not_there_is_an_error(
    shop: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("RESHELF_REDIS__NAMESPACE", "nowhere")
    assert run(command) == 1
    text = capsys.readouterr().err
    assert "no namespace 'nowhere' in Redis: expected its manifest under 'reshelf:{nowhere}:manifest', got nothing" in (
        " ".join(text.split())
    )
    assert "start a worker" in text


@pytest.mark.parametrize("command", COMMANDS[:-1], ids=lambda command: command[0])
def test_topics_of_another_state_are_an_error(
    shop: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("RESHELF_KAFKA__PREFIX", "another-")
    assert run(command) == 2
    assert f"kafka.prefix: expected {shop.kafka.prefix!r}" in " ".join(capsys.readouterr().err.split())


def test_a_state_of_another_version_or_without_buckets_is_refused_in_words(shop: Settings, redis: Redis) -> None:
    made = msgspec.json.decode(redis.get(manifest("live")) or b"", type=dict)
    redis.set(manifest("live"), msgspec.json.encode(made | {"fold_version": 1, "fold": {}}))
    with pytest.raises(StateAttention, match="made by another version of Reshelf: expected fold version"):
        namespace_settings(shop)
    redis.set(manifest("live"), msgspec.json.encode(made | {"fold": made["fold"] | {"bucket_ms": 0}}))
    with pytest.raises(BadSettings, match=r"experiment\.since_ms: expected 0, as namespace 'live' has one bucket"):
        namespace_settings(shop)


def test_a_state_of_a_newer_version_is_not_exported(shop: Settings, redis: Redis) -> None:
    """An older one is: what it stored is read as ever, to be compared with what was replayed."""
    made = msgspec.json.decode(redis.get(manifest("live")) or b"", type=Manifest)
    older, newer = (msgspec.structs.replace(made, fold_version=FOLD_VERSION + by) for by in (-1, 1))
    assert older.export_settings() == made.export_settings()
    with pytest.raises(StateAttention, match="made by another version of Reshelf: expected fold version"):
        newer.export_settings()


def test_settings_that_the_manifest_does_not_know_are_the_shells(redis_url: str, redis: Redis) -> None:
    made = make_namespace(redis_url, "p-", FOLD, "november", GROUPS)
    shell = Settings(kafka=KafkaSettings(prefix="p-"))
    found = settings_of(shell, made)
    assert (found.redis.namespace, found.redis.groups, found.fold) == ("november", GROUPS, FOLD)
    assert (found.layouts, found.kafka) == (shell.layouts, shell.kafka)
    assert GroupKeys(made.namespace, 0).base.startswith("reshelf:{november:0}")
