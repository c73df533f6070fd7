"""What items on shelves would earn: reach, look and what the shelf adds, times the item."""

from __future__ import annotations

import numpy as np
import pytest

from policy.arrays import Floats
from policy.model.posteriors import Beta, Prior
from policy.model.reward import ClickValue
from policy.pages.compiled import CompiledPage
from policy.pages.composition import Shelves
from policy.pages.declaration import Row, Shelf, ShelfPage
from policy.pages.published import SegmentShelves
from policy.prices.earnings import Draws, Knowledge, errors_of
from policy.prices.looks import LEAST_SHELF_ERROR, ShelfLooks
from policy.prices.places import looks, place_under, shelf_places_of
from policy.slates.composition import Statistics

PAGE = CompiledPage.of(ShelfPage((Shelf("new"), Shelf("best")), (Row.of("1", 2), Row.of("2", 1))))
ITEMS = [f"i{number}" for number in range(4)]
LOOKS = np.array([[1.0, 0.8, 0.5], [1.0, 0.4, 0.5]])
REACH = np.array([0.9, 0.6])


def knowledge() -> Knowledge:
    statistics = Statistics.empty(ITEMS, PAGE.page.slots, np.ones(3), Prior(0.02, 50.0))
    statistics.impressions[:, 0] = 4_000
    statistics.clicks[:, 0] = 100 * np.arange(1, 5)
    sales = ClickValue(Beta(np.full(4, 200.0), np.full(4, 3_800.0)), np.full(4, 1e3), np.full(4, 1.0), 0.0, np.ones(4))
    return Knowledge("home", "s", statistics, ["hats"] * 4, 0.0, np.full(3, 1e9), sales)


def shelf_looks(factors: Floats, variances: Floats) -> ShelfLooks:
    """Where the best shelf adds a half in the second row, and twice as many orders per click."""
    spots = np.array([[1.0, 1.0], [1.0, 1.5]])
    believed = Shelves(
        PAGE.by_column(LOOKS) * REACH[:, None, None],
        (factors, variances),
        (spots, np.zeros((2, 2))),
        (np.array([1.0, 2.0]), np.zeros(2)),
    )
    added = factors[:, None] * spots.T[:, PAGE.row_of]
    return ShelfLooks(PAGE, SegmentShelves(LOOKS, added, REACH, believed), ("home", "s"), errors_of(knowledge()))


def test_an_item_brings_reach_times_look_times_what_its_shelf_adds_times_what_it_is_worth() -> None:
    draws = Draws(knowledge(), shelf_looks(np.array([0.5, 1.2]), np.zeros(2)))
    places = {("i1", place_under("new", "1.2")): 1.0, ("i3", place_under("best", "2.1")): 0.5}
    earned, rates = draws.earnings(places), knowledge().statistics.posterior().mean[[1, 3]]
    clicks = np.array([0.9 * 0.8 * 0.5, 0.5 * 0.6 * 0.5 * 1.2 * 1.5]) * rates
    assert earned.clicks.mean() == pytest.approx(clicks.sum(), rel=0.02)
    assert earned.orders is not None
    assert earned.orders.mean() == pytest.approx(0.05 * (clicks * [1.0, 2.0]).sum(), rel=0.02)
    seen = looks(places, draws.looks.curve)
    assert seen == pytest.approx({"i1": 0.9 * 0.8, "i3": 0.5 * 0.6 * 0.5})


def test_what_is_not_known_of_a_shelf_is_not_known_of_what_it_brings() -> None:
    place = {("i1", place_under("new", "1.1")): 1.0}
    sure, unsure = (
        Draws(knowledge(), shelf_looks(np.ones(2), variances)).earnings(place).clicks
        for variances in (np.zeros(2), np.array([0.25, 0.0]))
    )
    assert np.std(unsure) / np.mean(unsure) == pytest.approx(np.hypot(0.5, LEAST_SHELF_ERROR), abs=0.05)
    assert np.std(sure) / np.mean(sure) == pytest.approx(LEAST_SHELF_ERROR, abs=0.05)
    # Two items on the same shelf are surer by their difference than by themselves.
    draws = Draws(knowledge(), shelf_looks(np.ones(2), np.array([0.25, 0.0])))
    better = draws.earnings({("i2", place_under("new", "1.1")): 1.0}).plus(draws.earnings(place), -1.0)
    assert np.quantile(better.clicks, 0.05) > 0.0


def test_an_item_that_stays_on_its_shelf_brings_what_it_brought_whatever_the_shelf_adds() -> None:
    placed = np.zeros((4, 2))
    placed[:, 0] = 4_000.0
    draws = Draws(knowledge()._replace(placed=placed), shelf_looks(np.ones(2), np.array([0.25, 0.0])))
    stays, moves = (draws.earnings({("i3", place_under(shelf, "1.1")): 1.0}).clicks for shelf in ("new", "best"))
    assert np.std(stays) / np.mean(stays) < 0.15
    assert np.std(moves) / np.mean(moves) > 0.4
    assert np.mean(moves) == pytest.approx(np.mean(stays), rel=0.05)


def test_places_are_counted_by_slot_and_shelf() -> None:
    row_of = dict(zip(PAGE.page.slots, ["1", "1", "2"], strict=True))
    slates = [({"1.1": "i0", "2.1": "i1"}, {"1": "new", "2": "best"}, 0.75), ({"1.1": "i0"}, {"1": "best"}, 0.25)]
    assert shelf_places_of(slates, row_of) == {
        ("i0", place_under("new", "1.1")): 0.75,
        ("i1", place_under("best", "2.1")): 0.75,
        ("i0", place_under("best", "1.1")): 0.25,
    }
