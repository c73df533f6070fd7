"""Laws of composing: a pure function, exact sums, true propensities, only what may be shown."""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.assignment import own_slates, slate_chances
from schemas.codec import decoder, encode
from schemas.messages.catalog import CatalogItem
from schemas.messages.layouts import Layout
from schemas.messages.pages import Branch, PageRules, PolicyChoice
from schemas.messages.parameters import PolicyParameters, Sales
from schemas.topics import DAY_MS
from streams.catalog.candidates import CandidateSet
from streams.catalog.item_features import item_features
from streams.catalog.page import Page
from streams.catalog.sales.counts import sold
from streams.catalog.weighted_counts import WeightedCounts, WeightedCountsCache
from streams.catalog.weights import ONE, weights
from streams.fold.deltas import Traffic
from streams.layouts.compose import compose, settings_digest, stamped, unshadowed
from streams.page_settings import LayoutSettings
from streams.state.arrays.tables import Table
from streams.state.reader import KeyState
from tests.streams.layout_inputs import table

SLOTS = ("top", "left", "right")
ITEMS = tuple(f"i{number}" for number in range(8))
MARKS = {"events-clicks": [3, 4]}

names = st.lists(st.sampled_from([*ITEMS, "gone", "unknown"]), max_size=6, unique=True)
tables = st.lists(
    st.builds(
        table,
        bucket=st.sampled_from([0, 1_000, 50_000, 3 * DAY_MS]),
        traffic=st.sampled_from(list(Traffic)),
        items=names,
        slots=st.lists(st.sampled_from([*SLOTS, "removed"]), max_size=4, unique=True),
        seed=st.integers(0, 1_000),
    ),
    max_size=6,
)
candidate_sets = st.lists(st.sampled_from(ITEMS), max_size=8, unique=True).map(
    lambda chosen: CandidateSet(tuple(sorted(chosen)))
)
half_lives = st.sampled_from([0, 700, 1_000, 10_000])


def page(candidates: CandidateSet, slots: tuple[str, ...] = SLOTS, **fields: object) -> Page:
    rules = PageRules("home", 7, list(slots), template="wide", policy=PolicyChoice(variants=4))
    return Page(fields.pop("rules", rules), candidates, [5, 9], **fields)  # type: ignore[arg-type]


def layout(
    state: list[Table],
    of: Page,
    half_life_ms: int = 0,
    epoch: int = 3,
    weighted_counts: WeightedCounts | None = None,
    drift: float = LayoutSettings().drift,
) -> Layout:
    chosen = LayoutSettings(half_life_ms=half_life_ms, drift=drift)
    return compose("new", KeyState(tuple(state), MARKS), of, chosen, epoch, weighted_counts)


@given(tables, candidate_sets, half_lives, st.randoms(use_true_random=False))
def test_the_same_state_gives_the_same_bytes_in_whatever_order_tables_come(
    state: list[Table], candidates: CandidateSet, half_life: int, random: Random
) -> None:
    first = encode(layout(state, page(candidates), half_life))
    random.shuffle(state)
    rows = [CandidateSet(candidates.items), candidates]
    assert [encode(layout(state, page(again), half_life)) for again in rows] == [first, first]
    assert decoder(Layout)(first) == layout(state, page(candidates), half_life)


@given(st.lists(tables, min_size=1, max_size=4), candidate_sets, half_lives)
def test_totals_moved_along_equal_totals_made_anew(
    states: list[list[Table]], candidates: CandidateSet, half_life: int
) -> None:
    cache = WeightedCountsCache()
    for state in [*states, states[0]]:
        kept = cache.of(("p", "key"), candidates, SLOTS)
        moved = layout(state, page(candidates), half_life, weighted_counts=kept, drift=0.1)
        assert encode(moved) == encode(layout(state, page(candidates), half_life, drift=0.1))


@given(tables, candidate_sets)
def test_totals_are_the_sums_of_what_the_page_may_show(state: list[Table], candidates: CandidateSet) -> None:
    weighted_counts = WeightedCounts(candidates, SLOTS)
    weighted_counts.move_to(state, dict.fromkeys((one.buckets for one in state), 1))
    for traffic in (Traffic.LEARNED, Traffic.HOLDOUT):
        seen: Counter[tuple[str, str]] = Counter()
        for one in state:
            if one.traffic is traffic:
                for at, name in enumerate(one.items):
                    for slot, count in zip(one.slots, one.impressions[at].tolist(), strict=True):
                        seen[name, slot] += count
        expected = [[seen[name, slot] for slot in SLOTS] for name in candidates.items]
        assert weighted_counts.impressions[traffic].tolist() == expected


