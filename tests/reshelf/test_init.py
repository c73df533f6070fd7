"""`reshelf init`."""

from __future__ import annotations

from pathlib import Path

import pytest

from reshelf.cli.main import run
from reshelf.settings import load_settings


def test_a_file_is_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "reshelf.toml"
    assert run(["init", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    assert "# bootstrap = " in text
    assert load_settings(file).settings == load_settings().settings
    file.write_text("mine", encoding="utf-8")
    assert run(["init", str(file)]) == 2
    assert file.read_text(encoding="utf-8") == "mine"
    assert "which is there already" in capsys.readouterr().err
