"""The environment that commands and settings are tested in."""

from __future__ import annotations

from pathlib import Path

import pytest

from reshelf.settings import fields, variable


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but those of the test, in each module that imports this."""
    monkeypatch.chdir(tmp_path)
    for key, _ in fields():
        monkeypatch.delenv(variable(key), raising=False)
    monkeypatch.delenv("RESHELF_SETTINGS", raising=False)
