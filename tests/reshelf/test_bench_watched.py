"""`reshelf bench ope --watched`: nothing is to be gained on its logs, and who looks is seldom fooled."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.evaluation.watched import FIGURES, WATCHED, looks, summary, watched
from bench.evaluation.watched_log import REWARDS, WatchedPlan, shop, simulated
from reshelf.cli.main import run

SMALL = WatchedPlan(units=1_500, views=6_000, layouts=3, looks=12)


@given(st.integers(0, 1_000))
@settings(max_examples=20)
def test_the_target_is_worth_as_much_as_what_is_served(seed: int) -> None:
    page = shop(np.random.default_rng(seed), SMALL)
    for part in simulated(np.random.default_rng(seed), SMALL):
        np.testing.assert_allclose(page.worth(part.served[:-1]), part.truth)
        assert set(part.target[:, 0]) <= set(part.served[:, 0])


def test_each_look_has_all_page_views_until_then() -> None:
    parts = simulated(np.random.default_rng(1), SMALL)
    for number, look in enumerate(looks(parts, SMALL), start=1):
        for evidence in look.evidence.values():
            assert evidence.lacking.tolist() == [0.0, number * SMALL.views / SMALL.looks, 0.0]


def test_who_looks_is_seldom_fooled() -> None:
    figures = summary(watched(24, 3, SMALL), 24)
    assert figures["watched_false_rate"] <= 0.1 < figures["single_look_false_rate"]
    assert figures["coverage"] >= 0.9


def test_what_has_no_bounds_in_most_runs_says_nothing_of_coverage() -> None:
    figures = summary(watched(1, 3, WatchedPlan(units=100, views=120, layouts=2, looks=2)), 1)
    assert (figures["watched_false_rate"], figures["coverage"], figures["single_look_coverage"]) == (0.0, None, None)


def test_looks_are_as_many_at_each_layout() -> None:
    assert (SMALL.looked_at(60).looks, SMALL.looked_at(10).looks, SMALL.looked_at(2).layouts) == (60, 9, 2)


def test_the_command_answers_with_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "ope", "--watched", "--runs", "2", "--analyses", "6", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert {"watched_false_rate", "single_look_false_rate", "coverage", "single_look_coverage"} <= set(content)
    assert (content["runs"], content["looks"]) == (2, 6)
    assert len(content["figures"]) == len(REWARDS) * len(WATCHED) * len(FIGURES)
    assert run(["bench", "ope", "--watched", "--runs", "1", "--analyses", "6"]) == 0
    assert "left the truth out in" in capsys.readouterr().out
