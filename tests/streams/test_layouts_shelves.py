"""Layouts of pages with shelves: made again from state, shelves that stand still for a period, fitted together."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from policy.assignment import slate_chances
from policy.items import ItemFacts
from policy.model.posteriors import own_counts
from schemas.codec import decoder, encode
from schemas.messages.layouts import Arranged, Layout
from schemas.messages.pages import (
    Branch,
    Candidates,
    PageRow,
    PageRules,
    PageShelf,
    PageTemplate,
    PolicyChoice,
    TemplateRow,
)
from schemas.messages.parameters import PolicyParameters
from schemas.rules import NotAbove, Pin
from schemas.topics import CATALOG_ITEMS, DAY_MS, PAGE_RULES
from streams.catalog.item_features import item_features
from streams.catalog.layouts.arranged import PublishedRows
from streams.catalog.layouts.latest_layout import latest_layout_of
from streams.catalog.page import Page
from streams.catalog.weighted_counts import WeightedCounts
from streams.fitter.page import PageState, Start, fit
from streams.fold.deltas import Traffic
from streams.layouts.compose import compose, stamped
from streams.layouts.guard_rail import guarded
from streams.layouts.slates.statistics import statistics_of
from streams.page_settings import LayoutSettings
from streams.settings import FoldSettings
from streams.state.arrays.tables import Table
from streams.state.reader import KeyState
from tests.streams.layout_inputs import Topics, item

SHELVES = ("new", "sale", "for-you")
ROWS = ("first", "second")
SLOTS = tuple(f"{row}.{column}" for row in ROWS for column in (1, 2))
ITEMS = tuple(f"i{number}" for number in range(9))
RULES = PageRules(
    "home",
    7,
    shelves=[
        PageShelf("new", title="New in", candidates=Candidates(tags=["new"])),
        PageShelf("sale", kind="grid", candidates=Candidates(tags=["sale"])),
        PageShelf("for-you"),
    ],
    rows=[PageRow("first", columns=2), PageRow("second", slots=["second.1", "second.2"])],
    policy=PolicyChoice(variants=4),
)
TAGS = {name: ["new"] if at < 4 else ["sale"] if at < 7 else [] for at, name in enumerate(ITEMS)}


def page(rules: PageRules = RULES, parameters: PolicyParameters | None = None) -> Page:
    """The page as the catalog has it."""
    topics = Topics()
    for name in ITEMS:
        topics.put(CATALOG_ITEMS, name.encode(), item(name, tags=TAGS[name]))
    topics.put(PAGE_RULES, b"home", rules)
    assert not topics.invalid
    of = topics.catalog.page("home")
    if parameters is None:
        return of
    return replace(of, item_features=item_features(parameters, of.candidates, of.items))


def table(seed: int, most: int = 500, segment: str = "s", traffic: Traffic = Traffic.LEARNED) -> Table:
    """Random counts; shelves' are those of the items that stood there."""
    rng = np.random.default_rng(seed)
    impressions = rng.integers(0, most + 1, (len(ITEMS), len(SLOTS)))
    clicks = rng.binomial(impressions, 0.05)
    shares = rng.dirichlet(np.ones(len(SHELVES)), len(SLOTS))
    return Table.of(
        segment, 0, traffic, ITEMS, SLOTS, SHELVES,
        impressions=impressions,
        clicks=clicks,
        conversions=rng.binomial(clicks.sum(axis=1), 0.2),
        shelf_impressions=(impressions.sum(axis=0)[:, None] * shares).astype(np.int64),
        shelf_clicks=(clicks.sum(axis=0)[:, None] * shares).astype(np.int64),
        shelf_conversions=(clicks.sum(axis=0)[:, None] * shares * 0.2).astype(np.int64),
        placed=(impressions @ shares).astype(np.int64),
    )  # fmt: skip


def layout(
    tables: list[Table],
    of: Page,
    epoch: int = 3,
    published: Layout | None = None,
    counts: WeightedCounts | None = None,
    now_ms: int = 0,
) -> Layout:
    """As the producer publishes it, as version 100 or, after another layout, the next one."""
    state = KeyState(tuple(tables), {"events-clicks": [3]})
    rows = PublishedRows.of(published) if published else None
    made = compose("s", state, of, LayoutSettings(), epoch, counts, now_ms, published=rows)
    return stamped(made, published.version + 1 if published else 100, 1_000, 5_000)


