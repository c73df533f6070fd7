"""Records of runs: kept whole, found by the beginning of their ids, compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from reshelf.runs import differences, find, kept, record, settings_digest
from reshelf.settings import Settings
from schemas.errors import BadSettings
from streams.settings import KafkaSettings, LayoutSettings, RunsSettings


def test_a_run_is_read_as_it_was_kept(tmp_path: Path) -> None:
    settings = Settings(runs=RunsSettings(folder=str(tmp_path / "runs")))
    one = record("tune", settings, {"tries": 3}, {"clicks/0": [0, 9]}, {"best": {"scale": 0.5}}, 1.25)
    other = record("tune", settings, {"tries": 4}, {"clicks/0": [0, 9]}, {"best": {"scale": 0.25}}, 1.25)
    assert one is not None and other is not None
    found = kept(tmp_path / "runs")
    assert sorted(found, key=lambda run: run.id) == sorted([one, other], key=lambda run: run.id)
    assert find(found, one.id) == one
    with pytest.raises(BadSettings, match="fits 2 runs"):
        find(found, "tune-")
    told = {name: values for name, *values in differences(one, other)}
    assert told["asked.tries"] == [3, 4]
    assert told["results.best.scale"] == [0.5, 0.25]
    assert "log.clicks/0" not in told


def test_nothing_is_kept_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert record("replay", Settings(), {}, {}, {}) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(BadSettings, match=r"x\.json: expected the record of a run"):
        kept(tmp_path)


def test_the_digest_is_of_what_shapes_results() -> None:
    plain = settings_digest(Settings())
    assert settings_digest(Settings(kafka=KafkaSettings(bootstrap="other:1"))) == plain
    assert settings_digest(Settings(layouts=LayoutSettings(strength=7.0))) != plain
