"""Rules: laws that hold for any rules on any page, then each kind by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.hashes import arm_hashes
from policy.model.examination import examination
from policy.rules.compiled import CompiledRules, compile_rules, next_change
from policy.rules.kinds.pin import slates_of_share
from policy.rules.matching import Arms
from policy.slates.arrangement import slates
from policy.slates.compiled import BUILT
from policy.slates.fill import SlateSet, fill
from policy.slates.greedy import Greedy
from schemas.messages import CatalogItem, PageRules
from schemas.rules import (
    Boost,
    Cap,
    Complements,
    Exposure,
    Match,
    Pin,
    Place,
    Rule,
    Spacing,
    Sponsored,
)

SLOTS = ("hero", "a", "b", "c", "d")
LOOKS = examination(SLOTS, {"b": 0.9})
NAMES = ("home", "s", "1")
DAY_MS = 86_400_000
NOW = 1_000 * DAY_MS
ITEMS = [f"i{number}" for number in range(90)]


def stocked(count: int = 24, **fields: Any) -> dict[str, CatalogItem]:
    return {
        name: CatalogItem(name, name, brand=f"b{at % 3}", category=f"c{at % 4}", created_at=NOW - at * DAY_MS, **fields)
        for at, name in enumerate(ITEMS[:count])
    }


def filled(
    rules: Sequence[Rule],
    catalog: dict[str, CatalogItem] | None = None,
    variants: int = 8,
    seed: int = 0,
    pacing: dict[str, float] | None = None,
    segment: str = "s",
    blocks: Sequence[str] = (),
) -> tuple[SlateSet, list[list[str]]]:
    """The slates, and the names in them; '' where a slot is empty."""
    known = stocked() if catalog is None else catalog
    names = [*known, *blocks]
    compiled = compiled_for(rules, known, blocks, pacing, segment=segment)
    scores = np.random.default_rng(seed).uniform(0.1, 1.0, (len(names), variants))
    found = fill(scores, LOOKS, compiled, NAMES)
    return found, [[names[arm] if arm >= 0 else "" for arm in row] for row in found.slates.tolist()]


def compiled_for(
    rules: Sequence[Rule],
    catalog: dict[str, CatalogItem],
    blocks: Sequence[str],
    pacing: dict[str, float] | None = None,
    now_ms: int = NOW,
    segment: str = "s",
) -> CompiledRules:
    page = PageRules("home", 1, list(SLOTS), rules=list(rules), blocks=list(blocks))
    return compile_page(page, [*catalog, *blocks], catalog, now_ms, segment, pacing)


def compile_page(
    page: PageRules,
    names: Sequence[str],
    catalog: dict[str, CatalogItem],
    now_ms: int = NOW,
    segment: str = "s",
    pacing: dict[str, float] | None = None,
    learned: dict[str, list[str]] | None = None,
) -> CompiledRules:
    return compile_rules(page, Arms.by_hash(names, arm_hashes(names), catalog, now_ms), segment, pacing, learned)


matches = st.builds(
    Match,
    items=st.lists(st.sampled_from(ITEMS), max_size=4),
    categories=st.lists(st.sampled_from(["c0", "c1", "c9"]), max_size=2),
    brands=st.lists(st.sampled_from(["b0", "b1"]), max_size=1),
    newer_than_days=st.sampled_from([0.0, 5.0]),
)
PARTS = st.sampled_from([1.0, 0.25])
slot_names = st.sampled_from([*SLOTS, "gone"])
kinds: list[st.SearchStrategy[Any]] = [
    st.builds(Pin, name=st.just("n"), item=st.sampled_from([*ITEMS, "gone"]), slot=slot_names),
    st.builds(Boost, name=st.just("n"), match=matches, factor=st.sampled_from([0.0, 0.1, 3.0])),
    st.builds(
        Cap, name=st.just("n"), match=matches, by=st.sampled_from(["all", "brand", "category"]), most=st.integers(0, 3)
    ),
    st.builds(Spacing, name=st.just("n"), by=st.sampled_from(["brand", "category"]), distance=st.integers(2, 4)),
    st.builds(Exposure, name=st.just("n"), match=matches, least=st.sampled_from([0.0, 0.5]), most=PARTS),
    st.builds(Place, name=st.just("n"), match=matches, slots=st.lists(slot_names, max_size=3), reserved=st.booleans()),
    st.builds(Sponsored, name=st.just("n"), match=matches, slot=slot_names, impressions=st.just(100)),
    st.builds(Complements, name=st.just("n")),
]
rule_lists = st.lists(st.one_of(*kinds), max_size=6).map(
    lambda rules: [msgspec.structs.replace(rule, name=f"r{at}") for at, rule in enumerate(rules)]
)


@settings(max_examples=150)
@given(rule_lists, st.integers(1, 24), st.integers(1, 9), st.integers(0, 1_000))
def test_what_was_not_told_as_relaxed_holds(rules: list[Rule], count: int, variants: int, seed: int) -> None:
    catalog = stocked(count)
    found, rows = filled(rules, catalog, variants, seed, {rule.name: 0.5 for rule in rules})
    page = PageRules("home", 1, list(SLOTS), rules=rules)
    compiled = compile_page(page, list(catalog), catalog)
    relaxed = " ".join([*compiled.idle, *found.relaxed])
    assert len(rows) == variants
    assert all(len(set(row) - {""}) == len(row) - row.count("") for row in rows), "an arm twice"
    kept_off = {name for name, eligible in zip(catalog, compiled.eligible[compiled.rows], strict=True) if not eligible}
    assert not kept_off & {name for row in rows for name in row}
    for rule in rules:
        if rule.name not in relaxed:
            assert holds(rule, rows, catalog), (rule, rows, found.relaxed)


def holds(rule: Rule, rows: list[list[str]], catalog: dict[str, CatalogItem]) -> bool:  # noqa: C901  an arm each
    def matching(match: Match, name: str) -> bool:
        doubled = PageRules("p", 1, ["x"], rules=[Boost(name="x", match=match, factor=2.0)])
        return name != "" and bool(compile_page(doubled, [name], catalog).factor[0] == 2.0)

    shown = [[catalog[name] for name in row if name] for row in rows]
    match rule:
        case Pin():
            return all(row[SLOTS.index(rule.slot)] == rule.item for row in rows)
        case Cap():
            label = (lambda one: "") if rule.by == "all" else (lambda one: getattr(one, rule.by))
            counts = [Counter(label(one) for one in row if matching(rule.match, one.item)) for row in shown]
            return all(count <= rule.most for row in counts for count in row.values())
        case Spacing():
            labels = [[getattr(catalog[name], rule.by) if name else None for name in row] for row in rows]
            return not any(
                row[p] is not None and row[p] == row[q]
                for row in labels
                for p in range(len(row))
                for q in range(p + 1, min(len(row), p + rule.distance))
            )
        case Exposure():
            each = Counter(name for row in rows for name in row if matching(rule.match, name))
            some = sum(any(matching(rule.match, name) for name in row) for row in rows)
            return some >= rule.least * len(rows) and all(n <= rule.most * len(rows) for n in each.values())
        case Place():
            for row in rows:
                for slot, name in zip(SLOTS, row, strict=True):
                    if matching(rule.match, name) and slot not in rule.slots:
                        return False
                    if rule.reserved and slot in rule.slots and name and not matching(rule.match, name):
                        return False
            return True
        case _:
            return True


@given(st.integers(0, 24), st.integers(1, 9), st.integers(0, 1_000))
def test_without_rules_slates_are_those_of_the_scores(count: int, variants: int, seed: int) -> None:
    catalog = stocked(count)
    found, _ = filled([], catalog, variants, seed)
    scores = np.random.default_rng(seed).uniform(0.1, 1.0, (count, variants))
    assert (found.slates == slates(scores, LOOKS, arm_hashes(list(catalog)))).all()
    free = Cap(name="never binds", most=64)
    assert (filled([free], catalog, variants, seed)[0].slates == found.slates).all()


@settings(max_examples=60)
@given(rule_lists, st.randoms(use_true_random=False), st.integers(0, 99))
def test_the_order_of_items_does_not_matter(rules: list[Rule], random: Any, seed: int) -> None:
    catalog = stocked()
    order = list(catalog)
    random.shuffle(order)
    page = PageRules("home", 1, list(SLOTS), rules=rules)
    scores = dict(zip(catalog, np.random.default_rng(seed).integers(1, 5, (24, 6)).astype(float), strict=True))
    rows = []
    for names in (list(catalog), order):
        compiled = compile_page(page, names, catalog, pacing={rule.name: 0.5 for rule in rules})
        made = fill(np.array([scores[name] for name in names]), LOOKS, compiled, NAMES)
        rows.append(([[names[arm] if arm >= 0 else "" for arm in row] for row in made.slates.tolist()], made.relaxed))
    assert rows[0] == rows[1]


def test_a_shortlist_misses_nothing() -> None:
    many = {f"x{at}": CatalogItem(f"x{at}", "x", brand="one" if at < 600 else "two") for at in range(800)}
    page = PageRules("home", 1, list(SLOTS), rules=[Cap(name="cap", by="brand", most=2)])
    scores = np.linspace(2.0, 1.0, 800)[:, None] * np.ones(3)
    found = fill(scores, LOOKS, compile_page(page, list(many), many), NAMES)
    assert set(found.slates[0].tolist()) == {0, 1, 2, 600, 601}
    assert found.relaxed == ["cap cap: not in 3 of 3 slates"]


def test_of_two_pins_in_one_slot_the_first_holds_and_the_other_is_told() -> None:
    found, rows = filled([Pin(name="one", item="i3", slot="hero"), Pin(name="two", item="i4", slot="hero")])
    assert {row[0] for row in rows} == {"i3"}
    assert found.relaxed == ["pin two: not in 8 of 8 slates"]


@pytest.mark.parametrize(("item", "slot"), [("gone", "hero"), ("i1", "gone")])
def test_a_pin_that_cannot_be_is_told(item: str, slot: str) -> None:
    compiled = compiled_for([Pin(name="one", item=item, slot=slot)], stocked(), [])
    assert len(compiled.idle) == 1 and compiled.idle[0].startswith("pin one: ")


def test_a_floor_of_what_is_not_there_is_told_even_without_any_items() -> None:
    chance = Exposure(name="chance", match=Match(brands=["gone"]), least=0.25)
    for catalog in (stocked(), {}):
        assert compiled_for([chance], catalog, []).idle == ("exposure chance: nothing it names is available",)


def test_boosts_lift_bury_and_keep_off() -> None:
    lifted = filled([Boost(name="up", match=Match(items=["i9"]), factor=50.0)])[1]
    assert {row[0] for row in lifted} == {"i9"}
    for factor in (0.0, 0.001):
        rows = filled([Boost(name="down", match=Match(brands=["b0"]), factor=factor)])[1]
        assert not {name for row in rows for name in row} & {name for name in ITEMS if int(name[1:]) % 3 == 0}


def test_campaigns_and_segments_have_their_time_and_place() -> None:
    pin = {"name": "p", "item": "i3", "slot": "hero"}
    for fields, holding in (
        ({"starts_at": NOW, "ends_at": NOW + 1}, True),
        ({"starts_at": NOW + 1}, False),
        ({"ends_at": NOW}, False),
        ({"segments": ["s", "t"]}, True),
        ({"segments": ["t"]}, False),
    ):
        rows = filled([Pin(**pin, **fields)])[1]  # type: ignore[arg-type]
        assert ({row[0] for row in rows} == {"i3"}) is holding


def test_what_may_not_be_shown_yet_or_any_more_is_not() -> None:
    catalog = stocked(5) | {
        "soon": CatalogItem("soon", "s", available_from=NOW + 1),
        "over": CatalogItem("over", "o", available_until=NOW),
    }
    _, rows = filled([Pin(name="p", item="soon", slot="hero")], catalog)
    assert not {"soon", "over"} & {name for row in rows for name in row}
    page = PageRules("home", 1, list(SLOTS), rules=[Pin(name="p", item="x", slot="hero", starts_at=NOW + 9)])
    assert next_change(page, list(catalog.values()), NOW) == NOW + 1
    assert next_change(page, [], NOW) == NOW + 9
    assert next_change(PageRules("home", 1, ["a"]), [], NOW) is None


def test_an_exposure_floor_gives_new_items_their_share_of_slates() -> None:
    fresh = Match(newer_than_days=0.5)
    without, rows = filled([Boost(name="down", match=fresh, factor=0.01)], variants=16)
    assert not any("i0" in row for row in rows) and without.relaxed == []
    found, rows = filled(
        [Boost(name="down", match=fresh, factor=0.01), Exposure(name="chance", match=fresh, least=0.25)], variants=16
    )
    assert sum("i0" in row for row in rows) == 4
    assert found.relaxed == []


def test_floors_that_want_the_same_arm_do_not_show_it_twice() -> None:
    rules: list[Rule] = [
        Boost(name="down", match=Match(items=["i1", "i2"]), factor=0.001),
        Exposure(name="one", match=Match(items=["i1"]), least=0.5),
        Exposure(name="either", match=Match(items=["i1", "i2"]), least=0.5),
    ]
    for seed in range(20):
        found, rows = filled(rules, seed=seed)
        assert all(len(set(row)) == len(row) for row in rows)
        assert sum("i1" in row for row in rows) >= 4 and found.relaxed == []


def test_a_floor_keeps_to_the_ceiling_of_its_arms() -> None:
    those = Match(items=ITEMS[:8])
    down = Boost(name="down", match=Match(items=ITEMS[1:8]), factor=0.01)
    found, rows = filled([down, Exposure(name="each", match=those, least=1.0, most=0.25)], variants=16)
    counts = Counter(name for row in rows for name in row if name in ITEMS[:8])
    assert found.relaxed == [] and max(counts.values()) == 4


def test_a_floor_looks_for_slates_with_room_beside_a_sponsored_slot() -> None:
    rules: list[Rule] = [
        Boost(name="down", match=Match(items=["i2", "i3"]), factor=0.01),
        Place(name="top", match=Match(items=["i2"]), slots=["hero"]),
        Sponsored(name="ad", match=Match(items=["i3"]), slot="hero", impressions=5),
        Exposure(name="chance", match=Match(items=["i2"]), least=0.5),
    ]
    found, rows = filled(rules, variants=16, pacing={"ad": 0.5})
    assert found.relaxed == [] and Counter(row[0] for row in rows) == {"i2": 8, "i3": 8}


@given(st.sampled_from([1, NOW - 14 * DAY_MS]), st.integers(0, 40 * DAY_MS), st.sampled_from([0.5, 14.0, 1e-3]))
def test_until_it_changes_a_page_is_bound_alike(created: int, later: int, days: float) -> None:
    fresh = Match(newer_than_days=days)
    rules: list[Rule] = [
        Boost(name="up", match=fresh, factor=2.0),
        Exposure(name="chance", match=fresh, least=0.5),
        Place(name="where", match=fresh, slots=["a"]),
        Sponsored(name="ad", match=fresh, slot="a", impressions=5),
    ]
    catalog = {"i0": CatalogItem("i0", "i0", created_at=created)}
    for rule in rules:
        now = compiled_for([rule], catalog, [], {"ad": 1.0})
        then = compiled_for([rule], catalog, [], {"ad": 1.0}, NOW + later)
        if now.until is None or NOW + later < now.until:
            assert told(now) == told(then), rule
        if now.until is not None:
            assert told(now) != told(compiled_for([rule], catalog, [], {"ad": 1.0}, now.until)), rule


def told(rules: CompiledRules) -> str:
    arrays = rules.factor, rules.exposures.arms, rules.placements.arms, rules.placements.allowed, rules.pins.arms
    return str((*arrays, rules.exposures.labels, rules.pins.labels))


def test_an_exposure_ceiling_spreads_what_everybody_would_show() -> None:
    rules: list[Rule] = [Boost(name="up", match=Match(items=["i9"]), factor=50.0)]
    assert all("i9" in row for row in filled(rules, variants=16)[1])
    _, rows = filled([*rules, Exposure(name="room", match=Match(), most=0.5)], variants=16)
    counts = Counter(name for row in rows for name in row)
    assert max(counts.values()) == counts["i9"] == 8


@pytest.mark.parametrize("share", [0.0, 0.25, 0.3, 1.0])
def test_a_sponsored_slot_is_in_its_share_of_slates(share: float) -> None:
    rule = Sponsored(name="ad", match=Match(brands=["b1"]), slot="a", impressions=1_000)
    boring = Boost(name="down", match=Match(brands=["b1"]), factor=0.001)
    _, rows = filled([rule, boring], variants=16, pacing={"ad": share})
    assert sum(row[1][1:].isdigit() and int(row[1][1:]) % 3 == 1 for row in rows) == slates_of_share(
        share, 16, "ad", *NAMES
    )


def test_shares_are_right_on_average() -> None:
    counts = [slates_of_share(0.3, 16, "ad", "home", "s", str(epoch)) for epoch in range(2_000)]
    assert set(counts) == {4, 5}
    assert np.mean(counts) == pytest.approx(4.8, abs=0.05)


def test_blocks_stand_where_they_may() -> None:
    place = Place(name="guide", match=Match(items=["guide"]), slots=["d"], reserved=True)
    _, rows = filled([place], blocks=["guide"])
    assert {row[4] for row in rows} == {"guide"}


def test_complements_come_next_to_each_other() -> None:
    catalog = stocked() | {"i3": CatalogItem("i3", "i3", complements=["i7"])}
    rules: list[Rule] = [Pin(name="p", item="i3", slot="a")]
    apart = sum("i7" in (row[0], row[2]) for row in filled(rules, catalog, variants=64)[1])
    beside = filled([*rules, Complements(name="together", factor=20.0)], catalog, variants=64)[1]
    assert sum("i7" in (row[0], row[2]) for row in beside) == 64 > apart


@given(st.dictionaries(st.sampled_from(ITEMS), st.lists(st.sampled_from(ITEMS), max_size=4)), st.booleans())
def test_learned_complements_stand_behind_those_of_the_catalog(learned: dict[str, list[str]], wanted: bool) -> None:
    catalog = stocked(8) | {"i3": CatalogItem("i3", "i3", complements=["i7", "gone", "i2"])}
    page = PageRules("home", 1, list(SLOTS), rules=[Complements(name="together", learned=wanted)])
    names = [*catalog, "unknown"]
    compiled = compile_page(page, names, catalog, learned=learned | {"unknown": ["i1"]})
    by_row = [names[arm] for arm in compiled.canonical]
    for name, row in zip(by_row, compiled.complements.arms.tolist(), strict=True):
        named = ["i7", "i2"] if name == "i3" else []
        added = (["i1"] if name == "unknown" else learned.get(name, [])) if wanted else []
        expected = dict.fromkeys(one for one in (*named, *added) if one in names)
        assert [by_row[arm] for arm in row if arm >= 0] == list(expected)


def test_of_two_complements_rules_the_first_counts() -> None:
    rules: list[Rule] = [Complements(name="one", factor=50.0), Complements(name="two", factor=1.1, learned=False)]
    page = PageRules("home", 1, ["a"], rules=rules)
    compiled = compile_page(page, ["i0", "i1"], stocked(2), learned={"i0": ["i1"]})
    first, second = compiled.rows.tolist()
    assert compiled.complements.factor == 50.0
    assert compiled.complements.arms[[first, second]].tolist() == [[second], [-1]]


def test_a_sponsored_rule_is_told_as_one_and_never_holds_for_the_holdout() -> None:
    rules: list[Rule] = [
        Pin(name="p", item="i0", slot="hero"),
        Sponsored(name="ad", match=Match(items=["i1"]), slot="hero", impressions=5),
    ]
    found, _ = filled(rules, pacing={"ad": 1.0})
    assert found.relaxed == ["sponsored ad: not in 8 of 8 slates"]
    assert compiled_for(rules, stocked(), [], {"ad": 1.0}).baseline.pins.names == ("p",)


def test_contradictory_rules_give_way_in_order_and_are_told() -> None:
    one_brand = {name: CatalogItem(name, name, brand="b") for name in ITEMS[:8]}
    rules: list[Rule] = [Spacing(name="mixed", by="brand", distance=2), Cap(name="few", by="brand", most=4)]
    found, rows = filled(rules, one_brand)
    assert all("" not in row for row in rows)
    assert any(text.startswith("spacing mixed: ") for text in found.relaxed)
    assert any(text.startswith("cap few: ") for text in found.relaxed)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_fewer_items_than_slots_leave_the_slots_least_looked_at_empty(count: int) -> None:
    _, rows = filled([Cap(name="c", most=9)], stocked(count))
    assert all(len([name for name in row if name]) == count for row in rows)


@pytest.mark.skipif(not BUILT, reason="no C compiler was at hand when this was installed")
@settings(max_examples=150)
@given(rule_lists, st.integers(1, 90), st.integers(1, 9), st.integers(0, 1_000))
def test_the_scan_and_numpy_fill_alike(rules: list[Rule], count: int, variants: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    catalog = {
        name: msgspec.structs.replace(item, complements=rng.choice(ITEMS, 2).tolist())
        for name, item in stocked(count).items()
    }
    page = PageRules("home", 1, list(SLOTS), rules=rules)
    compiled = compile_page(page, list(catalog), catalog)
    scores = rng.integers(0, 6, (variants, count)).astype(float)
    scores[scores == 0] = -np.inf
    fixed = np.full((variants, len(SLOTS)), -1, dtype=np.int32)
    fixed[0, 1] = rng.integers(count)
    banned = rng.random((variants, count)) < 0.2
    order = np.argsort(-LOOKS, kind="stable").astype(np.int32)
    made = []
    for built in (True, False):
        slates_ = fixed.copy()
        Greedy(scores, order, compiled, built).fill(slates_, banned, np.arange(variants))
        made.append(slates_.tolist())
    assert made[0] == made[1]
