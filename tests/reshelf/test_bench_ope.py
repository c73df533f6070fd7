"""The simulated logs of `reshelf bench ope`: their truth is the truth, and the command says what it should."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from bench.evaluation.coverage import coverage, false_alarms
from bench.evaluation.estimates import CLUSTERED, DEFAULTS, TARGETS, Plan, simulated, value, world
from bench.evaluation.open_bandit import rows, swapped
from bench.evaluation.texts import TEXTS, ladders
from reshelf.cli.main import run

SMALL = Plan(items=12, slots=4, units=1_500, views=4_000, layouts=4)


def test_the_targets_own_logs_have_the_value_that_is_called_true() -> None:
    errors = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        page = world(random, SMALL)
        parts = list(simulated(random, page, SMALL, TARGETS))
        found = value(random, page, parts, 0, "click", SMALL)
        errors.append(found.on_policy.value / found.truth - 1.0)
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(len(errors))


def test_intervals_cover_and_what_is_far_is_refused() -> None:
    tallies = coverage(24, 2, SMALL)
    near = [tally for key, tally in tallies.items() if key.target.near]
    assert sum(tally.covered for tally in near) / sum(len(tally.widths) for tally in near) >= 0.9
    for key, tally in tallies.items():
        if not key.target.near and key.estimator == "item-position":
            assert tally.refused == tally.logs
    assert {key.estimator for key in tallies} == {*DEFAULTS, CLUSTERED}
    assert {key.texts for key in tallies if key.estimator == CLUSTERED} == set(TEXTS)
    refusals = {
        name: sum(tally.refused for key, tally in tallies.items() if key.target.near and key.estimator == name)
        for name in ("item-position", CLUSTERED)
    }
    assert refusals[CLUSTERED] < refusals["item-position"]


def test_items_with_alike_texts_earn_alike_as_far_as_texts_tell() -> None:
    """Variance of log attractiveness within ten clusters of a hundred items, relative to all of it."""
    random, within = np.random.default_rng(1), dict[str, list[float]]()
    for _ in range(40):
        attraction = np.clip(random.beta(1.5, 40.0, 100), 0.005, 0.1)
        score = np.log(attraction)
        for texts, ladder in ladders(random, attraction).items():
            level = next(level for level in ladder[:, :-1] if level.max() < 10)
            rest = score - np.array([score[level == group].mean() for group in range(level.max() + 1)])[level]
            within.setdefault(texts, []).append(float(rest.var() / score.var()))
    assert np.mean(within["half"]) < 0.75 < 0.9 < np.mean(within["nothing"])


def test_who_looks_is_seldom_fooled() -> None:
    assert max(false_alarms(40, 20, seed=3).values()) <= 0.075


@pytest.fixture
def open_bandit() -> Path:
    """The sample of the Open Bandit Dataset that its package holds."""
    spec = find_spec("obp")
    if spec is None or spec.origin is None:
        pytest.skip("obp is not installed")
    return Path(spec.origin).parent / "dataset" / "obd"


def test_each_policy_of_the_open_bandit_sample_is_valued_from_the_log_of_the_other(open_bandit: Path) -> None:
    for found in swapped(open_bandit):
        assert found.agree, found
        assert found.estimates[0].value == pytest.approx(by_hand(open_bandit, found.logged, found.target))


def by_hand(folder: Path, logged: str, target: str) -> float:
    """Inverse propensity scoring row by row."""
    log, shares = rows(folder, logged), rows(folder, target).shares()
    weighted = [
        click * shares.get(place, 0.0) / propensity
        for place, click, propensity in zip(log.places, log.clicks, log.propensities, strict=True)
    ]
    return float(np.mean(weighted))


def test_the_command_answers_with_one_object(open_bandit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--logs", "2", "--views", "1000", "--analyses", "3", "--open-bandit", str(open_bandit)]
    assert run(["bench", "ope", "--json", *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"coverage_click", "coverage_revenue", "false_alarm_rate", "refusal_rate"} <= set(told)
    assert [found["agree"] for found in told["open_bandit"]] == [True, True]
    assert len(told["targets"]) == len(TARGETS) * 2 * (len(DEFAULTS) + len(TEXTS))


def test_a_log_of_any_length_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "evaluation", "--views", "1100", "--policy", "served", "--export", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["views"], content["layouts"], content["rows"]) == (1_100, 200, 13_200)
    assert sum(page["views"] for page in content["pages"].values()) == 1_100
    assert min(content["views_per_s"], content["rss_mb"], *content["seconds"].values()) > 0
