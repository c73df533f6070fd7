"""The demonstration shop: its model, its renderer, its scores, and its traffic through a real broker."""

from __future__ import annotations

import contextlib
import re
import socket

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.assignment import choose
from policy.pages.messages import shelf_problems
from reshelf.demo.catalog import (
    CANDIDATES,
    IN_ORDER,
    SHELF_CANDIDATES,
    candidates,
    catalog_item,
    fallback,
    page_rules,
)
from reshelf.demo.renderer import NO_SLOT
from reshelf.demo.run import USUAL_PORT, console_address, default_port
from reshelf.demo.scores import HOLDOUT, LEARNED, TRIAL, Delays, Scores, arms, trial_arms, unit_bins
from reshelf.demo.shop.model import ShopSettings, Views
from reshelf.demo.shop.pages import NO_SHELF, PAGES, SEGMENTS, SHELVES, WIDTH
from reshelf.demo.shop.passing_tags import NEW, SALE
from reshelf.demo.shop.words import DEPARTMENTS
from schemas.codec import decoder, encode
from schemas.errors import BadSettings
from schemas.messages.catalog import CatalogItem
from schemas.messages.fields import BASELINE, FALLBACK
from schemas.messages.layouts import LayoutBranch
from schemas.topics import CLICKS
from tests.reshelf.demo_shop import FRONT, HOME, NOW_MS, SMALL, layout_of, shelf_of, shop, views_of

ROWS = PAGES[FRONT].rows


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_seed_says_everything(seed: int) -> None:
    one, two = shop(seed), shop(seed)
    for now in (5.0, 20.0, 60.0):
        assert [key for key, _ in one.advance(now)] == [key for key, _ in two.advance(now)]
    assert [item.product for item in one.items] == [item.product for item in two.items]
    assert np.array_equal(one.attraction, two.attraction)
    assert np.array_equal(one.views(50).unit, two.views(50).unit)
    assert not np.array_equal(one.attraction, shop(seed + 10).attraction)


def test_items_have_words_of_their_own() -> None:
    items = shop().items
    titles = {item.product.title for item in items}
    assert len(titles) == len(items) == SMALL.items
    assert {item.product.category for item in items} == {department.name for department in DEPARTMENTS}
    assert all(item.product.title in item.product.description for item in items)


def test_stock_and_arrivals_keep_the_tables_whole() -> None:
    model = shop()
    gone: set[str] = set()
    for second in range(1, 400):
        changes = model.advance(float(second))
        gone |= {key for key, item in changes if item is None}
        keys = [item.key for item in model.items]
        assert len(set(keys)) == len(keys) == SMALL.items
        assert not gone & set(keys)
        assert all(model.in_stock[item.row] == item.available for item in model.items)
    assert len(gone) > 30
    assert 0 < sum(not item.available for item in model.items) < 10


def test_tastes_differ_and_drift() -> None:
    model = shop()
    before = model.attraction.copy()
    assert np.corrcoef(before[0], before[1])[0, 1] < 0.9
    for second in range(120):
        model.advance(float(second))
    assert not np.array_equal(before, model.attraction)
    assert 0.005 <= model.attraction.min() <= model.attraction.max() <= 0.09


def test_alike_arms_are_alike() -> None:
    model = shop(settings=ShopSettings(units=100, null=True))
    model.advance(50.0)
    assert len(np.unique(model.attraction)) == len(np.unique(model.purchase)) == 1


def test_catalog_and_pages_fit_the_contract() -> None:
    model = shop()
    for item in model.items:
        message = catalog_item(item, NOW_MS)
        assert decoder(CatalogItem)(encode(message)) == message
    for rules, page in zip(page_rules(), PAGES, strict=True):
        assert tuple(rules.slots) == page.slots
        assert not list(shelf_problems(rules))
        assert len(candidates(CANDIDATES[page.name], model.items)) >= 2 * len(page.slots)
        for shelf in page.shelves:
            assert len(candidates(SHELF_CANDIDATES[shelf.name], model.items)) >= 2 * page.columns


