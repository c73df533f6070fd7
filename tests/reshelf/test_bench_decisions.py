"""`reshelf bench decisions`, small: the peers that need no library, and the form of the answer."""

from __future__ import annotations

import ast
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cli.decisions import SHOPS as OFFERED_SHOPS
from bench.cli.decisions import _shapes
from bench.decisions import peers as peers_folder
from bench.decisions import races
from bench.decisions.contest import Entry, Run, best_settings, mean_regret, runs
from bench.decisions.contest import run as run_race
from bench.decisions.participants import PEERS as OFFERED
from bench.decisions.peers.counting import PessimisticSampling
from bench.decisions.peers.registry import PEERS, learner
from bench.decisions.peers.trials import Feed, cells
from bench.decisions.races import finished
from bench.decisions.renewals import STEP
from bench.decisions.tables import text_of
from policy.simulation.means import mean_of, ratio_of, ratio_of_sums
from policy.simulation.race import Course, opened
from policy.simulation.shop import Feedback, Shape
from policy.simulation.shops import SHOPS
from reshelf.cli.main import run
from tests.all_tests import if_all

KEYS = ("with_embeddings", "without_embeddings")
FEW = ["--seeds", "2", "--tuning-seeds", "1", "--segments", "4", "--items", "20"]
COUNTED = ["--peers", "most-popular", "--peers", "epsilon-greedy", "--peers", "pessimistic-ts"]


