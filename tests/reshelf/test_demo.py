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
from reshelf.demo.catalog import candidates, catalog_item, fallback, page_rules
from reshelf.demo.renderer import NO_SLOT
from reshelf.demo.run import USUAL_PORT, console_address, default_port
from reshelf.demo.scores import HOLDOUT, LEARNED, Delays, Scores, arms, unit_bins
from reshelf.demo.shop import PAGES, SEGMENTS, WIDTH, ShopSettings, Views
from reshelf.demo.words import DEPARTMENTS
from schemas.codec import decoder, encode
from schemas.errors import BadSettings
from schemas.messages.catalog import CatalogItem
from schemas.messages.fields import BASELINE, FALLBACK
from schemas.topics import CLICKS
from tests.reshelf.demo_shop import HOME, NOW_MS, SMALL, layout_of, shelf_of, shop, views_of


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
        assert len(candidates(page.name, model.items)) >= 2 * len(page.slots)


def test_without_a_layout_the_fallback_is_shown() -> None:
    model = shop()
    variant, version, shown = shelf_of(model).render(views_of(model, HOME, 0), model.in_stock, NOW_MS)
    assert set(variant.tolist()) == {FALLBACK}
    assert set(version.tolist()) == {0}
    assert np.array_equal(shown, np.tile(fallback(model)[HOME], (len(shown), 1)))


def test_each_visitor_sees_what_the_contract_says() -> None:
    model = shop()
    made = shelf_of(model)
    layout = layout_of(model, HOME, SEGMENTS[0], 7)
    made.take(layout)
    views = views_of(model, HOME, 0)
    variant, version, shown = made.render(views, model.in_stock, NOW_MS)
    for unit, chosen, rows in zip(views.unit.tolist(), variant.tolist(), shown.tolist(), strict=True):
        expected, slate, _ = choose(layout, f"u{unit}")
        assert chosen == expected
        assert [model.items[row].key for row in rows] == [slate[slot] for slot in PAGES[HOME].slots]
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
    _, _, shown = made.render(shallow, model.in_stock, NOW_MS)
    assert (shown[:, 0] == NO_SLOT).all()
    assert (shown[:, 1:4] != NO_SLOT).all()
    assert (shown[:, 4:] == NO_SLOT).all()
    assert not model.clicks(shallow, shown)[shown == NO_SLOT].any()


@given(st.lists(st.tuples(st.integers(-2, 15), st.integers(0, 255), st.integers(0, 5)), max_size=50))
def test_scores_count_every_view_once(views: list[tuple[int, int, int]]) -> None:
    scores = Scores()
    table = np.array(views, dtype=np.int64).reshape(-1, 3)
    scores.add_views(table[:, 0], table[:, 1], table[:, 2])
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
    assert WIDTH == max(len(page.slots) for page in PAGES) == 12