def test_items_are_new_and_on_sale_for_a_while() -> None:
    model = shop()
    prices = {item.key: item.product.price for item in model.items}
    for second in range(1, 300):
        changed = {key for key, item in model.advance(float(second)) if item is not None}
        for item in model.items:
            if item.key in prices and item.product.price != prices[item.key]:
                assert item.key in changed
                assert (SALE in item.tags) is (item.product.price < prices[item.key])
            prices[item.key] = item.product.price
            assert model.price[item.row] == item.product.price
            assert len(set(item.tags)) == len(item.tags)
        for tag in (NEW, SALE):
            assert 8 <= sum(tag in item.tags for item in model.items) <= 40


def test_shelves_of_the_front_page_are_clicked_as_they_are_to_be() -> None:
    model = shop(settings=ShopSettings(units=2_000, base_rate=0.03))
    count = 40_000
    views = Views(np.zeros(count, dtype=np.int64), np.full(count, 1), np.full(count, FRONT), np.full(count, WIDTH))
    slates = np.zeros((count, WIDTH), dtype=np.int64)
    names = [shelf.name for shelf in SHELVES]
    clicks = {
        name: model.clicks(views, slates, np.full_like(slates, number)).sum()
        for number, name in [(-1, "none"), *enumerate(names)]
    }
    for shelf in SHELVES:
        expected = shelf.adds * shelf.favours.get(SEGMENTS[1], 1.0)
        assert clicks[shelf.name] / clicks["none"] == pytest.approx(expected, rel=0.1)


def test_the_front_page_falls_back_to_the_order_of_the_merchants() -> None:
    model = shop()
    made = shelf_of(model)
    rendered = made.render(views_of(model, FRONT, 0, 3), model.in_stock, NOW_MS)
    for slate, shelves in zip(rendered.slates.tolist(), rendered.shelves.tolist(), strict=True):
        assert len(set(slate)) == len(slate)
        in_sight = made.in_sight(FRONT, slate, shelves, [item.key for item in model.items])
        assert list(in_sight.rows.items()) == [(row, shelf.name) for row, shelf in zip(ROWS, SHELVES, strict=False)]
        assert [slot.slot for slot in in_sight.slots] == list(PAGES[FRONT].slots)


def test_rows_of_a_layout_are_rendered_and_its_branches_scored() -> None:
    model = shop()
    made = shelf_of(model)
    rows = [{ROWS[0]: "sale", ROWS[2]: "new"}, {ROWS[0]: "hero", ROWS[1]: "stories"}]
    branches = [LayoutBranch("main", "thompson", 0.5, 1), LayoutBranch(IN_ORDER, "thompson", 0.5, 1)]
    layout = layout_of(model, FRONT, "*", 7, rows=rows, baseline_rows={ROWS[3]: "kitchen"}, branches=branches)
    made.take(layout)
    views = views_of(model, FRONT, 0)
    rendered = made.render(views, model.in_stock, NOW_MS)
    names = [item.key for item in model.items]
    for unit, variant, slate, shelves in zip(
        views.unit, rendered.variant.tolist(), rendered.slates.tolist(), rendered.shelves.tolist(), strict=True
    ):
        choice = choose(layout, f"u{unit}")
        assert (variant, made.in_sight(FRONT, slate, shelves, names).rows) == (choice.variant, choice.rows)
    assert set(zip(rendered.variant.tolist(), rendered.branch.tolist(), strict=True)) == {(-1, -1), (0, 0), (1, 1)}
    scored = trial_arms(rendered.variant, rendered.branch)
    assert {*zip(rendered.variant.tolist(), scored.tolist(), strict=True)} == {
        (-1, HOLDOUT), (0, LEARNED), (1, TRIAL),
    }  # fmt: skip


def test_without_a_layout_the_fallback_is_shown() -> None:
    model = shop()
    variant, version, _, shown, _ = shelf_of(model).render(views_of(model, HOME, 0), model.in_stock, NOW_MS)
    assert set(variant.tolist()) == {FALLBACK}
    assert set(version.tolist()) == {0}
    assert np.array_equal(shown, np.tile(fallback(model)[HOME], (len(shown), 1)))


def test_each_visitor_sees_what_the_contract_says() -> None:
    model = shop()
    made = shelf_of(model)
    layout = layout_of(model, HOME, SEGMENTS[0], 7)
    made.take(layout)
    views = views_of(model, HOME, 0)
    variant, version, _, shown, _ = made.render(views, model.in_stock, NOW_MS)
    for unit, chosen, rows in zip(views.unit.tolist(), variant.tolist(), shown.tolist(), strict=True):
        expected, slate, _ = choose(layout, f"u{unit}")
        assert chosen == expected
        assert [model.items[row].key for row in rows if row != NO_SLOT] == [slate[slot] for slot in PAGES[HOME].slots]
    assert set(variant.tolist()) == {BASELINE, 0, 1}
    assert set(version.tolist()) == {7}


