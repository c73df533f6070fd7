"""The simulated logs of `reshelf bench ope`: their truth is the truth, and the command says what it should."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.coverage import coverage, false_alarms
from bench.ope import DEFAULTS, TARGETS, Plan, simulated, value, world
from reshelf.command import run

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
    tallies = coverage(40, 2, SMALL)
    near = [tally for key, tally in tallies.items() if key.target.near]
    assert sum(tally.covered for tally in near) / sum(len(tally.widths) for tally in near) >= 0.9
    for key, tally in tallies.items():
        if not key.target.near and key.estimator == "item-position":
            assert tally.refused == tally.logs
    assert {key.estimator for key in tallies} == set(DEFAULTS)


def test_who_looks_is_seldom_fooled() -> None:
    assert max(false_alarms(40, 20, seed=3).values()) <= 0.075


def test_the_command_answers_with_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "ope", "--json", "--logs", "2", "--views", "1000", "--looks", "3"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"coverage_click", "coverage_revenue", "false_alarm_rate", "refusal_rate"} <= set(told)
    assert len(told["targets"]) == len(TARGETS) * 2 * len(DEFAULTS)
