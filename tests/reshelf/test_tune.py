"""`reshelf tune`, small: ranked as it was raced, alike with any number of processes, and recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policy.simulation.search import Among, Between
from reshelf.cli.main import run
from reshelf.evaluation.tuning import declared, setup_of, trials
from schemas.errors import BadSettings

SHOP = ["--segments", "2", "--items", "16", "--slots", "4", "--views", "1500", "--seeds", "2"]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but the defaults, and a folder for records."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESHELF_RUNS__FOLDER", "kept")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run(["tune", *SHOP, *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_answer_is_the_seeds_whatever_the_processes(capsys: pytest.CaptureFixture[str]) -> None:
    tried = ["--try", "policy.name=uniform,greedy", "--seed", "3"]
    one, two = (told(capsys, *tried, "--processes", str(count)) for count in (1, 2))
    assert one == two
    means = [row["regret"]["mean"] for row in one["ranking"]]
    assert means == sorted(means)
    assert [row["settings"] for row in one["ranking"]].index({"policy.name": "uniform"}) == 2
    current = next(row for row in one["ranking"] if row["current"])
    assert current["ratio_to_current"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    for row in one["ranking"]:
        assert row["regret"]["low"] <= row["regret"]["mean"] <= row["regret"]["high"]
    best = one["ranking"][0]
    assert best["current"] == (one["best_again"] is None)
    assert one["seeds"] == [3, 4]
    kept = [json.loads(path.read_text()) for path in Path("kept").glob("tune-*.json")]
    assert [one["results"]["ranking"] for one in kept] == [one["ranking"], two["ranking"]]
    assert kept[0]["asked"]["try"] == ["policy.name=uniform,greedy"]


def test_a_range_is_drawn_from_and_shown_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = ["--try", "layouts.strength=5..500", "--samples", "1", "--processes", "1"]
    assert run(["tune", *SHOP, *drawn]) == 0
    out = capsys.readouterr().out
    assert "as they are now" in out
    assert "layouts.strength=" in out


def test_what_is_declared_is_read() -> None:
    space = declared(["policy.name=ucb,greedy", "layouts.exploration=0.1..2", "policy.variants=8..32"])
    assert space == {
        "policy.name": Among(("ucb", "greedy")),
        "layouts.exploration": Between(0.1, 2.0),
        "policy.variants": Between(8, 32, whole=True),
    }


def test_a_trial_stands_in_for_the_settings_in_effect() -> None:
    setup = setup_of(None, (("layouts.exploration", 0.25), ("policy.exploration", 2.0), ("layouts.strength", 9)))
    assert (setup.choice.exploration, setup.strength, setup.click_rate) == (0.5, 9.0, 0.02)
    assert setup_of(None, ()).choice.exploration == 0.33


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--try", "layouts.colour=1"], "expected NAME=VALUES"),
        (["--try", "layouts.strength"], "expected NAME=VALUES"),
        (["--try", "policy.name=ucb", "--try", "policy.name=greedy"], "each of these names once"),
        (["--try", "layouts.strength=9..5"], "two ascending numbers, got '9..5'"),
        (["--try", "layouts.strength=5..50"], "is a range: add --samples"),
        (["--try", "layouts.strength=-1"], "layouts.strength: expected greater than 0, got -1 (from --try)"),
        (["--try", "policy.name=best"], "--try: policy: Invalid enum value 'best'"),
        (["--try", "policy.name=ucb", "--items", "4"], "expected more than the 4 slots"),
        ([], "Missing option '--try'"),
    ],
)
def test_wrong_use_is_told(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert run(["tune", *SHOP, *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not Path("kept").exists()


def test_a_grid_needs_values() -> None:
    with pytest.raises(BadSettings, match=r"layouts\.strength is a range"):
        trials(declared(["layouts.strength=1..2"]), 0, 0)
