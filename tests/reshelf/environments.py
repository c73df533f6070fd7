"""The environment that commands and settings are tested in."""

from __future__ import annotations

from pathlib import Path

import pytest

from reshelf.settings import Settings, as_environment, fields, variable


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but those of the test, in each module that imports this."""
    monkeypatch.chdir(tmp_path)
    for key, _ in fields():
        monkeypatch.delenv(variable(key), raising=False)
    monkeypatch.delenv("RESHELF_SETTINGS", raising=False)


def in_environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Commands and workers will have these settings."""
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    return settings


def use_servers(monkeypatch: pytest.MonkeyPatch, broker: str, redis_url: str, prefix: str) -> None:
    """Settings by which a command and its workers find the servers of the tests."""
    for key, value in {
        "kafka.bootstrap": broker,
        "kafka.prefix": prefix,
        "kafka.session_timeout_s": "3",
        "redis.url": redis_url,
    }.items():
        monkeypatch.setenv(variable(key), value)
