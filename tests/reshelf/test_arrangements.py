"""Arrangements of shelves from a log on disk: counted plainly, valued by the function, and errors in words."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from policy.evaluation.estimators import Estimate
from policy.evaluation.shelves import Arrangements, ShelfEvidence, exchanged, pinned
from policy.pages.model.counts import ShelfCounts
from policy.simulation.pages.world import PageShape
from reshelf.evaluation.arrangements.answer import answer, is_off
from reshelf.evaluation.arrangements.question import ArrangementQuestion, check
from reshelf.evaluation.tables.shelves import ShelfViews, fills_of
from schemas.errors import BadSettings, ReshelfError
from schemas.messages.events import Click, Impression
from schemas.messages.fields import BASELINE
from schemas.messages.layouts import LayoutBranch
from schemas.messages.pages import Branch, PageRules, PolicyChoice
from schemas.topics import PAGE_RULES
from streams.catalog.view import CatalogView
from tests.reshelf.arranged_logs import ArrangedLog, arranged_log, declared, plain_parts, plain_shares
from tests.reshelf.joined_on_disk import on_disk
from tests.streams.layout_inputs import Topics

SMALL = PageShape(segments=2, items=12, rows=3, columns=2, shelves=4, candidates=6)
LOG = arranged_log(900)


def catalog_of(rules: PageRules) -> Callable[[], CatalogView]:
    topics = Topics()
    topics.put(PAGE_RULES, rules.page.encode(), rules)
    return lambda: topics.catalog


def answered(log: ArrangedLog, question: ArrangementQuestion, rules: PageRules | None = None) -> dict[str, Any]:
    with on_disk(log.events, log.layouts, catalog=catalog_of(rules or log.rules)) as evaluator:
        return answer(evaluator, question)


def cells(counts: ShelfCounts, items: Sequence[str]) -> dict[str, Any]:
    """Counts by name of item, as the order of items is open."""
    return {
        "views": counts.views.tolist(),
        "shelves": (counts.shelf_impressions.tolist(), counts.shelf_clicks.tolist()),
        "items": {
            name: (counts.impressions[:, at].tolist(), counts.clicks[:, at].tolist(), counts.placed[:, at].tolist())
            for at, name in enumerate(items)
            if counts.impressions[:, at].any()
        },
    }


@given(st.integers(0, 99), st.floats(0.0, 1.0))
@settings(max_examples=8, deadline=None)
def test_counts_are_those_of_learned_page_views_that_name_their_shelves(seed: int, moved: float) -> None:
    """Some page views name no shelf, some another one than their layout has: these are left out whole, with reasons."""
    log, chance = arranged_log(60, seed, SMALL, moved=moved), random.Random(seed)
    fates = {event.page_view_id: chance.choice(["", "", "unnamed", "other"]) for event in log.events}
    spoilt = log._replace(events=[spoil(event, fates[event.page_view_id]) for event in log.events])
    whole = log._replace(events=[event for event in log.events if not fates[event.page_view_id]])
    with on_disk(spoilt.events, log.layouts) as evaluator:
        views = ShelfViews.of(evaluator.tables, log.rules, log.page)
        items = [list(evaluator.tables.codes)[code] for code in views.items]
        parts = list(views.parts())
        counts = views.counts()
    if [group.segment for group in views.groups] != ["s0", "s1"]:
        return
    plain = plain_parts(whole)
    for of_log, expected in zip([*parts, counts], [*plain, total(plain)], strict=True):
        assert cells(of_log, items) == cells(expected, log.items)
    learned = [fates[event.page_view_id] for event in log.events if type(event) is Impression and event.variant >= 0]
    assert sorted(views.left_out.values()) == sorted(filter(None, (learned.count("unnamed"), learned.count("other"))))


def spoil(event: Any, fate: str) -> Any:
    if type(event) is Impression and fate:
        rows = {} if fate == "unnamed" else dict.fromkeys(event.rows, "another")
        return msgspec.structs.replace(event, rows=rows)
    return event


def total(parts: Sequence[ShelfCounts]) -> ShelfCounts:
    whole, *others = parts
    for part in others:
        whole = whole.plus(part)
    return whole


def test_values_are_those_of_the_function_and_what_was_served_checks_them() -> None:
    moves: dict[str, Callable[[Any], Any]] = {
        "served": lambda rows: rows,
        "declared order": lambda rows: np.arange(3, dtype=np.int32)[None].repeat(len(rows), axis=0),
        "pin shelf-03=row-0": lambda rows: pinned(rows, 0, 3),
        "exchange row-0 row-2": lambda rows: exchanged(rows, 0, 2),
    }
    question = ArrangementQuestion(
        "home", declared=True, pins=["shelf-03=row-0"], exchanges=[("row-0", "row-2")], level=0.9
    )
    content = answered(LOG, question)
    evidence = ShelfEvidence.of(LOG.page, plain_parts(LOG))
    served = plain_shares(LOG, moves["served"])
    assert [arrangement["arrangement"] for arrangement in content["arrangements"]] == list(moves)
    for arrangement, move in zip(content["arrangements"], moves.values(), strict=True):
        target = plain_shares(LOG, move)
        agree(arrangement, evidence.estimate(Arrangements(served, target), 0.9))
        for at, segment in enumerate(("s0", "s1")):
            of_segment = Arrangements(served[at : at + 1], target[at : at + 1])
            agree(arrangement["segments"][segment], evidence.of_groups([at]).estimate(of_segment, 0.9))
    assert content["arrangements"][0]["gain"] == pytest.approx(0.0, abs=0.03)
    learned = [event for event in LOG.events if event.variant != BASELINE]
    views = sum(type(event) is Impression for event in learned)
    clicks = sum(type(event) is Click for event in learned)
    assert (content["views"], content["layouts"]) == (views, len(LOG.layouts))
    assert content["clicks"]["value"] == pytest.approx(clicks / views)
    assert content["clicks"]["low"] < clicks / views < content["clicks"]["high"]


def agree(content: dict[str, Any], estimate: Estimate) -> None:
    assert content["refused"] == estimate.refused
    for name in ("value", "low", "high", "gain", "gain_low", "gain_high", "lacking", "effective_size"):
        expected = getattr(estimate, name)
        assert content[name] == (pytest.approx(expected, rel=1e-6, abs=1e-9) if np.isfinite(expected) else None)


def test_rows_that_the_log_never_exchanged_are_refused_with_the_way_out() -> None:
    fixed = arranged_log(300, 2, SMALL, moved=0.0)
    content = answered(fixed, ArrangementQuestion("home", exchanges=[("row-0", "row-1")]))
    served, exchange = content["arrangements"]
    assert not served["refused"]
    assert exchange["value"] is None
    assert exchange["lacking"] > 0.3
    assert "policy.exploration_slates" in exchange["refused"]


def test_an_exchange_that_rows_do_not_allow_is_refused_by_itself() -> None:
    rows = [
        msgspec.structs.replace(row, shelves=["shelf-00"] if at == 0 else [])
        for at, row in enumerate(LOG.rules.rows or [])
    ]
    fixed = arranged_log(300, 2, SMALL, moved=0.0)
    rules = declared(fixed.page, rows=rows)
    question = ArrangementQuestion("home", exchanges=[("row-0", "row-1"), ("row-1", "row-2")])
    _, first, second = answered(fixed, question, rules)["arrangements"]
    assert first["refused"].startswith("shelf 'shelf-01' may not stand in row 'row-0'")
    assert "exploration_slates" in second["refused"]


def test_layouts_with_rows_that_the_page_does_not_have_now_are_left_out() -> None:
    shelves = [msgspec.structs.replace(shelf, name=f"{shelf.name}-new") for shelf in LOG.rules.shelves or []]
    with pytest.raises(ReshelfError, match=r"rows that the page does not have now.*\. Let web tiers report `rows`"):
        answered(LOG, ArrangementQuestion("home"), declared(LOG.page, shelves=shelves, templates=UNSET))


def test_a_log_whose_page_views_name_no_shelf_is_an_error_with_the_next_step() -> None:
    bare = LOG._replace(events=[spoil(event, "unnamed") for event in LOG.events])
    with pytest.raises(
        ReshelfError, match=r"page 'home': expected page views.*`rows`\), got none.*does not name the shelf"
    ):
        answered(bare, ArrangementQuestion("home"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"pins": ["shelf-09=row-0"]}, r"--pin: expected one of the shelves \(shelf-00, .*\), got 'shelf-09'"),
        ({"pins": ["shelf-00=row-9"]}, r"--pin: expected one of the rows \(row-0, .*\), got 'row-9'"),
        ({"pins": ["shelf-00"]}, r"--pin: expected SHELF=ROW, as shelf-00=row-0, got 'shelf-00'"),
        ({"exchanges": [("row-0", "top")]}, r"--exchange: expected one of the rows .*, got 'top'"),
        ({"exchanges": [("row-0", "row-0")]}, r"--exchange: expected two rows, got 'row-0' twice"),
        ({"templates": ["wide"]}, r"--template: expected one of default, short, narrow, lower, got 'wide'"),
    ],
)
def test_what_the_page_does_not_have_is_an_error_before_the_log_is_read(changes: Any, expected: str) -> None:
    with pytest.raises(BadSettings, match=expected):
        check({"home": LOG.rules}, ArrangementQuestion("home", **changes))


def test_a_pin_to_a_row_that_does_not_take_the_shelf_names_those_that_do() -> None:
    rows = [
        msgspec.structs.replace(row, shelves=["shelf-00"] if at == 0 else [])
        for at, row in enumerate(LOG.rules.rows or [])
    ]
    rules = declared(LOG.page, rows=rows, templates=UNSET)
    with pytest.raises(BadSettings, match=r"'shelf-01' may stand in \(row-1, row-2\), got 'row-0'"):
        check({"home": rules}, ArrangementQuestion("home", pins=["shelf-01=row-0"]))


def test_pages_without_shelves_and_unknown_ones_are_errors() -> None:
    flat = PageRules("start", 1, ["top"])
    with pytest.raises(BadSettings, match=r"'start' has no shelves.*--page start --policy greedy"):
        check({"start": flat}, ArrangementQuestion("start"))
    with pytest.raises(ReshelfError, match=r"pages of page-rules \(start\), got 'home'"):
        check({"start": flat}, ArrangementQuestion("home"))


@pytest.mark.parametrize(
    ("gain", "low", "high", "expected"),
    [(0.02, 0.01, 0.03, False), (0.05, -0.01, 0.1, False), (0.05, 0.04, 0.06, True), (-0.05, -0.06, -0.04, True)],
)
def test_an_estimate_of_what_was_served_that_is_surely_off_refuses_the_others(
    gain: float, low: float, high: float, expected: bool
) -> None:
    check_of_served = Estimate("", 1.0, 0.9, 1.1, 10.0, 0.0, False, "", gain, low, high)
    assert is_off(check_of_served) is expected


def test_slates_of_exploration_and_of_branches_are_counted_apart() -> None:
    choice = PolicyChoice(variants=5, exploration_slates=3)
    rules = declared(LOG.page, policy=choice, branches=[Branch("bold", 0.25, PolicyChoice(variants=2))])
    layout = LOG.layouts[0]
    assert fills_of(rules, layout).tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
    branches = [LayoutBranch("main", "thompson", 0.75, 6), LayoutBranch("bold", "thompson", 0.25, 2)]
    assert fills_of(rules, msgspec.structs.replace(layout, branches=branches)).tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    with on_disk(LOG.events, LOG.layouts) as evaluator:
        apart = ShelfViews.of(evaluator.tables, rules, LOG.page)
        together = ShelfViews.of(evaluator.tables, LOG.rules, LOG.page)
        counts, whole = apart.counts(), together.counts()
    assert [(group.segment, group.fill) for group in apart.groups] == [("s0", 0), ("s0", 1), ("s1", 0), ("s1", 1)]
    for name in ("views", "impressions", "clicks", "shelf_impressions", "shelf_clicks", "placed"):
        of_groups = getattr(counts, name)
        assert (of_groups.reshape(2, 2, *of_groups.shape[1:]).sum(axis=1) == getattr(whole, name)).all()
    content = answered(LOG, ArrangementQuestion("home", declared=True), rules)
    assert {*content["segments"]} == {"s0", "s1"}
    assert content["arrangements"][0]["gain"] == pytest.approx(0.0, abs=0.03)
