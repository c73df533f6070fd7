"""The command line: what it prints, how it ends, and that the deployment files call it rightly."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition
from redis import Redis

from reshelf.cli.main import run
from reshelf.topics.admin import apply
from schemas.codec import encode
from schemas.messages.catalog import CatalogItem
from schemas.topics import EVENT_TOPICS
from streams.settings import FoldSettings, KafkaSettings
from streams.state import keys
from streams.state.manifest import manifest_of
from tests.reshelf.environments import alone

__all__ = ["alone"]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, broker: str, prefix: str) -> KafkaSettings:
    """Settings in the environment that point at the embedded broker, topics created."""
    monkeypatch.setenv("RESHELF_KAFKA__BOOTSTRAP", broker)
    monkeypatch.setenv("RESHELF_KAFKA__PREFIX", prefix)
    monkeypatch.setenv("RESHELF_KAFKA__PARTITIONS", "2")
    settings = KafkaSettings(bootstrap=broker, prefix=prefix, partitions=2)
    apply(settings)
    return settings


def test_help_lists_commands_without_importing_them() -> None:
    code = "import sys; from reshelf.cli.main import run; run(['--help']); print('faust' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.endswith("False\n")
    assert re.search(r"^  doctor +Check settings", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("arguments", [["nothing"], ["topics", "--nothing"], ["publish"], ["--settings"]])
def test_wrong_use_is_two(arguments: list[str]) -> None:
    assert run(arguments) == 2


def test_wrong_settings_are_two_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RESHELF_KAFKA__PARTITIONS", "none")
    assert run(["settings"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "kafka.partitions: expected a valid integer" in told.err
    assert "Traceback" not in told.err


def test_no_broker_is_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RESHELF_KAFKA__BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setattr("reshelf.topics.admin.TIMEOUT_S", 1.0)
    assert run(["topics", "list"]) == 1
    assert "does not answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--json", "topics", "list"], 1, "Kafka at 127.0.0.1:1 does not answer"),
        (["rules", "list", "--json"], 1, "Kafka does not answer: no partitions"),
        (["topics", "list", "--nothing", "--json"], 2, "No such option"),
        (["settings", "--settings", "nowhere.toml", "--json"], 2, "expected a TOML file"),
    ],
)
def test_a_failure_is_one_object_for_scripts_and_one_line_for_people(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    arguments: list[str],
    status: int,
    said: str,
) -> None:
    monkeypatch.setenv("RESHELF_KAFKA__BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setattr("reshelf.topics.admin.TIMEOUT_S", 1.0)
    monkeypatch.setattr("streams.kafka.reader.METADATA_S", 1.0)
    assert run(arguments) == status
    told = capsys.readouterr()
    assert said in json.loads(told.out)["error"]
    assert said in told.err
    assert not caplog.records


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("doctr", "No such command 'doctr'. Did you mean doctor?"),
        ("topics aply", "No such command 'aply'. Did you mean apply?"),
        ("demo --secnds 3", "Did you mean --seconds?"),
    ],
)
def test_a_mistyped_name_is_answered_with_one_like_it(capsys: pytest.CaptureFixture[str], line: str, said: str) -> None:
    assert run(line.split()) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("line", ["explain home cooks --slot x", "zzzz", "topics zzzz"])
def test_a_name_like_no_other_is_answered_with_none(capsys: pytest.CaptureFixture[str], line: str) -> None:
    assert run(line.split()) == 2
    assert "Did you mean" not in capsys.readouterr().err


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("reshelf.settings.template", broken)
    with pytest.raises(ZeroDivisionError):
        run(["settings", "--template"])


@pytest.mark.parametrize("arguments", [["--embedded", "--json", "doctor"], ["doctor", "--json", "--embedded"]])
def test_shared_options_before_and_after(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_servers_end_with_a_terminated_command() -> None:
    code = "import sys, time, click; from reshelf.cli.main import cli, run\n"
    code += "@cli.command('hold')\n@click.pass_obj\ndef hold(front):\n"
    code += "    print(front.settings.kafka.bootstrap, flush=True); time.sleep(600)\n"
    code += "cli.get_command = lambda *_: hold\nsys.exit(run(['--embedded', 'hold']))"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    with holder:
        assert holder.stdout is not None
        host, port = holder.stdout.readline().split(":")
        holder.terminate()
        assert holder.wait(120) == 143
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0


def test_schemas_export_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schemas", "export", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "asyncapi.json").is_file()
    assert run(["schemas", "check"]) == 0
    assert capsys.readouterr().out.endswith("nothing breaks\n")


def test_publish_then_read(here: KafkaSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    item = encode(CatalogItem(item="a", title="A"))
    lines = tmp_path / "items.jsonl"
    lines.write_bytes(item + b'\n\n{"key": "b", "value": null}\n')
    assert run(["publish", str(lines), "--topic", "catalog-items", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"topic": f"{here.prefix}catalog-items", "published": 2}
    assert sorted(records(here, "catalog-items", 2)) == [(b"a", item), (b"b", None)]


def test_an_empty_file_is_told(here: KafkaSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = tmp_path / "items.jsonl"
    lines.write_text("\n")
    assert run(["publish", str(lines), "--topic", "catalog-items"]) == 0
    assert capsys.readouterr().out == f"0 published to catalog-items: {lines} is empty\n"


def test_a_state_without_counts_is_told(
    redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RESHELF_REDIS__URL", redis_url)
    starts = {topic.name: [0] for topic in EVENT_TOPICS}
    redis.set(keys.manifest("live"), msgspec.json.encode(manifest_of("live", "reshelf-", starts, 16, FoldSettings())))
    assert run(["experiment", "status"]) == 0
    assert capsys.readouterr().out.startswith("no page has counts yet")


def test_forget_publishes_a_null_under_the_key_of_each_unit(
    here: KafkaSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["forget", "unit-1", 'a "quoted" one', "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"units": 2}
    assert sorted(records(here, "events-clicks", 2)) == [(b'a "quoted" one', None), (b"unit-1", None)]


def test_a_unit_without_a_name_is_refused_before_any_is_forgotten(
    here: KafkaSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["forget", "unit-1", ""]) == 2
    assert 'expected unit, got [""]' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"item": 3}', "line 2: Expected `str`, got `int` - at `$.item`"),
        ('{"item"', "line 2: Input data was truncated"),
        ('{"key": ["a", "b"], "value": null}', 'line 2: expected item, got ["a", "b"] - at `$.key`'),
    ],
)
def test_one_bad_line_and_nothing_is_sent(
    here: KafkaSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    lines = tmp_path / "items.jsonl"
    lines.write_text('{"key": "b", "value": null}\n' + line)
    assert run(["publish", str(lines), "--topic", f"{here.prefix}catalog-items"]) == 2
    assert message in capsys.readouterr().err
    assert list(records(here, "catalog-items", 1, limit_s=0.5)) == []


def test_a_tombstone_without_meaning_is_refused(
    here: KafkaSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "events.jsonl"
    lines.write_text('{"key": "u", "value": null}')
    assert run(["publish", str(lines), "--topic", "events-impressions"]) == 2
    assert "a null value means nothing in events-impressions" in capsys.readouterr().err


def test_a_refused_record_is_named_with_its_line(
    here: KafkaSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "items.jsonl"
    lines.write_text("\n" + json.dumps({"item": "a", "title": "A", "more": "x" * 2_000_000}))
    assert run(["publish", str(lines), "--topic", "catalog-items"]) == 1
    assert "items.jsonl, line 2: " in capsys.readouterr().err


def test_a_missing_topic_is_not_created(
    here: KafkaSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESHELF_KAFKA__PREFIX", "absent-")
    lines = tmp_path / "items.jsonl"
    lines.write_text('{"key": "b", "value": null}')
    for _ in range(2):
        assert run(["publish", str(lines), "--topic", "catalog-items"]) == 1
        assert "absent-catalog-items is not there; run `reshelf topics apply`" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["dead-letters", "layout", ""])
def test_an_unknown_topic_is_two(name: str, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    assert run(["publish", str(tmp_path / "f"), "--topic", name]) == 2


def records(kafka: KafkaSettings, topic: str, count: int, limit_s: float = 10.0) -> Iterator[tuple[Any, Any]]:
    """Key and value of up to `count` records of both partitions."""
    settings = {"bootstrap.servers": kafka.bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    try:
        consumer.assign([TopicPartition(kafka.prefix + topic, number, 0) for number in range(kafka.partitions)])
        for message in consumer.consume(count, timeout=limit_s):
            if message.error() is None:
                yield message.key(), message.value()
    finally:
        consumer.close()
