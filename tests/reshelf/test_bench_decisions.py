"""`reshelf bench decisions`, small: the peers that need no library, and the form of the answer."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cli.decisions import PEERS as OFFERED
from bench.decisions.peers import PEERS
from bench.decisions.renewals import STEP
from bench.decisions.trials import Feed, cells
from policy.simulation.means import mean_of, ratio_of, ratio_of_sums
from policy.simulation.race import opened
from policy.simulation.shop import Shape
from reshelf.cli.main import run


def test_contest_answers_with_regret_and_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--seeds", "2", "--tuning-seeds", "1", "--views", "400", "--views", "800", "--visitors", "position"]
    peers = ["--peers", "most-popular", "--peers", "epsilon-greedy", "--delay", "300", "--bound"]
    assert run(["bench", "decisions", "--json", *few, *peers]) == 0
    answer = json.loads(capsys.readouterr().out)
    for field in ("position, with embeddings", "position, without embeddings"):
        for views in ("400", "800"):
            rows = answer["regret"][field][views]
            assert {"reshelf", "uniform", "most-popular", "epsilon-greedy, uncorrected"} <= set(rows)
            ratio = answer["ratio_to_best_peer"][field][views]
            assert 0.0 < ratio["low"] <= ratio["mean"] <= ratio["high"]
            assert ratio["peer"].split(",")[0] in ("most-popular", "epsilon-greedy")
            assert answer["ratio_of_delayed"][field][views]["mean"] > 0.0
            assert 0.5 < answer["coverage"][field][views]["mean"] <= 1.0
            flicker = answer["flicker"][field][views]
            assert flicker["constant"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
            assert 0.0 < flicker["learning"]["mean"] < 1.0
            assert flicker["new_day"] is None
            assert answer["first_day_regret"][field][views]["mean"] == 0.0, "on the first day no item is new"
    assert answer["first_day_regret_ratio"] == {}
    assert list(answer["ratio_of_bound"]) == ["position, with embeddings"]
    bound = answer["ratio_of_bound"]["position, with embeddings"]["800"]
    assert 0.0 < bound["low"] <= bound["mean"] <= bound["high"]
    assert "informed" in answer["regret"]["position, with embeddings"]["800"]


def test_without_peers_there_is_no_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--seeds", "2", "--views", "300", "--visitors", "cascade", "--peers", "none", "--delay", "0"]
    assert run(["bench", "decisions", *few]) == 0
    assert "ratio" not in capsys.readouterr().out


def test_first_days_are_compared_from_one_checkpoint_to_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    shop = ["--segments", "2", "--items", "20", "--daily", "300", "--new", "0.5", "--text-share", "0.8"]
    views = ["--seeds", "2", "--views", "600", "--views", "900", "--visitors", "position"]
    assert run(["bench", "decisions", "--json", *shop, *views, "--peers", "none", "--delay", "0"]) == 0
    answer = json.loads(capsys.readouterr().out)
    until, since = (answer[f"first_day_regret_ratio{name}"]["position"] for name in ("", "_since"))
    assert since["600"] == until["600"]
    lost = [answer["first_day_regret"][f"position, {how} embeddings"] for how in ("with", "without")]
    told, untold = (one["900"]["mean"] - one["600"]["mean"] for one in lost)
    assert since["900"]["low"] < told / untold < since["900"]["high"]


def test_every_peer_is_offered() -> None:
    assert list(OFFERED) == list(PEERS)


def test_corrected_trials_are_a_sample_of_looks() -> None:
    shape = Shape(segments=2, items=10, slots=5, size=4)
    shop = opened(shape, 1, 20_000)
    slates = np.stack([shop.offer().rows[:5][None]] * 2)
    seen = shop.serve(slates, 20_000)
    trials = Feed(shape, corrected=True, seed=1).trials(seen)
    kept = np.bincount(trials.rows, minlength=5)[:5] / 20_000
    assert kept == pytest.approx(shop.visitors.curve, abs=0.03)
    assert trials.rewards.sum() == seen.clicked.sum()
    counted = cells(trials)
    assert (counted.tries.sum(), counted.clicks.sum()) == (len(trials.rows), trials.rewards.sum())


@given(st.lists(st.floats(1.0, 1e4), min_size=2, max_size=12), st.floats(0.1, 3.0))
def test_a_constant_ratio_is_found_without_doubt(theirs: list[float], ratio: float) -> None:
    found = ratio_of([ratio * one for one in theirs], theirs)
    assert found.mean == pytest.approx(ratio)
    assert (found.low, found.high) == pytest.approx((ratio, ratio), rel=1e-6)
    assert ratio_of_sums([ratio * one for one in theirs], theirs) == pytest.approx(found, rel=1e-6)


def test_one_value_says_nothing_of_its_spread() -> None:
    assert mean_of([3.0]) == (3.0, -np.inf, np.inf)


def test_renewals_are_compared_in_the_same_shops(capsys: pytest.CaptureFixture[str]) -> None:
    shop = ["--segments", "2", "--items", "20", "--visitors", "position", "--views", "600", "--seeds", "2"]
    assert run(["bench", "decisions", "--json", "--renewals", *shop]) == 0
    answer = json.loads(capsys.readouterr().out)
    rows = {(row["growth_share"], row["change_threshold"]): row for row in answer["renewals"]}
    always, grown = rows[0.0, 0.0], rows[0.1, 0.0]
    assert (answer["page_views"], answer["seeds"]) == (600, 2)
    assert always["regret_ratio"]["mean"] == always["slots_changed_ratio"] == 1.0
    assert always["regret_more"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    still, held = rows[0.03, 0.0], rows[0.03, 0.1]
    assert held["regret_more"]["mean"] == pytest.approx(held["regret"]["mean"] - still["regret"]["mean"])
    assert still["regret_more"]["mean"] == pytest.approx(still["regret"]["mean"] - always["regret"]["mean"])
    assert held["regret_more"]["low"] < held["regret_more"]["mean"] < held["regret_more"]["high"]
    assert always["layouts_per_1000_views"] == 1_000 / STEP * 2
    assert grown["layouts_per_1000_views"] < always["layouts_per_1000_views"]
    changed = [rows[0.03, threshold]["slots_changed_per_1000_views"] for threshold in (0.0, 0.01, 0.1)]
    assert changed[0] > changed[1] > changed[2]
