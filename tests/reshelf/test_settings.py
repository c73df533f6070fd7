"""Environment over file over defaults; wrong settings are named with origin and remedy."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from reshelf.cli.setup.settings import HANG, lines_of
from reshelf.settings import Settings, as_file, fields, load_settings, template, values_with_sources
from reshelf.terminal.prose import wrapped
from schemas.errors import BadSettings
from streams.state.connection.client import redis_sync_client
from tests.reshelf.environments import alone, in_environment

__all__ = ["alone"]


def test_environment_over_file_over_default(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("reshelf.toml").write_text('[kafka]\nbootstrap = "file:1"\npartitions = 7\n')
    monkeypatch.setenv("RESHELF_KAFKA__BOOTSTRAP", "environment:1")
    loaded = load_settings()
    assert (loaded.settings.kafka.bootstrap, loaded.settings.kafka.partitions) == ("environment:1", 7)
    assert loaded.settings.redis == Settings().redis
    assert loaded.origin("kafka.bootstrap") == "environment RESHELF_KAFKA__BOOTSTRAP"
    assert loaded.origin("kafka.partitions") == "file reshelf.toml"
    assert loaded.origin("redis.url") == "default"


def test_overrides_win_and_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESHELF_KAFKA__BOOTSTRAP", "environment:1")
    loaded = load_settings(overrides={"kafka.bootstrap": "own:1"}, why="--embedded")
    assert (loaded.settings.kafka.bootstrap, loaded.origin("kafka.bootstrap")) == ("own:1", "--embedded")


def test_named_file_wins_over_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(f'[kafka]\nprefix = "{name}-"\n')
    monkeypatch.setenv("RESHELF_SETTINGS", str(tmp_path / "a"))
    assert load_settings().settings.kafka.prefix == "a-"
    assert load_settings(tmp_path / "b").settings.kafka.prefix == "b-"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RESHELF_KAFKA__PARTITIONS", "0", r"kafka\.partitions: expected greater than or equal to 1, got '0' \(from"),
        ("RESHELF_KAFKA__BOOTSTRP", "x", r"kafka\.bootstrp: no such setting; did you mean kafka\.bootstrap\? \(from"),
        ("RESHELF_KAFAK__BOOTSTRAP", "x", r"kafak\.bootstrap: no such setting; did you mean kafka\.bootstrap\?"),
        ("RESHELF_FOLD__CURRENCY", "euro", r"fold\.currency: expected .*pattern '\^\[A-Z\]\{3\}\$', got 'euro'"),
        (
            "RESHELF_SEGMENTS__PUBLISH_UNITS",
            "true",
            r"publish_units: expected false without segments\.learned, got true",
        ),
        ("RESHELF_KAFKA", "3", r"kafka: expected a valid dictionary"),
        ("RESHELF_KAFKA", "{", r"environment: "),
        ("RESHELF_REDIS__URL", "http://me:secret@x", r"got 'http://x'"),
        (
            "RESHELF_REDIS__URL",
            "redis://:secret@h:99999/0",
            r"redis\.url: expected redis://host:port/data.*65535",
        ),
        ("RESHELF_REDIS__URL", "redis://h:abc/0", r"redis\.url: expected .*got 'redis://h:abc/0' \(from environment"),
        ("RESHELF_REDIS__URL", "redis://h:1/abc", r"redis\.url: expected .* a number last"),
        ("RESHELF_REDIS__URL", "redis://h:1?db=abc", r"redis\.url: expected .* a number last"),
        ("RESHELF_REDIS__URL", "redis://h:1,i:2", r"redis\.cluster: expected true, as redis\.url names several nodes"),
    ],
)
def test_wrong_settings_are_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=message) as caught:
        load_settings()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["redis://h", "redis://h:1/", "redis://me:a,b@[::1]:1/3", "rediss://h:1?db=2", "unix:///tmp/r.sock?db=1"],
)
def test_addresses_of_redis_are_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("RESHELF_REDIS__URL", url)
    assert load_settings().settings.redis.url == url.replace("me:a,b@", "")
    monkeypatch.setenv("RESHELF_REDIS__URL", "redis://h:1,i:2")
    monkeypatch.setenv("RESHELF_REDIS__CLUSTER", "true")
    assert load_settings().settings.redis.cluster


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:sec/ret@h:1/2",
        "redis://me:sec@ret@h:1/2",
        "redis://me:sec?#ret@h:1/2",
        "redis://me:sec%2Fret@h:1/2",
        "redis://h:1/2?username=me&password=sec%2Fret",
        "redis://other:one@h:1/2?password=sec%40ret&username=me",
        "unix://me:sec/ret@/tmp/r.sock?db=2",
    ],
)
def test_a_password_in_the_address_is_used_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("RESHELF_REDIS__URL", url)
    loaded = load_settings()
    connection = redis_sync_client(loaded.settings.redis).connection_pool.connection_kwargs
    assert connection["username"] == "me" and re.fullmatch("sec.{1,3}ret", connection["password"])
    assert str(connection["db"]) == "2"
    shown = str(values_with_sources(loaded)) + repr(loaded.settings.redis)
    assert not re.search(r"\bsec\b|ret@", shown)
    in_environment(loaded.settings, monkeypatch)
    assert load_settings().settings.redis == loaded.settings.redis


@pytest.mark.parametrize(
    "content",
    [
        'url = "me:sec/ret@h:1"',
        'url = "http://me:sec/ret@h:1"',
        'url = "redis://h:abc?password=sec/ret"',
        'url = "redis://:sec/ret@h:99999"',
        'url = ["redis://me:sec/ret@h"]',
        'url = { password = "sec/ret" }',
        'password = ["sec/ret"]',
        'passwort = "sec/ret"',
        'groups = "redis://me:sec/ret@h"',
    ],
)
def test_no_complaint_repeats_a_secret(content: str) -> None:
    Path("reshelf.toml").write_text(f"[redis]\n{content}\n")
    with pytest.raises(BadSettings, match=r"redis\.") as caught:
        load_settings()
    assert "sec/ret" not in str(caught.value)
    Path("reshelf.toml").write_text('redis = "sec/ret"\n')
    with pytest.raises(BadSettings, match="redis: expected") as caught:
        load_settings()
    assert "sec/ret" not in str(caught.value)


def test_chosen_keys_are_written_as_a_file_without_secrets(tmp_path: Path) -> None:
    settings = Settings(kafka={"prefix": "a-"}, redis={"url": "redis://me:secret@h:1/2", "groups": 7})
    keys = ("kafka.prefix", "redis.url", "redis.password", "redis.groups", "fold.currency")
    text = as_file(settings, keys)
    assert "secret" not in text
    (tmp_path / "own.toml").write_text(text)
    read = load_settings(tmp_path / "own.toml").settings
    assert (read.kafka, read.fold) == (settings.kafka, settings.fold)
    assert (read.redis.url, read.redis.groups) == ("redis://h:1/2", 7)


def test_all_wrong_keys_are_told_at_once() -> None:
    Path("reshelf.toml").write_text("[kafka]\npartitions = 0\n[learner]\nrecent = -1\n")
    with pytest.raises(BadSettings, match=r"(?s)kafka\.partitions.*file reshelf\.toml.*learner\.recent"):
        load_settings()


def test_an_experiment_cannot_begin_within_the_only_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESHELF_EXPERIMENT__SINCE_MS", "1790000000000")
    assert load_settings().settings.experiment.since_ms == 1_790_000_000_000
    monkeypatch.setenv("RESHELF_FOLD__BUCKET_MS", "0")
    with pytest.raises(BadSettings, match=r"since_ms: expected 0 where fold\.bucket_ms is 0, got 1790000000000 \(from"):
        load_settings()
    monkeypatch.setenv("RESHELF_EXPERIMENT__SINCE_MS", "0")
    assert load_settings().settings.fold.bucket_ms == 0


@pytest.mark.parametrize("written", ["2026-12-01T01:00:00+01:00", '"2026-12-01T00:00:00Z"', "1796083200000"])
def test_an_experiment_begins_at_a_time_with_its_zone(written: str) -> None:
    Path("reshelf.toml").write_text(f'[experiment]\nsince_ms = {written}\n[shop]\ntime_zone = "Europe/Berlin"\n')
    settings = load_settings().settings
    assert settings.experiment.since_ms == 1_796_083_200_000
    assert str(settings.shop.zone) == "Europe/Berlin"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[experiment]\nsince_ms = 1796083200", r"experiment\.since_ms: .*file.*looks like seconds .*1796083200000"),
        ("[experiment]\npre_period_since_ms = 1796083200", r"pre_period_since_ms: .*looks like seconds"),
        ("[experiment]\nsince_ms = 2026-12-01", r"since_ms: expected a time with its zone like 2026-12-01T06"),
        ('[experiment]\nsince_ms = "soon"', r"since_ms: expected milliseconds since 1970 or a time with its zone"),
        ('[shop]\ntime_zone = "Berlin"', r"shop\.time_zone: expected the IANA name of a time zone, like Europe/Berlin"),
        ('[shop]\ntime_zone = "../etc/passwd"', r"shop\.time_zone: expected the IANA name"),
    ],
)
def test_times_that_nobody_means_are_refused(line: str, message: str) -> None:
    Path("reshelf.toml").write_text(line)
    with pytest.raises(BadSettings, match=message):
        load_settings()


@pytest.mark.parametrize("content", [b"[kafka", b"\xff"])
def test_a_file_that_is_not_toml(content: bytes) -> None:
    Path("reshelf.toml").write_bytes(content)
    with pytest.raises(BadSettings, match=r"settings file reshelf\.toml: expected TOML"):
        load_settings()


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="which is not there"):
        load_settings(tmp_path / "absent.toml")


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESHELF_KAFKA__PASSWORD", "s3cret")
    monkeypatch.setenv("RESHELF_REDIS__URL", "rediss://me:s3cret@host:1/0")
    assert "s3cret" not in str(values_with_sources(load_settings()))


def test_a_child_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("reshelf.toml").write_text('[redis]\npassword = "p"\n[learner]\nadvance_s = 0.5\naccept_loss = true\n')
    loaded = load_settings()
    in_environment(loaded.settings, monkeypatch)
    Path("reshelf.toml").unlink()
    assert load_settings().settings == loaded.settings


@pytest.mark.parametrize("key", dict(fields()))
def test_every_setting_says_what_it_is_in_sentences_that_can_be_read_alone(key: str) -> None:
    text = dict(fields())[key].description or ""
    assert text[:1].isupper()
    assert text.endswith(".")
    assert not re.search(r"\b(?:so (?:long|often|much)|the same for)\b", text)
    unit = "milliseconds" if key.endswith("_ms") else "second" if key.endswith("_s") else ""
    assert unit in text


def test_template_holds_every_key_with_its_default() -> None:
    commented = template()
    bare = "\n".join(line.removeprefix("# ") if " = " in line else line for line in commented.splitlines())
    read = tomllib.loads(bare)
    assert [f"{group}.{key}" for group, keys in read.items() for key in keys] == [key for key, _ in fields()]
    Path("reshelf.toml").write_text(bare)
    assert load_settings().settings == Settings()
    assert tomllib.loads(commented) == {group: {} for group in read}


def test_no_line_of_settings_is_wider_than_a_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "of-a-shop.toml"
    file.write_text(f'[kafka]\nbootstrap = "{",".join(f"broker-{number}.shop:9092" for number in range(2))}"\n')
    monkeypatch.setenv("RESHELF_SETTINGS", str(file))
    monkeypatch.setenv("RESHELF_EXPERIMENT__PRE_PERIOD_SINCE_MS", "1780000000000")
    monkeypatch.setenv("RESHELF_EXPERIMENT__SINCE_MS", "1790000000000")
    rows = [
        (key, value, origin.replace(str(tmp_path), "/srv"))
        for key, value, origin in values_with_sources(load_settings())
    ]
    lines = [line for text in lines_of(rows) for line in wrapped(text, 80, HANG)]
    assert max(map(len, lines)) <= 80 and len(lines) > len(rows)
    assert "1790000000000" in "\n".join(lines) and any(line.startswith(" " * HANG) for line in lines)
