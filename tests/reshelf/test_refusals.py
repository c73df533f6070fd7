"""Whatever makes a worker refuse to start, the doctor says first, in the same words."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from pydantic import SecretStr
from redis import Redis

from reshelf.doctor.refusals import access_findings, encoder_finding, folder_findings, look_at_state
from reshelf.settings import Settings
from reshelf.topics.admin import apply
from schemas.errors import StateAttention
from schemas.topics import CLICKS, CONVERSIONS
from streams.disk_use import DiskUse, disk_use, follow_disk_use
from streams.kafka.bounds import log_bounds
from streams.kafka.clients import confluent_producer_config
from streams.kafka.records import TopicPartition
from streams.metrics import Registry
from streams.refusals import check_begin
from streams.settings import FoldSettings, KafkaSettings, RedisSettings
from streams.state.clicks.progress import progress_keys
from streams.state.keys import GroupKeys, manifest
from streams.worker import open_worker
from tests.delivery import flush
from tests.encoders.conftest import NO_TORCH
from tests.streams.namespaces import make_namespace

ROOT = Path(__file__).parents[2]
ROOMS = ("streams", "reshelf/edge", "reshelf/console", "reshelf/processes", "encoders")
SAID = "said by the doctor"
RUNNING = "happens while it runs, or to a request"
ELSEWHERE = "of commands that start no worker"
REFUSALS = {
    "encoders.model": SAID,
    "encoders.pictures.efficientnet": "of a package that is missing or not the pinned one, which it names itself",
    "encoders.pictures.model": "of a model that is not there, as of texts",
    "encoders.tuning.adapters": ELSEWHERE,
    "encoders.tuning.pictures": ELSEWHERE,
    "encoders.tuning.rewriting": ELSEWHERE,
    "reshelf.console.views.drafts": RUNNING,
    "reshelf.console.views.planning.saved_drafts": RUNNING,
    "reshelf.console.views.rules": RUNNING,
    "reshelf.console.web": "a port in use: by the console itself, where it runs",
    "reshelf.edge.run": "a port in use: by the edge itself, where it runs",
    "reshelf.processes.encoder": "everything else works without the extra",
    "reshelf.processes.servers": ELSEWHERE,
    "streams.access": SAID,
    "streams.attribution.agent": "of topics with different partitions, which the doctor names",
    "streams.attribution.order": SAID,
    "streams.attribution.windows": "of a topic that is missing, which the doctor names",
    "streams.catalog.follower": RUNNING,
    "streams.fold.alarm": RUNNING,
    "streams.kafka.bounds": "of a topic that is missing, which the doctor names",
    "streams.kafka.reader": "of a right that a user of Kafka lacks: the doctor may be another user",
    "streams.kafka.clients": "of brokers that cannot be spoken to, which the doctor names",
    "streams.refusals": SAID,
    "streams.replay.archive": ELSEWHERE,
    "streams.replay.json_lines": ELSEWHERE,
    "streams.replay.parquet": ELSEWHERE,
    "streams.replay.run": ELSEWHERE,
    "streams.settings.group": ELSEWHERE,
    "streams.state.alias": ELSEWHERE,
    "streams.locked_folder": SAID,
    "streams.state.arrays.packed_value": "of a namespace of another version, which the doctor names",
    "streams.state.clicks.store": RUNNING,
    "streams.state.connection.client": "of a Redis that cannot be spoken to, which the doctor names",
    "streams.state.manifest": SAID,
    "streams.state.namespace": ELSEWHERE,
    "streams.state.watermark": SAID,
    "streams.transport.consumer": RUNNING,
    "streams.transport.health": "a port in use: by the worker itself, where it runs",
}
"""Modules that refuse, and where that is said beforehand, or why it is not."""
ERRORS = {"BadSettings", "StateAttention", "NamespaceMissing", "AnotherLog"}


def refusing(path: Path) -> bool:
    """Whether a module raises what ends a worker."""
    text = path.read_text("utf-8")
    if not any(f"raise {name}" in text for name in ERRORS):
        return False
    raised = (node.exc for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Raise))
    named = (each.func if isinstance(each, ast.Call) else each for each in raised)
    return any(isinstance(name, ast.Name) and name.id in ERRORS for name in named)


def test_every_module_that_refuses_is_one_that_the_doctor_asks_or_need_not() -> None:
    found = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if refusing(path)
    }
    assert found == REFUSALS.keys()


@pytest.fixture
def settings(broker: str, redis: Redis, redis_url: str, prefix: str) -> Settings:
    """Two partitions and a namespace over them in which nothing was applied."""
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix, partitions=2)
    apply(kafka)
    make_namespace(redis_url, prefix, partitions=2)
    return Settings(kafka=kafka, redis=RedisSettings(url=redis_url))


def said(settings: Settings) -> Iterator[str]:
    for finding in look_at_state(settings):
        assert finding.state == "bad"
        yield finding.detail


def refusal(settings: Settings) -> str:
    """What a worker says."""

    async def start() -> None:
        async with open_worker(settings.kafka, settings.redis, settings.fold):
            pass

    with pytest.raises(StateAttention) as raised:
        asyncio.run(start())
    return str(raised.value)


def test_other_settings_than_the_manifests_are_told(settings: Settings, redis: Redis) -> None:
    assert [finding.state for finding in look_at_state(settings)] == ["ok"]
    for other in (
        settings.changed(fold=FoldSettings(duplicate_window_ms=7)),
        settings.changed(redis={"groups": 3}),
    ):
        (detail,) = said(other)
        assert detail == refusal(other)
    made = bytes(redis.get(manifest("live")) or b"")  # type: ignore[arg-type]
    redis.set(manifest("live"), made.replace(b'"fold_version":5', b'"fold_version":4'))
    (detail,) = said(settings)
    assert detail == refusal(settings) and "fold version is 4 there and 5 here" in detail


def test_workers_may_go_on_while_the_log_is_looked_at(
    settings: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bounds_before_more_is_applied(kafka: KafkaSettings, topics: Sequence[str]) -> Any:
        bounds = log_bounds(kafka, topics)
        for group in range(settings.redis.groups):
            redis.set(GroupKeys("live", group).watermark(TopicPartition(CONVERSIONS.name, 0)), "9:1")
        return bounds

    monkeypatch.setattr("reshelf.doctor.refusals.log_bounds", bounds_before_more_is_applied)
    assert [finding.state for finding in look_at_state(settings)] == ["ok"]


def test_a_state_further_than_the_log_is_told(settings: Settings, redis: Redis) -> None:
    for group in range(settings.redis.groups):
        redis.set(GroupKeys("live", group).watermark(TopicPartition(CONVERSIONS.name, 0)), "9:1")
    read, published = (progress_keys("live", settings.redis.groups, number) for number in range(2))
    redis.mset({read.marks[CLICKS.name]: "5:1", published.published[CONVERSIONS.name]: "4"})
    assert [detail.partition(", but the log ends at 0")[0] for detail in said(settings)] == [
        "the state has applied events-conversions/0 up to offset 9",
        "attribution has read events-clicks/0 up to offset 5",
        "attribution has published decisions to events-conversions/1 up to offset 4",
    ]


def test_a_log_that_was_made_again_is_told_though_it_is_as_long(settings: Settings, redis: Redis) -> None:
    producer = Producer(dict(confluent_producer_config(settings.kafka)))
    for value in (b"{}", b"[]"):
        producer.produce(settings.kafka.prefix + CLICKS.name, value, b"u", partition=1)
    flush(producer)
    for group in range(settings.redis.groups):
        redis.set(GroupKeys("live", group).watermark(TopicPartition(CLICKS.name, 1)), "2:1:1:1")
    (detail,) = said(settings)
    assert detail.startswith("the log of events-clicks/1 is not the one that the state was folded from")


def test_a_log_that_begins_later_is_refused_unless_loss_is_accepted() -> None:
    assert check_begin("events-clicks/0", 9, 9, accept_loss=False) == 0
    assert check_begin("events-clicks/0", 5, 9, accept_loss=True) == 4
    with pytest.raises(StateAttention, match="4 offsets of events-clicks/0 were deleted before they were read"):
        check_begin("events-clicks/0", 5, 9, accept_loss=False)


def test_addresses_beyond_this_machine_want_a_token() -> None:
    assert list(access_findings(Settings())) == []
    open_ = {"host": "0.0.0.0"}
    settings = Settings().changed(health=open_ | {"port": 8081}, console=open_, edge=open_)
    assert [(one.about, one.state) for one in access_findings(settings)] == [
        ("health", "bad"), ("edge", "bad"), ("console", "bad"),
    ]  # fmt: skip
    token = {"token": SecretStr("a-token-of-some-length")}
    assert list(access_findings(settings.changed(health=token, console=token, edge=token))) == []
    assert list(access_findings(Settings().changed(health=open_))) == []
    (finding,) = access_findings(Settings().changed(notices={"mail_to": "ops@shop.example"}))
    assert (finding.about, finding.state) == ("notices", "bad") and "notices.smtp_host" in finding.detail


@pytest.mark.parametrize("role", ["attribution", "learner"])
def test_a_folder_that_cannot_be_written_or_is_on_a_full_disk_is_told(
    role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use = DiskUse(79, 100)
    monkeypatch.setattr("reshelf.doctor.refusals.disk_use", lambda folder: use)
    new = Settings().changed(**{role: {"folder": str(tmp_path / "new" / "own")}})
    assert list(folder_findings(new)) == []
    use = DiskUse(81, 100)
    findings = [finding for finding in folder_findings(new) if role in finding.about]
    assert [(finding.state, finding.about) for finding in findings] == [("note", f"{role} folder")]
    assert "81% full" in findings[0].detail and f"{role}.folder" in findings[0].remedy
    use = DiskUse(1, 100)
    (tmp_path / "file").write_text("")
    (finding,) = folder_findings(Settings().changed(**{role: {"folder": str(tmp_path / "file" / "own")}}))
    assert finding.state == "note" and str(tmp_path / "file") in finding.detail


def test_how_full_a_disk_is_is_a_metric(tmp_path: Path) -> None:
    metrics = Registry()

    async def run() -> None:
        following = asyncio.create_task(follow_disk_use("learner.folder", tmp_path / "new" / "own", metrics))
        async with asyncio.timeout(10):
            while not list(metrics.samples()):
                await asyncio.sleep(0.01)
        following.cancel()

    asyncio.run(run())
    use = disk_use(tmp_path)
    assert metrics.value("reshelf_disk_used_ratio", "learner.folder") == pytest.approx(use.ratio, abs=0.1)
    assert 0 < use.used <= use.size


def test_an_encoder_that_would_not_start_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason=NO_TORCH)
    assert list(encoder_finding(Settings())) == []
    (tmp_path / "modules.json").write_text('[{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]')
    (finding,) = encoder_finding(Settings().changed(encoder={"model": str(tmp_path)}))
    assert finding.state == "note" and "Dense" in finding.detail
    (tmp_path / "modules.json").unlink()
    (finding,) = encoder_finding(Settings().changed(encoder={"model": str(tmp_path)}))
    assert "expected weights as *.safetensors" in finding.detail
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (finding,) = encoder_finding(Settings().changed(encoder={"device": "cuda"}))
    assert "expected a CUDA device" in finding.detail
