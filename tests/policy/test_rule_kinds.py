"""Each kind of rule by itself, and some together."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.rules.compiled import next_change
from policy.rules.kinds.pin import slates_of_share
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules
from schemas.rules import Boost, Cap, Complements, Exposure, Match, Pin, Placement, Rule, Spacing, Sponsored
from tests.policy.ruled_pages import ITEMS, NAMES, NOW, SLOTS, compile_page, compiled_for, filled, stocked


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
        Placement(name="top", match=Match(items=["i2"]), slots=["hero"]),
        Sponsored(name="ad", match=Match(items=["i3"]), slot="hero", impressions=5),
        Exposure(name="chance", match=Match(items=["i2"]), least=0.5),
    ]
    found, rows = filled(rules, variants=16, pacing={"ad": 0.5})
    assert found.relaxed == [] and Counter(row[0] for row in rows) == {"i2": 8, "i3": 8}


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
    place = Placement(name="guide", match=Match(items=["guide"]), slots=["d"], reserved=True)
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