def rows_of(of: Layout) -> list[dict[str, str]]:
    assert of.rows is not UNSET
    return of.rows


@given(st.integers(0, 99), st.sampled_from([0, 20, 500]))
def test_the_same_state_gives_the_same_bytes_and_each_item_stands_on_a_shelf_that_may_show_it(
    seed: int, most: int
) -> None:
    of = page()
    made = layout([table(seed, most)], of)
    assert encode(made) == encode(layout([table(seed, most)], page()))
    assert decoder(Layout)(encode(made)) == made
    for slate, rows in zip([*made.slates, made.baseline], [*rows_of(made), made.baseline_rows or {}], strict=True):
        assert len(set(slate.values())) == len(slate)
        assert len(set(rows.values())) == len(rows)
        for slot, name in slate.items():
            assert name in of.candidates.by_shelf[rows[slot.partition(".")[0]]]
    assert made.shelves and {*made.shelves} == {
        shelf for rows in [*rows_of(made), made.baseline_rows or {}] for shelf in rows.values()
    }


def test_propensities_are_counted_over_all_slates_those_of_branches_too() -> None:
    rules = msgspec.structs.replace(
        RULES, branches=[Branch("bold", 0.25, PolicyChoice(variants=2, exploration=2.0, exploration_slates=1))]
    )
    made = layout([table(1)], page(rules))
    assert made.row_propensities is not UNSET and len(rows_of(made)) == len(made.slates) == 7
    expected: dict[str, dict[str, float]] = {row: defaultdict(float) for row in ROWS}
    for rows, chance in zip(rows_of(made), slate_chances(made), strict=True):
        for row, shelf in rows.items():
            expected[row][shelf] += chance
    assert {row: pytest.approx(dict(shares)) for row, shares in expected.items()} == made.row_propensities


def test_branches_fill_templates_of_the_page_and_the_holdout_sees_that_of_its_own_policy() -> None:
    fixed = PageTemplate("fixed", [TemplateRow("first", shelves=["sale"]), TemplateRow("second", shelves=["new"])])
    short = PageTemplate("short", [TemplateRow("second", columns=1)])
    branches = [
        Branch("whole", 0.2, PolicyChoice(variants=2), template="default"),
        Branch("short", 0.2, PolicyChoice(variants=2, exploration_slates=1), template="short"),
        Branch("same", 0.2, PolicyChoice(variants=1)),
    ]
    rules = msgspec.structs.replace(RULES, templates=[fixed, short], template="fixed", branches=branches)
    made = layout([table(1)], page(rules))
    assert [branch.template for branch in made.branches] == ["fixed", "default", "short", "fixed"]
    in_order = {"first": "sale", "second": "new"}
    assert [*rows_of(made)[:4], rows_of(made)[9], made.baseline_rows] == [in_order] * 6
    assert any(rows != in_order for rows in rows_of(made)[4:6])
    assert [sorted(rows) for rows in rows_of(made)[6:9]] == [["second"]] * 3
    assert {slot for slate in made.slates[6:9] for slot in slate} == {"second.1"}
    assert not made.relaxed
    again = layout([table(1, 1_000)], page(rules), published=made)
    assert rows_of(again) == rows_of(made), "shelves of templates stand still, too"


def test_the_baseline_has_the_declared_order() -> None:
    assert layout([table(1)], page()).baseline_rows == {"first": "new", "second": "sale"}
    turned = msgspec.structs.replace(RULES, shelves=[*reversed(RULES.shelves or [])])
    assert layout([table(1)], page(turned)).baseline_rows == {"first": "for-you", "second": "sale"}
    kept_below = msgspec.structs.replace(RULES, rules=[NotAbove(name="low", shelf="new", row="second")])
    assert layout([table(1)], page(kept_below)).baseline_rows == {"first": "sale", "second": "new"}


