"""The decision log: joined, composed again, evaluated and exported."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.assignment import branches_of_bins
from policy.evaluation.estimators import ESTIMATORS, Evidence
from policy.evaluation.ratio import Ratio
from reshelf.evaluation.arrays import REWARDS
from reshelf.evaluation.clock import Clock
from reshelf.evaluation.follow import Running
from reshelf.evaluation.join import DecisionLog, Outcome, View, join
from reshelf.evaluation.recompose import Past, Recomposer
from schemas.codec import encode
from schemas.messages.events import Click, Conversion, Impression, SlotItem
from schemas.messages.fields import BASELINE
from schemas.messages.layouts import LayoutBranch
from schemas.messages.pages import Candidates, PageRules
from schemas.messages.parameters import PolicyParameters
from schemas.topics import (
    CATALOG_ITEMS,
    CLICKS,
    FOLDED_TOPICS,
    IMPRESSIONS,
    LAYOUTS_HISTORY,
    PAGE_RULES,
    POLICY_PARAMETERS,
)
from streams.fold.deltas import TableKey
from streams.fold.judge import Judge
from streams.fold.measures import TABLE_ARRAYS
from streams.fold.plain import PlainFold
from streams.kafka.reader import Read
from streams.kafka.records import TopicPartition
from streams.page_settings import LayoutSettings
from streams.settings import FoldSettings
from streams.state.arrays.sums import add_tables
from streams.state.arrays.tables import Table
from streams.state.export import table_rows
from tests.reshelf.decision_logs import EVENTS, ITEMS, LAYOUTS, NOW, SLATES, SLOTS, Recorded, a_layout, joined, visits
from tests.reshelf.plain_evaluation import PlainLog, answerable, evaluated, page_log
from tests.streams.layout_inputs import Topics, item
from tests.streams.logs import FOLD, Log, logs


def sums(log: DecisionLog) -> list[tuple[str, dict[str, tuple[int, int, int]]]]:
    found = {}
    for view in log.views:
        outcomes = view.outcomes.items()
        found[view.view] = {slot: (one.clicks, one.orders, one.revenue) for slot, one in outcomes}
    return list(found.items())


@given(st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_the_order_of_events_does_not_matter(chance: random.Random) -> None:
    shuffled = list(EVENTS)
    chance.shuffle(shuffled)
    assert sums(joined(shuffled)) == sums(joined())


def test_nothing_is_lost_on_the_way() -> None:
    log = joined()
    kinds = [sum(type(event) is kind for event in EVENTS) for kind in (Impression, Click, Conversion)]
    outcomes = [outcome for view in log.views for outcome in view.outcomes.values()]
    counted = [len(log.views), sum(one.clicks for one in outcomes), sum(one.orders for one in outcomes)]
    assert counted == kinds
    assert sum(one.revenue for one in outcomes) == 700 * kinds[2]
    assert log.left_out == {}


def test_what_has_no_layout_is_left_out_and_counted() -> None:
    seen, other = EVENTS[0], [SlotItem("top", "z")]
    replace = msgspec.structs.replace
    changed = [
        replace(seen, page_view_id="x1", layout_version=9),
        replace(seen, page_view_id="x2", variant=-2),
        replace(seen, page_view_id="x3", variant=200),
        replace(seen, page_view_id="x4", slots=other),
    ]
    click = Click("c", NOW, "u", "home", "cooks", "top", "a", "nowhere", 1, 0)
    log = joined([*changed, click, replace(click, event_id="d", variant=-2)])
    assert log.left_out == {
        "click on the renderer's fallback": 1,
        "click without its page view": 1,
        "page view of a variant that its layout has not": 1,
        "page view of the renderer's fallback": 1,
        "page view without its layout in the history": 1,
        "slot not as in the layout": 1,
    }
    assert [view.view for view in log.views] == ["x4"]


def test_layouts_without_slots_are_left_out_of_what_is_followed_too() -> None:
    empty = a_layout(3, slates=[{}] * 16, baseline={}, propensities={}, shadow=[])
    seen = msgspec.structs.replace(EVENTS[0], page_view_id="x", event_id="x", layout_version=3, variant=0)
    assert join([seen], [empty], 1).left_out == {"page view of a layout without slots": 1}
    running = Running("served", FoldSettings(allowed_lateness_ms=0, max_clock_skew_ms=0), settle_ms=1_000)
    running.take(LAYOUTS_HISTORY, 0, [Read(0, NOW, None, encode(empty))])
    running.take(IMPRESSIONS, 0, [Read(0, NOW, b"u", encode(seen))])
    assert not running.settle(NOW + 10_000)


def test_a_variant_that_no_visitor_can_have_is_left_out() -> None:
    branches = [LayoutBranch("main", "thompson", 0.998, 5), LayoutBranch("rare", "greedy", 0.002, 1)]
    salts = (f"s{number}" for number in range(200))
    salt = next(one for one in salts if branches_of_bins(one, (0.998, 0.002)).count(1) == 0)
    layout = a_layout(3, branches=branches, branch_salt=salt)
    events = visits([layout], 50)
    wrong = msgspec.structs.replace(events[0], event_id="x", page_view_id="x", variant=5)
    log = join([*events, wrong], [layout], 1_000_000)
    assert log.left_out == {"page view of a variant that its layout has not": 1}
    assert page_log(log.views, lambda one: one.slates).decisions("clicks").reward.shape == (50, 2)
    assert join([wrong], [a_layout(3, holdout_share=1.0)], 1).left_out == log.left_out


def test_a_visitor_whose_segment_has_no_layout_is_found_in_that_of_the_whole_page() -> None:
    whole = a_layout(3, segment="*")
    log = join([msgspec.structs.replace(EVENTS[0], layout_version=3, segment="new")], [whole], 1)
    assert [(view.layout.segment, view.segment) for view in log.views] == [("*", "new")]


def test_what_was_served_is_worth_what_it_earned() -> None:
    views = joined().views
    log = page_log(views, lambda layout: layout.slates)
    learned = np.array([view.variant != BASELINE for view in views])
    for reward in REWARDS:
        earned = log.rewards[reward].sum(axis=1)
        found = Evidence.of("snips", log.decisions(reward)).estimate()
        own = Ratio.of(log.bins[learned], earned[learned], np.ones(learned.sum()), np.ones(learned.sum())).interval()
        assert found.low <= own.value <= found.high


def test_a_page_whose_segments_are_each_shown_what_they_like_does_not_seem_steep() -> None:
    """All slots are looked at alike; each segment clicks five times as often on its own item, mostly shown first."""
    views = []
    for segment, liked, other in (("one", "a", "b"), ("two", "b", "a")):
        slates = [{"top": liked, "side": other}] * 9 + [{"top": other, "side": liked}]
        layout = a_layout(1, segment=segment, slates=slates, propensities={"top": {}, "side": {}})
        for number in range(2_000):
            view = View(f"{segment}{number}", f"u{number}", segment, NOW, layout, number % 10)
            often = {liked: 2, other: 10}
            view.outcomes = {slot: Outcome(number // 10 % often[name] == 0) for slot, name in view.slate.items()}
            views.append(view)
    top, side = page_log(views, lambda layout: layout.slates).curve
    assert side / top == pytest.approx(1.0, abs=0.1)


def test_a_slot_that_the_log_does_not_have_is_lacking() -> None:
    log = page_log(joined().views, lambda layout: [{**slate, "third": "c"} for slate in layout.slates[:2]])
    assert log.slots == [*SLOTS, "third"]
    decisions = log.decisions("clicks")
    for name in ESTIMATORS:
        found = Evidence.of(name, decisions).estimate()
        assert found.lacking > 0.2
        assert found.refused or found.extrapolated


def test_slots_stand_as_in_the_newest_layout() -> None:
    newest = [{"hero": name, **slate} for name, slate in zip("cbcbaa", SLATES, strict=False)]
    shares = {"hero": dict.fromkeys(ITEMS, 1 / 3), **LAYOUTS[0].propensities}
    layouts = [LAYOUTS[0], a_layout(2, slates=newest, propensities=shares, baseline=newest[0])]
    assert page_log(join(EVENTS, layouts, 1).views, lambda layout: layout.slates).slots == ["hero", *SLOTS]


def test_what_is_unknown_is_null() -> None:
    views = [view for view in joined().views if view.variant != BASELINE]
    log = page_log(views, lambda layout: [{"top": "unheard", "side": "of"}])
    found = evaluated(log, views, 0.95)
    assert found["served"]["clicks"]["holdout"] == {"value": None, "low": None, "high": None}
    refused = [one for one in found["estimates"]["clicks"] if one["refused"]]
    assert len(refused) == len(ESTIMATORS) - 2
    assert all((one["value"], one["low"], one["high"]) == (None, None, None) for one in refused)


def test_every_estimator_finds_that_the_visitors_like_item_c() -> None:
    best, worst = ({"top": "c", "side": "a"}, {"top": "a", "side": "b"})
    values = []
    for slate in (best, worst):
        log = page_log(joined(visits(LAYOUTS, 6_000)).views, lambda layout, slate=slate: [slate])  # type: ignore[misc]
        decisions = log.decisions("clicks")
        found = {name: Evidence.of(name, decisions).estimate(0.999) for name in ESTIMATORS}
        assert not any(one.refused for one in found.values())
        values.append(found)
    for name in ESTIMATORS:
        if name != "direct":
            assert values[0][name].low < 0.55 < values[0][name].high, name
            assert values[1][name].low < 0.15 < values[1][name].high, name
        assert values[0][name].value > 2 * values[1][name].value


MANY = FOLD.changed(max_keys=1_000, max_items=1_000, max_slots=1_000)


@given(logs(), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_the_past_is_what_a_fold_of_the_log_until_then_gives(log: Log, chance: random.Random) -> None:
    topics = {topic.name: topic for topic in FOLDED_TOPICS}
    accepted = {tp: Judge(topics[tp.topic], MANY, built=False).judge(records).accepted for tp, records in log.items()}
    pasts: dict[tuple[str, str], Past] = {}
    clock = Clock(MANY)
    for tp, records in log.items():
        clock.read(tp, records)
    for _ in range(3):
        ends = {tp: chance.randrange(0, 40) for tp in log}
        plain = PlainFold(MANY)
        for tp, records in log.items():
            plain.read(tp, [record for record in records if record.offset < ends[tp]])
        watermarks = {name: [ends[TopicPartition(name, number)] for number in range(2)] for name in topics}
        keys = {(one.event.page, one.event.segment) for some in accepted.values() for one in some}
        own_tables: dict[TableKey, list[Table]] = {}
        for key in keys:
            own = {tp: [o for o in some if (o.event.page, o.event.segment) == key] for tp, some in accepted.items()}
            past = pasts.setdefault(key, Past(PlainLog(own), MANY, clock))
            for table in past.at(watermarks).tables:
                own_tables.setdefault(TableKey(*key, table.bucket, table.traffic), []).append(table)
        found = [row for name, those in own_tables.items() for row in table_rows(name, add_tables(those))]
        assert sorted(found) == [row for row in plain.rows() if row[0] in {array.row for array in TABLE_ARRAYS}]


def test_a_layout_is_composed_again_with_another_policy() -> None:
    topics = Topics()
    for name in ITEMS:
        topics.put(CATALOG_ITEMS, name.encode(), item(name))
    topics.put(PAGE_RULES, b"home", PageRules("home", 1, SLOTS, candidates=Candidates(items=ITEMS)))
    records = [
        Recorded(offset, event.unit.encode(), encode(event))
        for offset, event in enumerate(event for event in EVENTS if type(event) is Click)
    ]
    log = {
        TopicPartition(CLICKS.name, 0): Judge(CLICKS, FoldSettings(allowed_lateness_ms=0, max_clock_skew_ms=0))
        .judge(records)
        .accepted
    }

    def greedy(choice: Any) -> Any:
        return msgspec.structs.replace(choice, name="greedy")

    recomposer = Recomposer(
        PlainLog(log), Clock(FoldSettings()), topics.catalog, {}, FoldSettings(), LayoutSettings(), greedy
    )
    before, after = (recomposer.again(a_layout(5, {CLICKS.name: [end]})) for end in (0, len(records)))
    assert after.policy == "greedy"
    assert {slate["top"] for slate in after.slates} == {"c"}
    assert after.slates != before.slates


def test_parameters_that_were_fitted_later_are_not_used() -> None:
    topics = Topics()
    for name in ITEMS:
        topics.put(CATALOG_ITEMS, name.encode(), item(name))
    topics.put(PAGE_RULES, b"home", PageRules("home", 1, SLOTS, candidates=Candidates(items=ITEMS)))
    fits = [PolicyParameters("home", version, NOW, 0.05, 50.0) for version in (30, 10, 20)]
    for fit in fits:
        topics.put(POLICY_PARAMETERS, b"home", fit)
    recomposer = Recomposer(
        PlainLog({}),
        Clock(FoldSettings()),
        topics.catalog,
        {"home": fits},
        FoldSettings(),
        LayoutSettings(),
        lambda choice: choice,
    )
    used = [recomposer.again(a_layout(5, parameters_version=made)).parameters_version for made in (0, 10, 25, 30)]
    assert used == [0, 10, 20, 30]


def test_layouts_without_a_shadow_do_not_answer_for_it() -> None:
    views = join(EVENTS, [LAYOUTS[0], a_layout(2, shadow=[])], 1).views
    assert {view.layout.version for view in answerable("shadow", views)} == {1}
    assert answerable("served", views) == views