def answer(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    """What the command answers with."""
    assert run(["bench", "decisions", "--json", *options]) == 0
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def test_a_contest_that_was_ended_goes_on_where_it_was(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [*FEW, "--views", "250", "--shop", "ours", "--delay", "0", "--peers", "epsilon-greedy"]
    folder = ["--races", str(tmp_path)]
    first = answer(capsys, *few, *folder)
    kept = sorted(tmp_path.iterdir())
    times = [path.stat().st_mtime_ns for path in kept[1:]]
    kept[0].unlink()
    assert str(answer(capsys, *few, *folder)["shops"]) == str(first["shops"])
    assert [path.stat().st_mtime_ns for path in kept[1:]] == times, "they were not run again"
    assert sorted(tmp_path.iterdir()) == kept

    assert finished(str, None, str) is str
    assert finished(abs, tmp_path, int)(-3) == 3
    monkeypatch.setattr(races, "_code", lambda: "changed")
    assert finished(abs, tmp_path, int)(-3) == 3
    assert len(list(tmp_path.iterdir())) == len(kept) + 2, "one for each code that decides"


def test_contest_answers_with_regret_and_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--seeds", "2", "--tuning-seeds", "1", "--views", "400", "--views", "800", "--shop", "ours"]
    shop = answer(capsys, *few, *COUNTED, "--delay", "300", "--bound")["shops"]["ours"]
    for key in KEYS:
        for views in ("400", "800"):
            rows = shop["regret"][key][views]
            assert {"reshelf", "uniform", "informed", "most-popular", "epsilon-greedy, uncorrected"} <= set(rows)
            ratio = shop["ratio_to_best_peer"][key][views]
            assert 0.0 < ratio["low"] <= ratio["mean"] <= ratio["high"]
            peers = {name: row["mean"] for name, row in rows.items() if name.split(",")[0] in PEERS}
            assert len(peers) == 6, "each of them with and without correction, to the end"
            assert ratio["peer"] == min(peers, key=lambda name: peers[name])
            assert shop["ratio_of_delayed"][key][views]["mean"] > 0.0
            assert 0.5 < shop["coverage"][key][views]["mean"] <= 1.0
            flicker = shop["flicker"][key][views]
            assert flicker["constant"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
            assert 0.0 < flicker["learning"]["mean"] < 1.0
            assert flicker["new_day"] is None
            assert shop["first_day_regret"][key][views]["mean"] == 0.0, "on the first day no item is new"
            bound, informed = shop["ratio_of_bound"][key][views], shop["ratio_to_informed"][key][views]
            assert bound["mean"] * informed["mean"] == pytest.approx(ratio["mean"])
            end = (rows["reshelf"]["mean"] - shop["regret"][key]["400"]["reshelf"]["mean"]) / 400
            assert views == "400" or 0.5 * end < rows["reshelf"]["per_view_at_end"]["mean"] < 1.5 * end
        assert shop["stopped"][key] == {}
    assert shop["first_day_regret_ratio"] == {}
    assert shop["notes"] == []
    assert 0.0 < shop["ratio_to_without_texts"]["800"]["mean"] < 2.0


def test_without_peers_there_is_no_ratio_to_them(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--seeds", "2", "--views", "300", "--shop", "cascade", "--peers", "none", "--delay", "0", "--bound"]
    assert run(["bench", "decisions", *few]) == 0
    text = capsys.readouterr().out
    assert "ratio to" not in text.replace("ratio to the best peer   ", "")
    assert "cascade: no informed learner: visitors do not look at each slot with a chance of its own" in text


def test_shops_are_in_one_table_and_nothing_is_lost_where_all_is_alike(capsys: pytest.CaptureFixture[str]) -> None:
    options = [*FEW, "--views", "300", "--shop", "null", "--shop", "dbn", *COUNTED, "--bound", "--delay", "100"]
    content = answer(capsys, *options)
    shops = content["shops"]
    assert list(shops) == ["null", "dbn"]
    null = shops["null"]
    for key in KEYS:
        assert set(null["regret"][key]["300"]) == {"reshelf", "uniform"}
        assert null["regret"][key]["300"]["reshelf"]["mean"] == pytest.approx(0.0, abs=1e-9)
        ratios = ("ratio_to_best_peer", "ratio_to_informed", "ratio_of_bound", "ratio_of_delayed")
        assert all(null[name][key] == {} for name in ratios)
        assert 0.5 < null["coverage"][key]["300"]["mean"] <= 1.0
        assert shops["dbn"]["ratio_to_best_peer"][key]["300"]["mean"] > 0.0
        assert shops["dbn"]["ratio_to_informed"][key] == {}
    assert null["ratio_to_without_texts"] == null["first_day_regret_ratio"] == {}
    assert null["notes"] == ["all items are alike: nothing can be lost, so there are no peers and no ratios"]
    table = [line.split()[:3] for line in text_of(content).splitlines()[2:6]]
    assert table == [[shop, texts, "300"] for shop in ("null", "dbn") for texts in ("yes", "no")]


def test_a_peer_that_is_too_slow_is_stopped_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    options = [*FEW, "--views", "200", "--views", "700", "--shop", "ours", *COUNTED, "--delay", "0"]
    content = answer(capsys, *options, "--limit-s", "0.000001")
    shop = content["shops"]["ours"]
    for key in KEYS:
        assert set(shop["stopped"][key]) == set(shop["regret"][key]["200"]) - {"reshelf", "uniform"}
        assert all(
            peer["page_views"] == 200 and peer["page_views_per_s"] > 0.0 for peer in shop["stopped"][key].values()
        )
        assert set(shop["regret"][key]["700"]) == {"reshelf", "uniform"}
        assert list(shop["ratio_to_best_peer"][key]) == ["200"]
    assert "ours: most-popular, with embeddings, was stopped after 200 page views, " in text_of(content)


@pytest.mark.parametrize("name", [name for name, peer in PEERS.items() if peer.module == "counting"])
def test_whoever_is_told_nothing_of_items_races_once(name: str, tmp_path: Path) -> None:
    options = tuple(PEERS[name].settings[0].items())
    both = [Entry(name, Shape(segments=3, items=20), text, options) for text in (True, False)]
    apart = [run_race(entry, 1, (300,)).course.regret for entry in both]
    assert apart[0] == apart[1]
    raced = list[None]()
    together = runs([(entry, 1) for entry in both], (300,), 1, lambda: raced.append(None), folder=tmp_path)
    assert [one.course.regret for one in together.values()] == apart
    assert len(raced) == len(list(tmp_path.iterdir())) == 1


def test_settings_that_lost_least_race_as_far_as_they_came() -> None:
    def tuned(regret: tuple[float, ...], views: int) -> Run:
        return Run(Course(regret, regret, regret, regret, views), 1.0)

    quick, good = (Entry("a", Shape(), True, (("alpha", value),)) for value in (1.0, 2.0))
    lame = Entry("b", Shape(), True)
    runs = {
        (quick, 0): tuned((5.0, 9.0), 20), (quick, 1): tuned((5.0, 9.0), 20),
        (good, 0): tuned((3.0, 4.0), 20), (good, 1): tuned((3.0,), 15),
        (lame, 0): tuned((), 4), (lame, 1): tuned((1.0,), 11),
    }  # fmt: skip
    assert {entry: lost.tolist() for entry, lost in mean_regret(runs).items()} == {
        quick: [5.0, 9.0],
        good: [3.0],
        lame: [],
    }
    assert best_settings(runs) == {good: 1, quick: 2}


def test_bayesianbandits_learns_which_item_is_clicked_on() -> None:
    pytest.importorskip("bayesianbandits", reason="`make bench` installs the peers")
    shape = Shape(segments=2, items=10, slots=3, size=4)
    offer = opened(shape, 1, 1_000).offer()
    peer = learner("bayesianbandits", shape, False, 1, {"alpha": 1.0}, text=True)
    assert peer.slates(offer).shape == (2, 4, 3)
    segments, slates = np.arange(4_000) % 2, np.arange(12_000).reshape(-1, 3) % 10
    clicked = slates == 3 + 4 * segments[:, None]
    peer.observe(Feedback(segments, segments, slates, clicked, np.zeros((0, 3), dtype=np.int64)))
    counts = [np.bincount(slate.ravel(), minlength=10) for slate in peer.slates(offer)]
    assert counts[0][3] == counts[1][7] == 4, "in every draw"


def test_first_days_are_compared_from_one_checkpoint_to_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--segments", "2", "--items", "20", "--daily", "300", "--new", "0.5", "--text-share", "0.8"]
    views = ["--seeds", "2", "--views", "600", "--views", "900", "--shop", "ours"]
    shop = answer(capsys, *sizes, *views, "--peers", "none", "--delay", "0")["shops"]["ours"]
    until, since = (shop[f"first_day_regret_ratio{name}"] for name in ("", "_since"))
    assert since["600"] == until["600"]
    lost = [shop["first_day_regret"][key] for key in KEYS]
    texts, without = (by_views["900"]["mean"] - by_views["600"]["mean"] for by_views in lost)
    assert since["900"]["low"] < texts / without < since["900"]["high"]


def test_every_peer_and_every_shop_is_offered() -> None:
    assert list(OFFERED) == list(PEERS)
    assert sorted(OFFERED_SHOPS) == sorted(SHOPS)


def test_options_change_all_shops_that_are_raced_in() -> None:
    shapes = _shapes(("all",), None, False, {"items": 30, "segments": 2})
    assert list(shapes) == list(OFFERED_SHOPS)
    assert all(shape == replace(SHOPS[name], items=30, segments=2) for name, shape in shapes.items())
    assert _shapes(("churn", "ours"), 0.5, True, {}) == {
        name: replace(SHOPS[name], new=0.5, bounded=False) for name in ("churn", "ours")
    }


def test_draws_begin_pessimistic_and_learn_by_segment() -> None:
    shape = Shape(segments=2, items=10, slots=3, size=4)
    offer, peer = opened(shape, 1, 1_000).offer(), PessimisticSampling(shape, False, 1, {}, text=False)
    views = np.zeros(300, dtype=np.intp)
    slates, clicked = np.tile([0, 1, 2], (300, 1)), np.tile([False, True, False], (300, 1))
    peer.observe(Feedback(views, views, slates, clicked, np.zeros((0, 3), dtype=np.int64)))
    drawn = peer.slates(offer)
    assert (drawn[0, :, 0] == 1).all(), "every view of the first segment clicked on it"
    assert len(np.unique(drawn[1])) == 10, "the other segment knows nothing of that"


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


@if_all
def test_renewals_are_compared_in_the_same_shops(capsys: pytest.CaptureFixture[str]) -> None:
    shop = ["--segments", "2", "--items", "20", "--shop", "ours", "--views", "600", "--seeds", "2"]
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


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_needs_no_other_library_than_it_says(name: str) -> None:
    source = Path(peers_folder.__path__[0], f"{PEERS[name].module}.py").read_text()
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom | ast.Import)]
    roots = {getattr(node, "module", None) or alias.name for node in imports for alias in node.names}
    others = {root.split(".")[0] for root in roots} - sys.stdlib_module_names - {"numpy", "scipy", "bench", "policy"}
    assert others <= {OFFERED[name]}
