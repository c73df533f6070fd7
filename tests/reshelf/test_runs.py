"""Records of runs: recorded_runs whole, found by the beginning of their ids, compared."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reshelf.cli.main import run as command
from reshelf.evaluation.records.mlflow_files import numbers
from reshelf.evaluation.records.store import differences, find, record, recorded_runs, settings_digest
from reshelf.service_settings import RunsSettings
from reshelf.settings import Settings
from schemas.errors import BadSettings
from streams.page_settings import LayoutSettings
from streams.settings import KafkaSettings


def test_a_run_is_read_as_it_was_kept(tmp_path: Path) -> None:
    settings = Settings(runs=RunsSettings(folder=str(tmp_path / "runs")))
    one = record("tune", settings, {"tries": 3}, {"clicks/0": [0, 9]}, {"best": {"scale": 0.5}}, 1.25)
    other = record("tune", settings, {"tries": 4}, {"clicks/0": [0, 9]}, {"best": {"scale": 0.25}}, 1.25)
    assert one is not None and other is not None
    found = recorded_runs(tmp_path / "runs")
    assert sorted(found, key=lambda run: run.id) == sorted([one, other], key=lambda run: run.id)
    assert find(found, one.id) == one
    with pytest.raises(BadSettings, match="fits 2 runs"):
        find(found, "tune-")
    told = {name: values for name, *values in differences(one, other)}
    assert told["asked.tries"] == [3, 4]
    assert told["results.best.scale"] == [0.5, 0.25]
    assert "log.clicks/0" not in told


def test_runs_are_told_apart_and_compared_in_plain_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(runs=RunsSettings(folder=str(tmp_path)))
    monkeypatch.setenv("RESHELF_RUNS__FOLDER", str(tmp_path))
    made = [
        record(
            "evaluate", settings, {"policy": policy, "page": None}, {},
            {"clicks": [{"estimator": "ips", "value": value, "refused": "why " * 99}, {"estimator": "snips"}]},
        )
        for policy, value in (("greedy", 0.123456789), ("served", None))
    ]  # fmt: skip
    assert command(["runs", "list"]) == 0
    told = capsys.readouterr().out
    assert "policy=greedy" in told and "policy=served" in told and "page" not in told
    assert command(["runs", "compare", *(one.id for one in made if one)]) == 0
    told = capsys.readouterr().out
    assert "results.clicks.ips.value: 0.12346 | None\n" in told
    assert "{" not in told and "snips" not in told and max(map(len, told.splitlines())) < 160


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(NESTED)
def test_only_finite_numbers_are_metrics(values: object) -> None:
    for name, number in numbers({"a": values}):
        assert math.isfinite(number)
        assert re.fullmatch(r"a[\w\-./ ]*", name)


def test_a_run_is_kept_for_mlflow_too(tmp_path: Path) -> None:
    """Read back by its own library."""
    mlflow = pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    settings = Settings(runs=RunsSettings(folder=str(tmp_path / "runs")))
    results = {"regret": {"mean": 3.5, "low": float("-inf")}, "ranking": [{"mean": 1.0}, {"mean": 2.0}], "best": "a"}
    made = [record("tune", settings, {"tries": at, "try": ["a=1,2"]}, {}, results, 2.5) for at in range(2)]
    client = mlflow.MlflowClient(tracking_uri=(tmp_path / "runs" / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("reshelf-tune")
    found = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    for run in made:
        assert run is not None
        kept_ = found.pop(run.id)
        assert kept_.data.params == {"tries": str(run.asked["tries"]), "try": "['a=1,2']"}
        assert kept_.data.metrics == {"regret.mean": 3.5, "ranking.0.mean": 1.0, "ranking.1.mean": 2.0}
        assert {"code", "settings"} <= set(kept_.data.tags)
        assert (kept_.info.status, kept_.info.end_time - kept_.info.start_time) == ("FINISHED", 2_500)
        artifacts = [one.path for one in client.list_artifacts(kept_.info.run_id)]
        assert artifacts == [f"{run.id}.json"]
    assert not found
    assert len(recorded_runs(tmp_path / "runs")) == len(made)


def test_kinds_are_those_that_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RESHELF_RUNS__FOLDER", str(tmp_path))
    assert command(["runs", "list", "--kind", "evaluation"]) == 2
    assert "'replay', 'evaluate', 'tune', 'finetune'" in capsys.readouterr().err
    assert command(["runs", "list", "--kind", "evaluate"]) == 0


def test_nothing_is_kept_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert record("replay", Settings(), {}, {}, {}) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(BadSettings, match=r"x\.json: expected the record of a run"):
        recorded_runs(tmp_path)


def test_the_digest_is_of_what_shapes_results() -> None:
    plain = settings_digest(Settings())
    assert settings_digest(Settings(kafka=KafkaSettings(bootstrap="other:1"))) == plain
    assert settings_digest(Settings(layouts=LayoutSettings(strength=7.0))) != plain
