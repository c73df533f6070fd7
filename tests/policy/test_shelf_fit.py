"""Looks, shelf factors and items, fitted together from counts of a page of shelves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.arrays import Codes, Floats
from policy.model.examination import examination, fit_examination
from policy.pages.compiled import CompiledPage
from policy.pages.declaration import Row, Shelf, ShelfPage
from policy.pages.model.counts import ShelfCounts, reach
from policy.pages.model.fitting import fit_orders, fit_shelves
from policy.pages.model.looks import Looks, move_looks
from policy.simulation.pages.race import opened
from policy.simulation.pages.world import PageShape, PageWorld
from tests.policy.shelf_pages import flat_page

SEEDS = st.integers(0, 2**32 - 1)
SMALL = PageShape(segments=3, items=60, rows=4, columns=3, shelves=6, candidates=20)
PAGES_OF_A_SEGMENT = 60


def logged(world: PageWorld, views: int, rng: np.random.Generator) -> ShelfCounts:
    """The counts of pages arranged by chance."""
    shape = world.shape
    pages = shape.segments * PAGES_OF_A_SEGMENT
    rows = np.array([rng.permutation(shape.shelves)[: shape.rows] for _ in range(pages)], dtype=np.int32)
    slates = np.array([_by_chance(world, row, rng) for row in rows], dtype=np.int32)
    by_segment = shape.segments, PAGES_OF_A_SEGMENT, -1
    return world.serve(rows.reshape(by_segment), slates.reshape(by_segment), views, rng)


def _by_chance(world: PageWorld, rows: Codes, rng: np.random.Generator) -> list[int]:
    left = np.ones(world.shape.items, dtype=np.bool_)
    slate: list[int] = []
    for shelf in rows.tolist():
        chosen = rng.permutation(np.flatnonzero(world.candidates[shelf] & left))[: world.shape.columns].tolist()
        left[chosen] = False
        slate += chosen
    return slate


@pytest.mark.parametrize("seed", [1, 2])
def test_looks_factors_and_items_come_back_from_many_views(seed: int) -> None:
    world, rng = opened(SMALL, seed)
    counts = logged(world, 6_000_000, rng)
    fit = fit_shelves(world.page, counts)
    assert fit.reach == pytest.approx(np.tile(world.reach, (3, 1)), abs=0.01)
    looks = fit.looks.of_slots(world.page)
    # Levels of kinds, shelves and segments cannot be distinguished: compared is what shelves get in slots of a segment.
    true = world.looks[None] * world.factors.transpose(0, 2, 1)[:, :, world.page.row_of]
    fitted = looks[None] * fit.factors.of_slots(world.page)
    error = np.log(fitted / true)
    error -= error.mean(axis=(1, 2), keepdims=True)
    assert np.abs(error).max() < 0.35
    assert error.std() < 0.1
    attraction = counts.clicks.sum(axis=2) / np.maximum(fit.examined, 1.0)
    often = counts.clicks.sum(axis=2) > 500
    apart = np.corrcoef(np.log(attraction[often]), np.log(world.attraction[often]))[0, 1]
    assert apart > 0.95


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.sampled_from([0.0, 1.0, 1e9]))
def test_absurd_counts_give_a_fit_all_the_same(seed: int, most: float) -> None:
    rng = np.random.default_rng(seed)
    page = CompiledPage.of(ShelfPage((Shelf("a"), Shelf("b", "grid")), (Row.of("1", 2), Row.of("2", 1))))
    shape = ShelfCounts.empty(page, 2, 4)
    drawn = [rng.uniform(0.0, most, part.shape) * rng.integers(0, 2, part.shape) for part in _parts(shape)]
    fit = fit_shelves(page, ShelfCounts(*drawn))
    for values in (*fit.looks, fit.factors.page, fit.factors.segments, fit.factors.spots, fit.reach, fit.examined):
        assert np.isfinite(values).all()
        assert (values >= 0.0).all()
    again = fit_shelves(page, ShelfCounts(*drawn), fit)
    assert np.isfinite(again.looks.of_slots(page)).all()


def _parts(counts: ShelfCounts) -> list[Floats]:
    names = ("views", "impressions", "clicks", "shelf_impressions", "shelf_clicks", "placed")
    return [getattr(counts, name) for name in names]


def test_without_clicks_all_factors_are_one_and_looks_fall() -> None:
    world, _ = opened(SMALL, 1)
    fit = fit_shelves(world.page, ShelfCounts.empty(world.page, 3, 60))
    assert (fit.factors.of_slots(world.page) == 1.0).all()
    assert (fit.factors.variances[1] > 0.0).all()
    assert fit.looks.rows.tolist() == examination([""] * 4, {}).tolist()
    assert (fit.reach == 1.0).all()


def test_a_flat_page_is_fitted_as_ever() -> None:
    rng = np.random.default_rng(1)
    page, slots = flat_page(["a", "b", "c"]), 3
    impressions = rng.integers(0, 2_000, (2, 20, slots)).astype(np.float64)
    clicks = rng.binomial(impressions.astype(np.int64), 0.03 * np.array([1.0, 0.6, 0.4])).astype(np.float64)
    by_shelf = impressions.sum(axis=1, keepdims=True), clicks.sum(axis=1, keepdims=True)
    views = by_shelf[0][:, 0, 0]
    counts = ShelfCounts(views, impressions, clicks, *by_shelf, impressions.sum(axis=2)[:, :, None])
    fit = fit_shelves(page, counts)
    curve = fit_examination(impressions, clicks, examination(["a", "b", "c"], {}))
    assert fit.looks.of_slots(page)[0].tolist() == curve.tolist()
    assert fit.examined.tolist() == (impressions @ curve).tolist()
    assert (fit.factors.of_slots(page) == 1.0).all()
    assert (fit.factors.variances[1] == 0.0).all()


def test_a_fit_goes_on_where_the_one_before_ended() -> None:
    world, rng = opened(SMALL, 2)
    counts = logged(world, 300_000, rng)
    fit = fit_shelves(world.page, counts)
    for _ in range(3):
        fit = fit_shelves(world.page, counts, fit)
    again = fit_shelves(world.page, counts, fit)
    assert again.looks.of_slots(world.page) == pytest.approx(fit.looks.of_slots(world.page), abs=0.02)
    assert again.factors.segments == pytest.approx(fit.factors.segments, rel=0.02)


def test_rows_are_reached_at_least_as_often_as_those_below_and_segments_begin_as_the_page() -> None:
    page = CompiledPage.of(ShelfPage((Shelf("a"),), (Row.of("1", 1), Row.of("2", 1), Row.of("3", 1))))
    counts = ShelfCounts.empty(page, 2, 1)
    seen = np.array([[[900.0, 100.0, 400.0]], [[0.0, 0.0, 0.0]]])
    shares = reach(page, replace(counts, views=np.array([1_000.0, 0.0]), shelf_impressions=seen))
    assert shares[0] == pytest.approx([0.9, 0.4, 0.4], abs=0.02)
    assert shares[1] == pytest.approx([0.9, 0.41, 0.41], abs=0.02)


def test_shelves_that_never_move_say_nothing_of_their_row() -> None:
    free, pinned = [
        CompiledPage.of(ShelfPage((Shelf("a", pinned=row), Shelf("b")), (Row.of("1", 1), Row.of("2", 1))))
        for row in ("", "2")
    ]
    expected = np.array([[0.0, 1_000.0], [1_000.0, 0.0]])
    clicks = expected * np.array([[1.0, 3.0], [1.0, 1.0]])
    moved = [move_looks(page, Looks.start(page), clicks, expected, 400.0).rows for page in (free, pinned)]
    assert moved[0][1] > 1.2 * moved[1][1]
    assert moved[1][1] == pytest.approx(examination(["", ""], {})[1], rel=0.35)


def test_shelves_whose_clicks_bring_more_orders_are_told_from_items_that_do() -> None:
    world, rng = opened(SMALL, 3)
    counts = logged(world, 3_000_000, rng)
    fit = fit_shelves(world.page, counts)
    more = np.array([2.0, 1.0, 1.0, 1.0, 1.0, 0.5])
    buying = rng.uniform(0.02, 0.1, 60)
    # Clicks of items by shelf are not counted: here they are worked out from the truth.
    added = (world.looks * world.factors.mean(axis=1)[0][:, None]).mean(axis=1)
    by_pair = counts.placed * added
    by_pair *= (counts.clicks.sum(axis=2) / np.maximum(by_pair.sum(axis=2), 1e-12))[:, :, None]
    orders = by_pair * buying[:, None] * more
    factors = fit_orders(world.page, counts, fit, orders.sum(axis=2), orders.sum(axis=1)).segments
    ratio = factors / factors[:, 1:5].mean(axis=1, keepdims=True)
    assert ratio[:, 0].mean() > 1.4
    assert ratio[:, 5].mean() < 0.75
