"""What was fitted of shelves comes back from its message as it went in."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.pages.composition import Shelves
from policy.pages.model.counts import ShelfCounts
from policy.pages.model.fitting import OrderFactors, fit_orders, fit_shelves
from policy.pages.published import SegmentShelves, shelves_fit
from schemas.messages.parameters import ShelvesFit
from tests.policy.shelf_pages import random_page

SEGMENTS = ["cooks", "hikers"]
ITEMS = 12


def drawn_counts(seed: int) -> ShelfCounts:
    rng, page = np.random.default_rng(seed), random_page(seed).page
    empty = ShelfCounts.empty(page, len(SEGMENTS), ITEMS)
    parts = (empty.views, empty.impressions, empty.clicks, empty.shelf_impressions, empty.shelf_clicks, empty.placed)
    return ShelfCounts(*(rng.integers(0, 50, part.shape).astype(np.float64) for part in parts))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_what_was_fitted_comes_back(seed: int, sold: bool) -> None:
    page, counts = random_page(seed).page, drawn_counts(seed)
    fit, orders = fit_shelves(page, counts), None
    if sold:
        rng = np.random.default_rng(seed)
        of_items, of_shelves = (rng.integers(0, 9, (2, size)).astype(float) for size in (ITEMS, len(page.kinds)))
        orders = fit_orders(page, counts, fit, of_items, of_shelves)
    message = msgspec.json.decode(msgspec.json.encode(shelves_fit(page, fit, SEGMENTS, orders)), type=ShelvesFit)
    for at, segment in enumerate(SEGMENTS):
        read = SegmentShelves.of(page, message, segment)
        assert_near(read.shelves, Shelves.of(page, fit, at), orders, at)
        assert read.looks == pytest.approx(fit.looks.of_slots(page), rel=1e-5)
        assert read.added == pytest.approx(fit.factors.of_slots(page)[at], rel=1e-5)
        assert read.reach == pytest.approx(fit.reach[at], rel=1e-5)
    whole = SegmentShelves.of(page, message, "*").shelves
    assert whole.factors[0] == pytest.approx(fit.factors.page, rel=1e-5)
    unheard_of = SegmentShelves.of(page, message, "climbers").shelves
    assert unheard_of.factors[0] == pytest.approx(whole.factors[0])
    assert (unheard_of.factors[1] >= whole.factors[1]).all()


def assert_near(read: Shelves, expected: Shelves, orders: OrderFactors | None, at: int) -> None:
    assert read.weights == pytest.approx(expected.weights, rel=1e-5)
    for some, others in zip((*read.factors, *read.spots), (*expected.factors, *expected.spots), strict=True):
        assert some == pytest.approx(others, rel=1e-5)
    assert (read.orders is None) is (orders is None)
    if read.orders and orders:
        assert read.orders[0] == pytest.approx(orders.segments[at], rel=1e-5)


@given(st.integers(0, 2**32 - 1))
def test_without_a_fit_a_page_is_what_an_empty_one_is_fitted_to(seed: int) -> None:
    page = random_page(seed).page
    fit = fit_shelves(page, ShelfCounts.empty(page, 1, 0))
    read = SegmentShelves.of(page, None, "*")
    assert read.looks == pytest.approx(fit.looks.of_slots(page))
    assert read.shelves.factors[0].tolist() == [1.0] * len(page.kinds)
    assert read.shelves.spots[1] == pytest.approx(fit.factors.variances[2].T)


def test_shelves_and_rows_that_came_since_are_taken_for_what_every_page_has() -> None:
    read = SegmentShelves.of(random_page(7).page, ShelvesFit(rows={"gone": 0.5}, page={"gone": (2.0, 0.1)}), "*")
    nothing = SegmentShelves.of(random_page(7).page, None, "*")
    assert np.array_equal(read.looks, nothing.looks)
    assert np.array_equal(read.shelves.factors[0], nothing.shelves.factors[0])