def test_newest_version_wins_and_everyone_is_the_way_out() -> None:
    model = shop()
    made = shelf_of(model)
    assert made.take(layout_of(model, HOME, "*", 5))
    assert not made.take(layout_of(model, HOME, "*", 5))
    assert not made.take(layout_of(model, HOME, "*", 4))
    found = made.layout(HOME, 1, NOW_MS)
    assert found is not None
    assert (found.segment, found.version) == ("*", 5)
    made.take(layout_of(model, HOME, SEGMENTS[1], 2, expires_at=NOW_MS))
    assert made.layout(HOME, 1, NOW_MS - 1) is made.layouts["home", SEGMENTS[1]]
    assert made.layout(HOME, 1, NOW_MS) is found
    made.drop(("home", "*"))
    assert made.layout(HOME, 1, NOW_MS) is None


def test_sold_out_and_unseen_slots_are_left_out() -> None:
    model = shop()
    made = shelf_of(model)
    views = views_of(model, HOME, 0, 20)
    first = fallback(model)[HOME][0]
    model.in_stock[first] = False
    shallow = Views(views.unit, views.segment, views.page, np.full(20, 4))
    shown = made.render(shallow, model.in_stock, NOW_MS).slates
    assert (shown[:, 0] == NO_SLOT).all()
    assert (shown[:, 1:4] != NO_SLOT).all()
    assert (shown[:, 4:] == NO_SLOT).all()
    assert not model.clicks(shallow, shown, np.full_like(shown, NO_SHELF))[shown == NO_SLOT].any()


@given(st.lists(st.tuples(st.integers(-2, 15), st.integers(0, 255), st.integers(0, 5)), max_size=50))
def test_scores_count_every_view_once(views: list[tuple[int, int, int]]) -> None:
    scores = Scores()
    table = np.array(views, dtype=np.int64).reshape(-1, 3)
    scores.add_views(arms(table[:, 0]), table[:, 1], table[:, 2])
    for arm, mine in ((LEARNED, table[:, 0] >= 0), (HOLDOUT, table[:, 0] == BASELINE)):
        assert scores.views[arm].sum() == mine.sum()
        assert scores.clicks[arm].sum() == table[mine, 2].sum()


def test_arms_and_bins() -> None:
    assert arms(np.array([-2, -1, 0, 15])).tolist() == [-1, HOLDOUT, LEARNED, LEARNED]
    bins = unit_bins([f"v{number}" for number in range(5_000)])
    assert bins.min() >= 0
    assert len(np.unique(bins)) == 256


def test_a_layout_is_as_late_as_its_newest_click() -> None:
    delays = Delays()
    key = ("home", "cooks")
    delays.click(key, 1, 2, 8.0)
    delays.layout(key, {CLICKS.name: [0, 3]}, 9.0)
    for offset, sent in ((3, 10.0), (4, 10.5)):
        delays.click(key, 1, offset, sent)
    delays.layout(("home", "readers"), {CLICKS.name: [0, 9]}, 10.6)
    delays.layout(key, {CLICKS.name: [9, 4]}, 11.0)
    delays.layout(key, {CLICKS.name: [9, 5]}, 12.0)
    for offset, sent in ((5, 12.5), (6, 13.0)):
        delays.click(key, 1, offset, sent)
    delays.layout(key, {CLICKS.name: [9, 7]}, 13.2)
    delays.layout(key, {CLICKS.name: [9, 7]}, 20.0)
    assert list(delays.recent) == pytest.approx([1.0, 1.5, 0.2])
    assert delays.quantiles_ms()["p50"] == 1000.0


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BadSettings, match="--port"):
        console_address(taken.getsockname()[1])
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", console_address(0))
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # by somebody else it is as good
            taken.bind(("127.0.0.1", USUAL_PORT))
            taken.listen()
        assert default_port() == 0


def test_width_holds_every_page() -> None:
    assert WIDTH == max(len(page.slots) for page in PAGES) == 16