@given(tables, candidate_sets, st.integers(0, 5))
@settings(max_examples=60)
def test_slates_hold_each_candidate_once_and_propensities_are_their_shares(
    state: list[Table], candidates: CandidateSet, epoch: int
) -> None:
    made = layout(state, page(candidates), epoch=epoch)
    assert len(made.slates) == 4
    for slate in [made.baseline, *made.slates]:
        assert set(slate.values()) <= set(candidates.items)
        assert len(set(slate.values())) == len(slate) == min(len(SLOTS), len(candidates.items))
    for slot in SLOTS:
        shares = Counter(slate[slot] for slate in made.slates if slot in slate)
        assert made.propensities.get(slot, {}) == {name: count / 4 for name, count in shares.items()}


@given(tables, tables, candidate_sets)
def test_the_baseline_is_made_from_the_holdout_alone_and_the_slates_without_it(
    state: list[Table], other: list[Table], candidates: CandidateSet
) -> None:
    learned = [one for one in state if one.traffic is Traffic.LEARNED]
    holdout = [one for one in state if one.traffic is Traffic.HOLDOUT]
    others = [one for one in other if one.traffic is not Traffic.HOLDOUT]
    here = page(candidates)
    assert layout([*holdout, *others], here).baseline == layout(holdout, here).baseline
    others = [one for one in other if one.traffic is not Traffic.LEARNED]
    assert layout([*learned, *others], here).slates == layout(learned, here).slates


def test_no_candidates_and_no_data() -> None:
    empty = layout([], page(CandidateSet(())))
    assert (empty.baseline, empty.slates, empty.propensities) == ({}, [{}] * 4, {})
    prior = layout([], page(CandidateSet(ITEMS)))
    assert len({tuple(slate.values()) for slate in prior.slates}) > 1, "nothing known yet: variants differ"
    assert layout([], page(CandidateSet(ITEMS)), epoch=4).slates != prior.slates


def test_a_layout_names_what_it_was_made_from() -> None:
    fitted = PolicyParameters("home", 12, 1, 0.1, 5.0, {"left": 1.0})
    candidates = CandidateSet(ITEMS)
    made = stamped(layout([], page(candidates, item_features=item_features(fitted, candidates, {}))), 99, 1_000, 600)
    assert (made.version, made.produced_at, made.expires_at) == (99, 1_000, 1_600)
    assert (made.page, made.segment, made.epoch, made.template, made.policy) == ("home", "new", 3, "wide", "thompson")
    assert (made.rules_version, made.parameters_version, made.catalog_position) == (7, 12, [5, 9])
    assert made.watermarks == MARKS and made.settings_digest == settings_digest(LayoutSettings())
    assert (made.holdout_share, made.holdout_salt) == (0.1, "holdout-1")


def test_the_digest_follows_what_shapes_a_layout_alone() -> None:
    assert settings_digest(LayoutSettings(refresh_ms=5, cpu_share=0.1, ttl_ms=9)) == settings_digest(LayoutSettings())
    assert settings_digest(LayoutSettings(holdout_share=0.2)) != settings_digest(LayoutSettings())


def test_weights_halve_with_age_before_the_newest_bucket() -> None:
    state = [table(bucket, Traffic.LEARNED, (), ()) for bucket in (0, 1_000, 2_000)]
    oldest, older, newest = (one.buckets for one in state)
    assert weights(state, 1_000) == {oldest: 2**18, older: 2**19, newest: 2**20}
    assert set(weights(state, 0).values()) == {2**20}
    assert weights([], 1_000) == {}


def test_what_is_seen_to_sell_comes_to_be_shown() -> None:
    one = table(0, Traffic.LEARNED, ITEMS, SLOTS)
    one.impressions[:] = 10_000
    one.clicks[:] = 50
    one.clicks[3] = 1_000
    made = layout([one], page(CandidateSet(ITEMS)))
    assert made.propensities["top"] == {"i3": 1.0}


def test_priors_decide_where_nothing_was_seen_and_give_way_to_clicks() -> None:
    candidates = CandidateSet(ITEMS)
    items = {name: CatalogItem(name, name, category="hats" if name == "i5" else "shoes") for name in ITEMS}
    fitted = PolicyParameters("home", 1, 1, 0.01, 50.0, weights={"category=hats": 3.0}, segment_strength=500.0)
    known_page = page(candidates, item_features=item_features(fitted, candidates, items))
    assert {slate["top"] for slate in layout([], known_page).slates} == {"i5"}
    seen = table(0, Traffic.LEARNED, ITEMS, SLOTS)
    seen.impressions[:] = 10_000_000
    seen.clicks[:] = 50_000
    seen.clicks[2] = 9_000_000
    assert {slate["top"] for slate in layout([seen], known_page).slates} == {"i2"}


