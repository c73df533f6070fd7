"""`reshelf bench decisions --chain`: expected orders are more exact by all stages than by matured clicks alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.decisions import chain
from bench.decisions.chain import FUNNELS, estimate, measure
from policy.model.posteriors import interval
from policy.simulation.funnel import Funnel, count_funnel
from reshelf.cli.main import run


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        ("complete", 0.8),
        ("partial_coverage", 1.0),
        ("coverage_by_day", 0.85),
        ("coverage_by_segment", 0.85),
        ("even_coverage", 0.9),
        ("unrelated_carts", 1.02),
    ],
)
def test_expected_orders_are_more_exact_with_signals_and_no_worse_where_they_mislead(kind: str, most: float) -> None:
    results = [measure(FUNNELS[kind], seed) for seed in range(3)]
    assert np.median([result.chain / result.matured for result in results]) <= most
    assert np.median([result.kept_chain / result.kept_matured for result in results]) <= most


def test_cells_that_log_few_carts_are_left_out() -> None:
    for kind in ("coverage_by_day", "coverage_by_segment"):
        assert measure(FUNNELS[kind], 1).included == pytest.approx(0.5, abs=0.05)
    assert measure(FUNNELS["complete"], 1).included > 0.98


def test_intervals_hold_the_truth_about_as_often_as_they_claim() -> None:
    counts = count_funnel(Funnel(fresh=300, established=300), 7)
    chances = estimate(counts)
    for beta, truth in ((chances.chain, counts.orders), (chances.keeping, counts.kept_orders)):
        low, high = interval(beta.a, beta.b)
        assert 0.85 < ((low <= truth) & (truth <= high)).mean() <= 1.0


def test_visitors_do_the_same_whatever_is_logged() -> None:
    complete, partial = (count_funnel(FUNNELS[kind], 8) for kind in ("complete", "partial_coverage"))
    assert np.array_equal(complete.tables.lines, partial.tables.lines)
    assert partial.tables.signals.sum() < 0.8 * complete.tables.signals.sum()
    assert (complete.tables.via <= complete.tables.converted).all()


def test_the_command_answers_with_ratios_of_errors(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    some = ("complete", "partial_coverage")
    monkeypatch.setattr(chain, "FUNNELS", {kind: FUNNELS[kind] for kind in some})
    assert run(["bench", "decisions", "--json", "--chain", "--seeds", "2"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["pages"], tuple(answer["kinds"])) == (20, some)
    assert answer["chain_error_ratio"] == answer["kinds"]["complete"]["ratio"] < 0.8
    assert answer["chain_error_ratio"] < answer["partial_coverage_error_ratio"] < 1.02
    assert answer["kept_error_ratio"] < 0.8
    text = chain.text_of(answer)
    assert f"{answer['chain_error_ratio']:.3f}" in text
    assert "partial coverage" in text
