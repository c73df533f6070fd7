"""Laws of the rule that says when a key is due: by what was learned, and after a rest at the latest."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from streams.catalog.candidates import CandidateSet
from streams.catalog.page import Key
from streams.catalog.weighted_counts import WeightedCounts
from streams.catalog.weights import ONE
from streams.fold.deltas import Traffic
from streams.fold.evidence import NO_EVIDENCE, Evidence
from streams.layouts.due import DueRule, evidence_in
from tests.streams.layout_inputs import table

KEY, OTHER = Key("home", "new"), Key("home", "old")
REST = 60_000.0
shares = st.sampled_from([0.0, 0.01, 0.03, 0.1, 1.0])
requests = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 20), st.floats(0.0, 20_000.0), st.booleans()), max_size=80
)


class World:
    """A state, the requests that come of it, and a worker that composes when the rule says so."""

    def __init__(self, share: float, start: Evidence = NO_EVIDENCE) -> None:
        self.rule, self.share, self.now = DueRule(share, REST), share, 0.0
        self.counted = self.composed_from = start
        self.due, self.first_at = math.inf, math.inf
        self.composed: list[float] = []
        self.compose()

    def compose(self) -> None:
        self.rule.begin(KEY)
        self.rule.composed(KEY, self.counted)
        self.composed_from, self.due, self.first_at = self.counted, math.inf, math.inf
        self.composed.append(self.now)

    def pass_time(self, to: float) -> None:
        if self.due <= to:
            self.now = self.due
            self.compose()
        self.now = to

    def come(self, more: Evidence, *, lost: bool = False) -> None:
        self.counted = self.counted.plus(more)
        if lost:
            return
        self.first_at = min(self.first_at, self.now)
        self.due = min(self.due, self.rule.due_at(KEY, more, self.now))
        if self.due <= self.now:
            self.compose()


@given(shares, requests, st.integers(0, 10_000))
def test_nothing_that_a_request_told_of_waits_beyond_the_rest_and_lost_ones_are_made_up_for(
    share: float, steps: list[tuple[int, int, float, bool]], start: int
) -> None:
    world = World(share, Evidence(20 * start, start))
    for impressions, clicks, passed, lost in steps:
        world.pass_time(world.now + passed)
        before, composed = world.counted, len(world.composed)
        world.come(Evidence(impressions, clicks), lost=lost)
        assert world.due <= world.first_at + REST
        if not lost and len(world.composed) == composed:
            assert world.counted.clicks - world.composed_from.clicks >= 0
        if not lost and clicks and before.clicks < 1 / max(share, 1e-9):
            assert len(world.composed) == composed + 1, "while little is known a click acts at once"
    world.pass_time(world.now + REST)
    assert world.due == math.inf, "all that was told of is in a layout"
    world.come(NO_EVIDENCE)
    world.pass_time(world.now + REST)
    assert world.composed_from == world.counted, "what lost requests told of comes with the next"


@given(st.sampled_from([0.01, 0.03, 0.1, 1.0]), st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 300))))
def test_layouts_are_bounded_by_the_logarithm_of_the_traffic_and_the_time(
    share: float, steps: list[tuple[int, int]]
) -> None:
    world = World(share)
    for impressions, clicks in steps:
        world.pass_time(world.now + 1_000.0)
        world.come(Evidence(impressions, clicks))
    grown = sum(1 / share + 1 + math.log(max(1.0, share * total)) / math.log1p(share) for total in world.counted)
    assert len(world.composed) <= 1 + grown + world.now / REST


def test_growth_counts_from_the_last_layout_and_by_either_number() -> None:
    rule = DueRule(0.03, REST)
    assert rule.due_at(KEY, NO_EVIDENCE, 5.0) == 5.0, "nothing is known of it"
    rule.begin(KEY)
    rule.composed(KEY, Evidence(2_000, 100))
    assert rule.due_at(KEY, Evidence(50, 2), 10.0) == 10.0 + REST
    assert rule.due_at(KEY, Evidence(9, 0), 20.0) == 10.0 + REST
    assert rule.due_at(KEY, Evidence(1, 0), 30.0) == 30.0, "60 of 2,000"
    assert rule.due_at(KEY, Evidence(0, 9), 40.0) == 40.0, "it stays due"
    rule.begin(KEY)
    assert rule.due_at(KEY, Evidence(59, 2), 45.0) == 45.0 + REST
    assert rule.due_at(KEY, Evidence(0, 3), 50.0) == 50.0
    rule.begin(KEY)
    assert rule.due_at(KEY, None, 60.0) == 60.0, "who does not say how much came is believed"


def test_keys_of_other_workers_are_forgotten() -> None:
    rule = DueRule(0.03, REST)
    for key in (KEY, OTHER):
        rule.composed(key, Evidence(2_000, 1_000))
    rule.keep(lambda key: key == KEY)
    assert rule.due_at(OTHER, NO_EVIDENCE, 1.0) == 1.0
    assert rule.due_at(KEY, NO_EVIDENCE, 1.0) == 1.0 + REST


def test_one_click_is_enough_while_there_are_few_and_one_is_needed_however_few_there_are() -> None:
    rule = DueRule(0.03, REST)
    rule.composed(KEY, Evidence(2_000, 33))
    assert rule.due_at(KEY, Evidence(1, 0), 5.0) == 5.0 + REST
    assert rule.due_at(KEY, Evidence(0, 1), 6.0) == 6.0


def test_what_is_enough_is_counted_from_the_last_layout_alone() -> None:
    rule = DueRule(0.03, REST)
    for clicks in (100, 200):
        rule.begin(KEY)
        rule.composed(KEY, Evidence(2_000, clicks))
    assert rule.due_at(KEY, Evidence(0, 5), 5.0) == 5.0 + REST
    assert rule.due_at(KEY, Evidence(0, 1), 6.0) == 6.0, "6 of 200"


def test_a_request_of_unknown_size_is_enough_until_its_key_is_composed() -> None:
    rule = DueRule(0.03, REST)
    rule.composed(KEY, Evidence(2_000, 100))
    assert rule.due_at(KEY, None, 5.0) == 5.0
    assert rule.due_at(KEY, NO_EVIDENCE, 6.0) == 6.0


def test_a_layout_is_composed_from_the_weighted_counts_of_all_its_traffic() -> None:
    items, slots = ("a", "b", "c"), ("top", "left")
    tables = [table(0, traffic, items, slots, seed) for seed, traffic in enumerate((Traffic.LEARNED, Traffic.HOLDOUT))]
    counts = WeightedCounts(CandidateSet(items), slots)
    counts.move_to(tables, {tables[0].buckets: ONE // 2})
    impressions = sum(int(each.impressions.sum()) for each in tables)
    clicks = sum(int(each.clicks.sum()) for each in tables)
    conversions = sum(int(each.conversions.sum()) for each in tables)
    assert min(clicks, conversions) > 0
    assert evidence_in(counts) == Evidence(impressions / 2, (clicks + conversions) / 2)


def test_a_key_that_was_taken_down_leaves_nothing_behind_and_is_due_at_once_when_it_comes_back() -> None:
    rule = DueRule(0.03, REST)
    rule.composed(KEY, Evidence(1_000, 100))
    assert rule.due_at(KEY, Evidence(1, 0), 0.0) == REST
    rule.forget(KEY)
    assert not rule._composed and not rule._growths
    assert rule.due_at(KEY, Evidence(1, 0), 0.0) == 0.0