def test_where_sales_count_margins_and_purchases_decide() -> None:
    candidates = CandidateSet(ITEMS[:3])
    seen = table(0, Traffic.LEARNED, ITEMS[:3], SLOTS)
    seen.impressions[:] = 100_000
    seen.clicks[:] = 3_000
    seen.conversions[:] = 900
    seen.revenue[:] = 900 * 5_000
    seen.squares[:] = 900 * 5_000**2
    items = {name: CatalogItem(name, name, margin=0.9 if name == "i1" else 0.1) for name in ITEMS}
    fitted = PolicyParameters("home", 1, 1, 0.01, 50.0)
    settings = LayoutSettings(click_value=0.0, sale_value=0.01)
    here = page(candidates, item_features=item_features(fitted, candidates, items))
    made = compose("new", KeyState((seen,), MARKS), here, settings, 3)
    assert {slate["top"] for slate in made.slates} == {"i1"}
    seen.conversions[2] = 30_000
    seen.revenue[2] = 30_000 * 9_000
    seen.squares[2] = 30_000 * 9_000**2
    made = compose("new", KeyState((seen,), MARKS), page(candidates), settings, 3)
    assert {slate["top"] for slate in made.slates} == {"i2"}


def test_before_anything_was_sold_clicks_decide_even_where_they_are_worth_nothing() -> None:
    seen = table(0, Traffic.LEARNED, ITEMS, SLOTS)
    seen.conversions[:] = seen.revenue[:] = seen.squares[:] = 0
    page_of = page(CandidateSet(ITEMS))
    bare, sales = (LayoutSettings(click_value=0.0, sale_value=value) for value in (0.0, 0.01))
    by_clicks, made = (compose("new", KeyState((seen,), MARKS), page_of, one, 3) for one in (bare, sales))
    assert made.slates == by_clicks.slates


def test_young_clicks_count_by_the_share_of_purchases_that_has_come() -> None:
    candidates = CandidateSet(ITEMS[:1])
    seen = [table(bucket, Traffic.LEARNED, ITEMS[:1], SLOTS, seed=1) for bucket in (0, 1_000, 2_000)]
    clicks = float(seen[0].clicks.sum())
    sales = Sales(maturity={"0": 1.0, "1000": 0.5})
    weight_of = {one.buckets: ONE for one in seen}
    assert sold(seen, weight_of, sales, candidates).clicks == clicks * 2.0
    assert sold(seen, weight_of, Sales(), candidates).clicks == clicks * 3.0


def test_the_whole_page_learns_nothing_from_segments_left_out() -> None:
    people, robots = (table(0, Traffic.LEARNED, ITEMS, SLOTS, seed, segment=f"s{seed}") for seed in (1, 2))
    candidates = CandidateSet(ITEMS)
    parameters = PolicyParameters("home", 1, 1, 0.02, 50.0, left_out=["s2"])
    of = page(candidates, item_features=item_features(parameters, candidates, {}))
    whole, without = (
        compose("*", KeyState(tables, {}), of, LayoutSettings(), 3) for tables in ((people, robots), (people,))
    )
    assert whole == without
    own = compose("s2", KeyState((robots,), {}), of, LayoutSettings(), 3)
    assert own != compose("s2", KeyState((), {}), of, LayoutSettings(), 3), "its own layouts follow its own clicks"


def test_renderers_get_no_shadow() -> None:
    candidates = CandidateSet(ITEMS)
    rules = PageRules("home", 7, list(SLOTS), policy=PolicyChoice(variants=4, shadow="greedy"))
    made = layout([], Page(rules, candidates, [5, 9]))
    assert (made.shadow_policy, len(made.shadow)) == ("greedy", 4)
    assert (unshadowed(made).shadow_policy, unshadowed(made).shadow) == ("", [])
    assert unshadowed(made).slates == made.slates


@given(tables, candidate_sets)
def test_branches_get_slates_of_their_own_policy_beside_those_of_the_page(
    state: list[Table], candidates: CandidateSet
) -> None:
    alone = page(candidates)
    choices = {"upper": PolicyChoice("ucb", variants=1), "more": PolicyChoice(variants=6, exploration_slates=2)}
    branches = [Branch(name, 0.25, choice) for name, choice in choices.items()]
    tried = page(candidates, rules=msgspec.structs.replace(alone.rules, branches=branches))
    made, own = layout(state, tried), layout(state, alone)
    assert [(one.name, one.share, one.variants) for one in made.branches] == [
        ("main", 0.5, 4), ("upper", 0.25, 1), ("more", 0.25, 8)
    ]  # fmt: skip
    assert own_slates(made) == own.slates
    upper = layout(state, page(candidates, rules=msgspec.structs.replace(alone.rules, policy=choices["upper"])))
    assert made.slates[4:5] == upper.slates
    assert made.slates[5:9] == own.slates, "the same policy draws the same numbers"
    assert made.baseline == own.baseline
    chances = slate_chances(made)
    for slot, shares in made.propensities.items():
        for item, share in shares.items():
            alike = sum(chance for chance, slate in zip(chances, made.slates, strict=True) if slate.get(slot) == item)
            assert abs(share - alike) < 1e-12