def test_rules_that_do_not_hold_are_told_once_for_slates_and_once_for_the_baseline() -> None:
    bare = PageShelf("new", pinned="second", candidates=Candidates(tags=["none"]))
    made = layout([table(1)], page(msgspec.structs.replace(RULES, shelves=[bare, *(RULES.shelves or [])[1:]])))
    assert made.relaxed == ["pin new: not in 4 of 4 slates", "pin new: not in the baseline"]


def test_shelves_stand_still_until_enough_came_while_items_live() -> None:
    of, first = page(), layout([table(1)], page())
    assert first.arranged and first.arranged.version == 100
    few = replace(table(2, 20), buckets=range(1, 2))
    few.clicks[-1] = few.impressions[-1]
    again = layout([table(1), few], of, published=first)
    assert rows_of(again) == rows_of(first)
    assert again.arranged == first.arranged
    assert again.slates != first.slates
    more = layout([table(1), replace(table(2, 2_000), buckets=range(1, 2))], of, published=first)
    assert more.arranged and more.arranged.version == 101
    tomorrow = layout([table(1)], of, epoch=4, published=first)
    assert tomorrow.arranged and tomorrow.arranged.version == 101
    changed = layout([table(1)], page(msgspec.structs.replace(RULES, version=8)), published=first)
    assert changed.arranged and changed.arranged.version == 101


def test_a_pin_that_begins_begins_a_period_and_its_item_stands_at_once() -> None:
    pins = [Pin(name=name, item=name, slot="second.1", starts_at=1_000, ends_at=2_000) for name in ("i2", "i5")]
    for pin in pins:
        of = page(msgspec.structs.replace(RULES, rules=[pin]))
        before = layout([table(1)], of)
        during = layout([table(1)], of, published=before, now_ms=1_500)
        assert during.arranged and during.arranged.version == 101
        assert {slate["second.1"] for slate in [*during.slates, during.baseline]} == {pin.item}
        assert not during.relaxed
        still = layout([table(1, 501)], of, published=during, now_ms=1_600)
        assert still.arranged == during.arranged and rows_of(still) == rows_of(during)
        after = layout([table(1)], of, published=still, now_ms=2_000)
        assert after.arranged and after.arranged.version == 103


def test_what_is_known_of_a_published_layout_has_its_rows() -> None:
    made = layout([table(1)], page())
    latest = latest_layout_of(encode(made))
    assert latest.rows == PublishedRows.of(made)
    assert latest.rows is not None and latest.rows.codes(page().compiled("s", 0)).shape == (4, 2)
    again = msgspec.structs.replace(made, arranged=Arranged(0, 1.5))
    assert latest_layout_of(encode(again)).fingerprint != latest.fingerprint, "a period that begins is published"
    swapped = msgspec.structs.replace(made, rows=[*reversed(rows_of(made))])
    assert latest_layout_of(encode(swapped)).fingerprint != latest.fingerprint


def test_a_page_that_fell_back_shows_the_baseline_s_rows() -> None:
    fell_back = guarded(layout([table(1)], page()), 7, "loss")
    assert fell_back.rows == [fell_back.baseline_rows]
    assert fell_back.row_propensities == {"first": {"new": 1.0}, "second": {"sale": 1.0}}
    assert PublishedRows.of(fell_back) is None


def fitted(*tables: Table) -> PolicyParameters:
    by_segment = {
        segment: [one for one in tables if one.segment == segment] for segment in {one.segment for one in tables}
    }
    facts: dict[str, ItemFacts] = dict(page().items)
    state = PageState(RULES, by_segment, facts)
    return fit(state, Start(0.02, 40.0, {}), LayoutSettings(), FoldSettings(), 1_000, zone=UTC)


def test_shelves_rows_and_items_are_fitted_together_and_layouts_are_made_from_that() -> None:
    parameters = fitted(table(1, segment="s"), table(2, segment="t"))
    assert parameters.shelves
    assert {*parameters.shelves.page} == set(SHELVES) and {*parameters.shelves.segments} == {"s", "t"}
    assert {*parameters.shelves.rows} == set(ROWS) and {*parameters.examination} == set(SLOTS)
    assert {*parameters.shelves.orders} == {"s", "t", "*"}
    assert decoder(PolicyParameters)(encode(parameters)) == parameters
    made = layout([table(1)], page(parameters=parameters))
    assert encode(made) == encode(layout([table(1)], page(parameters=parameters)))
    assert made.parameters_version == parameters.version


