"""Values of arrangements of shelves from a log: exact where the model is, refused where rows lack shelves, covered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.evaluation.shelves import Arrangements, ShelfEvidence, exchanged, fits, pinned, row_shares
from policy.pages.compiled import CompiledPage
from policy.pages.declaration import Row, Shelf, ShelfPage
from policy.pages.model.counts import ShelfCounts

PAGE = CompiledPage.of(
    ShelfPage(
        tuple(Shelf(name) for name in ("new", "sale", "for-you")),
        (Row.of("first", 2), Row.of("second", 2), Row.of("last", 2, ["new", "for-you"])),
    )
)
LOOKS = np.repeat([1.0, 0.6, 0.4], 2)
RATES = np.array([0.05, 0.1, 0.2])
"""Clicks per look of each shelf."""
VIEWS = 4_000


def counts(
    orders: list[list[int]], rng: np.random.Generator, scale: int = 1, by_column: tuple[float, float] = (1.0, 1.0)
) -> ShelfCounts:
    """Page views of one segment that see all rows, in each of some orders of the shelves; each shelf has one item.

    Clicks of columns are `by_column` times as frequent.
    """
    empty = ShelfCounts.empty(PAGE, 1, 3)
    empty.views[0] = VIEWS * scale * len(orders)
    for order in orders:
        for slot, row in enumerate(PAGE.row_of.tolist()):
            shelf = order[row]
            clicks = rng.binomial(VIEWS * scale, LOOKS[slot] * RATES[shelf] * by_column[slot % 2])
            for cells, amount in (
                (empty.impressions[0, shelf], VIEWS * scale),
                (empty.clicks[0, shelf], clicks),
                (empty.shelf_impressions[0, shelf], VIEWS * scale),
                (empty.shelf_clicks[0, shelf], clicks),
            ):
                cells[slot] += amount
            empty.placed[0, shelf, shelf] += VIEWS * scale
    return empty


def shares(orders: list[list[int]]) -> Any:
    return row_shares(np.array(orders), np.full(len(orders), 1.0 / len(orders)), 3)[None]


LOGGED = [[0, 1, 2], [1, 0, 2], [2, 1, 0], [1, 2, 0]]


def evidence(seed: int = 1, orders: list[list[int]] = LOGGED, parts: int = 16) -> ShelfEvidence:
    rng = np.random.default_rng(seed)
    return ShelfEvidence.of(PAGE, [counts(orders, rng) for _ in range(parts)])


def test_another_arrangement_is_worth_the_clicks_per_look_of_its_shelves_times_their_looks() -> None:
    target = [2, 1, 0]
    truth = sum(LOOKS[2 * row] * 2 * RATES[shelf] for row, shelf in enumerate(target))
    answer = evidence().estimate(Arrangements(shares(LOGGED), shares([target])))
    assert not answer.refused
    assert answer.value == pytest.approx(truth, rel=0.02)
    assert answer.low < truth < answer.high
    assert answer.gain_low < answer.gain < answer.gain_high


@given(st.integers(0, 5))
def test_what_was_served_is_worth_what_it_earned(seed: int) -> None:
    some = evidence(seed, parts=8)
    answer = some.estimate(Arrangements(shares(LOGGED), shares(LOGGED)))
    assert answer.value == pytest.approx(some.whole.clicks.sum() / some.whole.views.sum(), rel=0.03)
    assert answer.gain == pytest.approx(0.0, abs=0.03)


def test_a_shelf_in_a_row_where_the_log_has_not_shown_it_is_refused() -> None:
    orders = [[1, 0, 2], [1, 2, 0]]
    answer = evidence(orders=orders).estimate(Arrangements(shares(orders), shares([[0, 1, 2]])))
    assert "policy.exploration_slates" in answer.refused
    assert answer.lacking > 0.5 and np.isnan(answer.value)
    assert not evidence(orders=orders).estimate(Arrangements(shares(orders), shares(orders[:1]))).refused


def test_too_few_units_are_refused_and_a_shelf_that_may_not_stand_in_a_row_is_an_error() -> None:
    some = evidence(parts=3)
    assert "parts of the units" in some.estimate(Arrangements(shares(LOGGED), shares(LOGGED))).refused
    with pytest.raises(ValueError, match="shelf 'sale' may not stand in row 'last'"):
        some.estimate(Arrangements(shares(LOGGED), shares([[0, 2, 1]])))


@given(st.lists(st.permutations([0, 1, 2, -1]), min_size=1, max_size=5), st.integers(0, 2), st.integers(0, 3))
def test_slates_with_two_rows_exchanged_or_a_shelf_pinned_have_each_shelf_once(
    orders: list[list[int]], row: int, other: int
) -> None:
    rows = np.array(orders, dtype=np.int32)
    turned = exchanged(rows, row, other)
    assert (exchanged(turned, row, other) == rows).all()
    assert (np.sort(turned, axis=1) == np.sort(rows, axis=1)).all()
    fixed = pinned(rows, other, row)
    assert (fixed[:, other] == row).all()
    assert (np.sort(fixed, axis=1) == np.sort(rows, axis=1)).all()
    absent = pinned(np.array([[0, 1]], dtype=np.int32), 0, 2)
    assert absent.tolist() == [[2, 1]]


@given(st.integers(0, 5))
def test_segments_add_up_to_the_page(seed: int) -> None:
    """Values by segment, each with the weight of its page views, are the value of all."""
    rng = np.random.default_rng(seed)
    latin = [0, 1, 2], [1, 2, 0], [2, 0, 1]
    both = [[*latin[0]], [*latin[1]], [*latin[2]], [2, 1, 0]], [[*latin[2]], [*latin[1]], [*latin[0]], [1, 0, 2]]
    parts = [stacked([counts(orders, rng) for orders in both]) for _ in range(8)]
    served = np.concatenate([shares([*orders]) for orders in both])
    wide = CompiledPage.of(ShelfPage(PAGE.page.shelves, tuple(Row.of(row.name, 2) for row in PAGE.page.rows)))
    target = np.repeat(shares([[2, 0, 1]]), 2, axis=0)
    whole = ShelfEvidence.of(wide, parts)
    estimates = [
        whole.of_groups([at]).estimate(Arrangements(served[at : at + 1], target[at : at + 1])) for at in range(2)
    ]
    of_segments = [estimate.value * whole.of_groups([at]).views for at, estimate in enumerate(estimates)]
    assert sum(of_segments) == pytest.approx(whole.estimate(Arrangements(served, target)).value * whole.views)


def stacked(of_segments: list[ShelfCounts]) -> ShelfCounts:
    names = ("views", "impressions", "clicks", "shelf_impressions", "shelf_clicks", "placed")
    return ShelfCounts(*(np.concatenate([getattr(part, name) for part in of_segments]) for name in names))


def test_parts_may_come_one_after_the_other() -> None:
    rng = np.random.default_rng(1)
    parts = [counts(LOGGED, rng) for _ in range(8)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.plus(part)
    arrangements = Arrangements(shares(LOGGED), shares([[2, 1, 0]]))
    one_by_one = ShelfEvidence.without_each(PAGE, whole, iter(parts))
    assert one_by_one.estimate(arrangements) == ShelfEvidence.of(PAGE, parts).estimate(arrangements)


def test_a_narrower_row_is_worth_the_clicks_of_its_columns() -> None:
    """The first columns have items that are clicked twice as often as those of the second."""
    rng = np.random.default_rng(3)
    parts = [counts(LOGGED, rng, by_column=(2.0, 0.5)) for _ in range(16)]
    columns = np.minimum(PAGE.columns, 1)
    answer = ShelfEvidence.of(PAGE, parts).estimate(Arrangements(shares(LOGGED), shares([[2, 1, 0]]), columns))
    truth = sum(LOOKS[2 * row] * 2.0 * RATES[shelf] for row, shelf in enumerate([2, 1, 0]))
    assert not answer.refused
    assert answer.value == pytest.approx(truth, rel=0.02)
    assert answer.low < truth < answer.high


def test_rows_below_others_than_in_the_log_are_refused() -> None:
    served = shares(LOGGED)
    without_first, without_last = served.copy(), served.copy()
    without_first[:, 0], without_last[:, -1] = 0.0, 0.0
    answer = evidence().estimate(Arrangements(served, without_first))
    assert "reshelf experiment branches" in answer.refused
    assert answer.lacking == pytest.approx(1.0)
    assert not evidence().estimate(Arrangements(served, without_last)).refused


def test_a_row_with_too_few_columns_for_a_shelf_is_an_error() -> None:
    page = CompiledPage.of(
        ShelfPage((Shelf("hero"), Shelf("wide", least_columns=2)), (Row.of("top", 1), Row.of("below", 2)))
    )
    assert fits(page).tolist() == [[True, False], [True, True]]
    target = row_shares(np.array([[1, 0]]), np.ones(1), 2)[None]
    with pytest.raises(ValueError, match="shelf 'wide' may not stand in row 'top': it has too few columns"):
        ShelfEvidence.of(page, [ShelfCounts.empty(page, 1, 1)]).estimate(Arrangements(target, target))


def test_what_was_served_has_an_interval_that_holds_its_clicks() -> None:
    served = evidence().served()
    truth = np.mean([sum(LOOKS[2 * row] * 2 * RATES[shelf] for row, shelf in enumerate(order)) for order in LOGGED])
    assert served.low < truth < served.high
    assert served.high - served.low < 0.05 * truth


def test_an_interval_holds_what_shelves_stray_by_as_much_as_is_moved() -> None:
    some = evidence()
    few, many = ([[1, 0, 2], *LOGGED[1:]], [[2, 1, 0]] * 4)
    widths = []
    for strays in (0.0, 0.1, 0.3):
        part = some._replace(strays=strays**2)
        answers = [part.estimate(Arrangements(shares(LOGGED), shares(target))) for target in (LOGGED, few, many)]
        widths.append([answer.gain_high - answer.gain_low for answer in answers])
    without, moderate, wide = np.array(widths)
    assert without[0] == moderate[0] == wide[0]
    assert (without[1:] < moderate[1:]).all() and (moderate[1:] < wide[1:]).all()
    assert wide[1] < wide[2]
