"""Explanations of shelves: of the published layout, and no title is told from its items where nothing tells it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma

from policy.assignment import epoch_of
from policy.pages.model.factors import FactorInterval
from policy.pages.period import is_over, length
from reshelf.inspect.explain import as_json, listing, row_lines, story
from reshelf.inspect.posterior_summary import posterior_summary
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRules, PageShelf
from schemas.rules import LeastExposure, MostOfKind, NotAbove
from streams.catalog.layouts.arranged import PublishedRows
from streams.fold.deltas import Traffic
from streams.layouts.compose import compose
from streams.layouts.explain import explain
from streams.layouts.guard_rail import guarded
from streams.layouts.slates.shelf_explanation import ShelfExplanation, explain_shelf
from streams.page_settings import LayoutSettings
from streams.state.arrays.tables import Table
from streams.state.reader import KeyState
from tests.streams.test_layouts_shelves import ITEMS, ROWS, RULES, SHELVES, SLOTS, fitted, layout, page, table

EPOCH = epoch_of(0, "home", "s", LayoutSettings().epoch_ms).number


def explained(
    shelf: str, tables: list[Table], published: Layout | None = None, rules: PageRules = RULES, segment: str = "s"
) -> ShelfExplanation:
    """With what is fitted of just these counts."""
    own, whole = (KeyState(tuple(tables), {}) for _ in range(2))
    learned = [each for each in tables if each.traffic is Traffic.LEARNED]
    of = page(rules, fitted(*learned))
    return explain_shelf(shelf, segment, (own, whole), of, LayoutSettings(), published, 0)


def alone(seed: int = 1) -> Table:
    """Each shelf stood in one row, and had items of its own."""
    rng, rows = np.random.default_rng(seed), [0, 1]
    impressions = np.zeros((len(ITEMS), len(SLOTS)), dtype=np.int64)
    impressions[:4, :2], impressions[4:7, 2:] = 300, 300
    clicks = rng.binomial(impressions, 0.05)
    stood, clicked = (np.zeros((len(SLOTS), len(SHELVES)), dtype=np.int64) for _ in range(2))
    for row in rows:
        slots = slice(2 * row, 2 * row + 2)
        stood[slots, row], clicked[slots, row] = impressions.sum(axis=0)[slots], clicks.sum(axis=0)[slots]
    placed = np.zeros((len(ITEMS), len(SHELVES)), dtype=np.int64)
    placed[:4, 0], placed[4:7, 1] = impressions[:4].sum(axis=1), impressions[4:7].sum(axis=1)
    counts = {"impressions": impressions, "clicks": clicks, "placed": placed}
    return Table.of(
        "s", 0, Traffic.LEARNED, ITEMS, SLOTS, SHELVES, shelf_impressions=stood, shelf_clicks=clicked, **counts
    )


@given(st.floats(0.1, 10.0), st.floats(1e-4, 2.0))
def test_the_interval_of_a_factor_is_that_of_its_gamma_distribution(mean: float, variance: float) -> None:
    factor = FactorInterval.of(mean, variance)
    of = gamma(1.0 / variance, scale=mean * variance)
    assert of.mean() == pytest.approx(mean)
    assert (factor.low, factor.high) == pytest.approx((of.ppf(0.025), of.ppf(0.975)), rel=1e-6)
    assert FactorInterval.of(mean, 0.0) == (mean, mean, mean)


@given(st.floats(0.0, 1e6))
def test_a_period_is_over_once_as_many_page_views_came_as_it_is_long(since: float) -> None:
    assert not is_over(since + length(since) - 1.0, since)
    assert is_over(since + length(since) + 1.0, since)


def test_an_explanation_has_what_is_published_and_what_was_counted() -> None:
    counts = replace(table(1), counts={**table(1).counts, "shelf_revenue": np.full((len(SLOTS), len(SHELVES)), 70)})
    published = layout([counts], page(), EPOCH)
    assert published.row_propensities and published.baseline_rows
    for at, shelf in enumerate(SHELVES):
        of = explained(shelf, [counts, table(2, traffic=Traffic.HOLDOUT)], published)
        assert {row.row: row.share for row in of.rows if row.share} == {
            row: shares[shelf] for row, shares in published.row_propensities.items() if shelf in shares
        }
        assert of.baseline == next((row for row, name in published.baseline_rows.items() if name == shelf), "")
        for number, row in enumerate(of.rows):
            slots = slice(2 * number, 2 * number + 2)
            for figure, measure in (
                (row.impressions, "shelf_impressions"),
                (row.clicks, "shelf_clicks"),
                (row.orders, "shelf_conversions"),
                (row.revenue, "shelf_revenue"),
            ):
                assert figure == counts.counts[measure][slots, at].sum()
            assert 0.0 < row.look <= 1.0 and 0.0 < row.reach <= 1.0
        assert of.page and of.page.low < of.page.mean < of.page.high and of.segment and of.orders
        assert (of.version, of.of, of.slates) == (100, "s", 4)
        assert of.items == of.available == {"new": 4, "sale": 3, "for-you": 9}[shelf]


def test_it_says_since_when_shelves_stand_still_and_when_they_may_move() -> None:
    counts = table(1)
    published = layout([counts], page(), EPOCH)
    period = explained("new", [counts], published).period
    assert period and published.arranged
    assert (period.version, period.since) == (100, published.arranged.views)
    assert (period.views, period.until, period.over) == (period.since, period.since + length(period.since), False)
    assert period.epoch_end == epoch_of(0, "home", "s", LayoutSettings().epoch_ms).end_ms
    much = replace(table(2, 2_000), buckets=range(1, 2))
    for tables, changed in (
        ([counts, much], published),
        ([counts], msgspec.structs.replace(published, epoch=EPOCH - 1)),
        ([counts], msgspec.structs.replace(published, rules_version=6)),
    ):
        after = explained("new", tables, changed).period
        assert after and after.over
    for absent in (None, msgspec.structs.replace(published, segment="*"), guarded(published, 0, "loss")):
        assert explained("new", [counts], absent).period is None


def test_a_title_that_nothing_tells_from_its_items_has_no_factor() -> None:
    of = explained("new", [alone()])
    assert of.fitted and (of.page, of.segment, of.orders) == (None, None, None)
    assert (of.apart.shared, of.apart.other_rows) == (0.0, 0.0)
    assert all(row.factor is None for row in of.rows)
    both = explained("new", [table(1)])
    assert both.apart.from_items and both.apart.from_row
    assert [bool(row.factor) for row in both.rows] == [True, True]


def test_rules_for_a_shelf_are_told_and_whether_they_hold() -> None:
    shelves = [PageShelf("new", pinned="second"), PageShelf("sale", kind="grid", keeps=True), PageShelf("for-you")]
    rules = msgspec.structs.replace(
        RULES,
        shelves=shelves,
        rules=[
            NotAbove(name="low", shelf="new", row="second"),
            MostOfKind(name="grids", shelf_kind="grid", most=0),
            LeastExposure(name="some", shelf="sale", least=0.5),
        ],
    )
    published = layout([table(1)], page(), EPOCH)
    published = msgspec.structs.replace(published, rows=[{"first": "sale", "second": "new"}] * 3 + [{"first": "new"}])
    of = {shelf: explained(shelf, [table(1)], published, rules) for shelf in SHELVES}
    assert [(rule.text, rule.lacking) for rule in of["new"].rules] == [
        ("pinned to second", 1),
        ("not above second by low", 1),
    ]
    assert [(rule.text, rule.lacking) for rule in of["sale"].rules] == [
        ("claims its best items before any other shelf", 0),
        ("at most 0 of kind grid on a page by grids", 3),
        ("in at least 50% of slates by some", 0),
    ]
    assert not of["for-you"].rules
    assert [row.allowed for row in of["new"].rows] == [False, True]


def test_items_are_explained_in_the_shelves_that_are_published() -> None:
    counts, of = table(1), page()
    published = layout([counts], of, EPOCH)
    assert published.rows
    rows = [dict(zip(ROWS, ("sale", "new"), strict=True))] * len(published.rows)
    standing = PublishedRows.of(msgspec.structs.replace(published, rows=rows))
    state = KeyState((counts,), {})
    explanation = explain("s", state, of, LayoutSettings(), EPOCH, 0, published=standing)
    assert explanation.layout.rows == rows
    assert explanation.layout == compose("s", state, of, LayoutSettings(), EPOCH, published=standing)
    assert list(row_lines(explanation)) == ["row first: sale 100%", "row second: new 100%"]
    for arm in explanation.arms:
        assert {*arm.shelves} == {shelf for shelf in SHELVES if arm.item in of.candidates.by_shelf[shelf]}
        assert sum(arm.shelves.values()) == pytest.approx(sum(arm.slots.values()))
        assert arm.shelves["for-you"] == 0.0
        assert "full looks by row, column and shelf" in story(arm) and "\nshelves    " in story(arm)
    assert as_json(explanation, None)["rows"] == {"first": {"sale": 1.0}, "second": {"new": 1.0}}
    assert listing(explanation)
    looks = [explanation.examination[slot] for slot in SLOTS]
    assert looks[0] > looks[1] and looks[0] > looks[2] > looks[3]
    assert looks[0] <= 1.0
    many = explain("s", state, page(RULES, fitted(counts, table(2))), LayoutSettings(), EPOCH, 0)
    assert max(many.examination.values()) <= 1.0
    summary = posterior_summary(of, state, "s", LayoutSettings())
    assert summary.examination.tolist() == looks
    assert (summary.examined <= summary.shown).all()