def test_a_shelf_that_is_clicked_more_is_fitted_so_and_goes_up() -> None:
    """All items are clicked three times as often on it as on the others."""
    shows = 4_000 * np.ones((len(ITEMS), len(SLOTS)), dtype=np.int64)
    shares = np.full((len(SLOTS), len(SHELVES)), 1 / 3)
    rates = np.array([0.02, 0.02, 0.06])
    clicked = (shows.sum(axis=0)[:, None] * shares * rates).astype(np.int64)
    even = Table.of(
        "s", 0, Traffic.LEARNED, ITEMS, SLOTS, SHELVES,
        impressions=shows,
        clicks=(shows * rates.mean()).astype(np.int64),
        shelf_impressions=(shows.sum(axis=0)[:, None] * shares).astype(np.int64),
        shelf_clicks=clicked,
        placed=(shows @ shares).astype(np.int64),
    )  # fmt: skip
    parameters = fitted(even)
    assert parameters.shelves
    factors = {name: mean for name, (mean, _) in parameters.shelves.page.items()}
    assert factors["for-you"] / factors["new"] == pytest.approx(3.0, rel=0.15)
    made = layout([even], page(parameters=parameters))
    assert [rows["first"] for rows in rows_of(made)] == ["for-you"] * 4


def test_counts_moved_along_give_the_layout_that_counts_made_anew_give() -> None:
    of = page(parameters=fitted(table(1)))
    counts = WeightedCounts(of.candidates, tuple(of.rules.slots))
    for seed in (1, 2, 3):
        state = [table(seed), table(seed + 10, traffic=Traffic.HOLDOUT)]
        assert encode(layout(state, of, counts=counts)) == encode(layout(state, of))


def test_older_days_are_forgotten_on_pages_of_shelves_too() -> None:
    days = [replace(table(seed), buckets=range(5 * seed * DAY_MS, 5 * seed * DAY_MS + 1)) for seed in (1, 2, 3)]
    of = page(parameters=fitted(*days))
    shelves, counts = of.segment_shelves("s"), WeightedCounts(of.candidates, tuple(of.rules.slots))
    sums = [
        statistics_of("s", KeyState(tuple(days), {}), of, LayoutSettings(drift=drift), counts, shelves)
        for drift in (0.0, 0.05)
    ]
    whole = own_counts(sums[0].impressions, sums[0].clicks, sums[0].examination)
    assert [each.tolist() for each in sums[0].own] == [each.tolist() for each in whole]
    for remembered, all_of_it in zip(sums[1].own, whole, strict=True):
        assert (remembered < all_of_it).all() and (remembered > 0.0).all()
    assert sums[1].own.clicks == pytest.approx(sums[1].own.examined * (whole[1] / whole[0]), rel=0.6)
    for at in (1, 2, 3):
        assert encode(layout(days[:at], of, counts=counts)) == encode(layout(days[:at], of))


def test_a_page_that_cannot_be_meant_is_invalid_and_the_one_before_stays() -> None:
    topics = Topics()
    topics.put(PAGE_RULES, b"home", RULES)
    topics.put(
        PAGE_RULES,
        b"home",
        msgspec.structs.replace(RULES, version=8, rules=[NotAbove(name="p", shelf="gone", row="first")]),
    )
    assert topics.invalid == {"page-rules": 1}
    assert topics.catalog.rules["home"] == RULES


@pytest.mark.parametrize("rules", [RULES, PageRules("home", 7, list(SLOTS))], ids=["shelves", "flat"])
@pytest.mark.parametrize("traffic", [Traffic.HOLDOUT, Traffic.FALLBACK])
def test_a_page_without_learned_traffic_is_fitted_to_where_it_starts(rules: PageRules, traffic: Traffic) -> None:
    state = PageState(rules, {"s": [table(1, traffic=traffic)]}, {})
    parameters = fit(state, Start(0.03, 50.0, {}), LayoutSettings(), FoldSettings(), 0)
    assert parameters.click_rate == pytest.approx(0.03)
    assert not parameters.left_out
