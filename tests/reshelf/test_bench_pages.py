"""`reshelf bench decisions --shop page`: shelves in rows, by the policy and by others."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.decisions.pages import LEARNERS, VOWPAL, figures, text_of
from policy.simulation.pages.learners import Joint, Pages
from policy.simulation.pages.race import PageCourse, opened, race, sizes, value
from policy.simulation.pages.world import PAGES, PageShape
from reshelf.cli.main import run

SMALL = PageShape(segments=2, items=30, rows=3, columns=2, shelves=5, candidates=12)


def test_figures_are_ratios_to_the_better_of_the_peers() -> None:
    courses = {
        name: [PageCourse((share, share / 2), 0.1, 0.0), PageCourse((share, share / 2), 0.1, 0.0)]
        for name, share in zip(LEARNERS, (0.1, 0.4, 0.25, 0.2), strict=True)
    }
    table = figures(courses, (100, 200))
    assert table["ratio_to_fixed_order"]["200"]["mean"] == pytest.approx(0.25)
    assert table["ratio_to_row_wise"]["100"]["mean"] == pytest.approx(0.5)
    assert table["ratio_to_row_wise"]["100"]["peer"] == "row_wise_by_page"
    text = text_of({"seeds": 2, "shops": {"page": {"pages": {"main": table}, "compose_ms": 4.0, "items_ms": 3.0}}})
    assert "main                 100" in text
    assert "0.25 (0.25 to 0.25)" in text


def test_a_page_of_shelves_is_no_other_shop(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "decisions", "--shop", "page", "--shop", "ours", "--json"]) == 2
    assert "stands alone" in capsys.readouterr().err


@pytest.mark.parametrize("name", PAGES)
def test_no_pages_are_better_than_the_best(name: str) -> None:
    kind = PAGES[name]
    shape = PageShape(
        segments=2,
        items=40,
        rows=3,
        columns=2,
        shelves=5,
        candidates=12,
        reach=kind.reach,
        of_rows=kind.of_rows,
        thin=kind.thin,
        disjoint=kind.disjoint,
        cannibals=kind.cannibals,
    )
    world, visits = opened(shape, 1)
    pages = Joint(world).pages()
    assert (value(world, pages) <= world.best + 1e-12).all()
    counts = world.serve(*pages, 1_000, visits)
    assert counts.views.sum() == 1_000
    assert counts.clicks.sum() == counts.shelf_clicks.sum()
    assert counts.impressions.sum() == counts.shelf_impressions.sum() == counts.placed.sum()


def test_clicks_come_as_often_as_expected() -> None:
    world, visits = opened(SMALL, 2)
    pages = Joint(world).pages()
    counts = world.serve(*pages, 2_000_000, visits)
    clicks = counts.clicks.sum(axis=(1, 2)) / counts.views
    assert clicks == pytest.approx(value(world, pages), rel=0.02)


def test_less_is_lost_than_in_a_fixed_order_and_shelves_stand_still() -> None:
    courses = {}
    for name in ("reshelf", "fixed_order"):
        world, visits = opened(SMALL, 3)
        courses[name] = race(world, LEARNERS[name](world), (2_000, 8_000), visits)
    assert courses["reshelf"].regret[1] < courses["fixed_order"].regret[1]
    assert courses["reshelf"].regret[1] < courses["reshelf"].regret[0]
    assert courses["reshelf"].constant == 0.0
    assert courses["fixed_order"].moved == 0.0


def test_a_library_learns_which_shelves_are_clicked() -> None:
    pytest.importorskip("vowpalwabbit", reason="SKIPPED: vowpalwabbit is not installed (`make bench` installs it)")
    from bench.decisions.peers.vowpal_pages import RowByRow

    world, visits = opened(SMALL, 3)
    course = race(world, RowByRow(world), (2_000, 20_000), visits)
    assert course.regret[1] < course.regret[0]


def test_a_library_s_figures_stand_beside_ours() -> None:
    names = (*LEARNERS, VOWPAL)
    courses = {
        name: [PageCourse((share,), 0.1, 0.0)] * 2 for name, share in zip(names, (0.1, 0.4, 0.3, 0.2, 0.5), strict=True)
    }
    table = figures(courses, (100,))
    assert table["ratio_to_vowpal"]["100"]["mean"] == pytest.approx(0.2)
    content = {"seeds": 2, "shops": {"page": {"pages": {"main": table}, "compose_ms": 4.0, "items_ms": 3.0}}}
    assert "Vowpal Wabbit lost 50.0%, ratio to it 0.20 (0.20 to 0.20)" in text_of(content)


def test_refreshes_end_at_checkpoints() -> None:
    steps = list(sizes((1_000, 30_000)))
    assert sum(steps) == 30_000
    assert 1_000 in np.cumsum(steps)


def test_the_answer_has_no_other_than_plain_values() -> None:
    table = figures({name: [PageCourse((0.2,), 0.0, 0.0)] * 2 for name in LEARNERS}, (100,))
    assert json.loads(json.dumps(table)) == table
    assert isinstance(Pages._fields, tuple)
