"""Soft pins: an item stands in a slot or above it in every slate, and where of these is for the policy to choose."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.pages.composition import declared_page
from policy.pages.declaration import Shelf
from policy.pages.templates import narrowed
from policy.rules.checks import problems
from policy.slates.fill import fill
from policy.slates.fixing.soft_pins import Seats
from schemas.messages.pages import PageRules, PageTemplate, PolicyChoice, TemplateRow
from schemas.rules import Boost, Cap, Exposure, Match, Pin, Placement, Rule, Spacing, Sponsored, kind_of
from tests.policy.ruled_pages import LOOKS, NAMES, SLOTS, compiled_for, filled, rule_lists, stocked
from tests.policy.test_shelf_item_rules import CHOICES, GREEDY, SEEDS, TWO_ROWS, Ruled, ruled, small

ITEMS = list(stocked())
soft_pins = st.builds(
    Pin, name=st.just("n"), item=st.sampled_from(ITEMS[:6]), slot=st.sampled_from(SLOTS), or_above=st.just(True)
)


def named(rules: Sequence[Rule], prefix: str) -> list[Rule]:
    return [msgspec.structs.replace(rule, name=f"{prefix}{at}") for at, rule in enumerate(rules)]


def slots_of(pin: Pin) -> list[str]:
    last = SLOTS.index(pin.slot)
    return list(SLOTS[: last + 1]) if pin.or_above else [pin.slot]


def holds(pin: Pin, slate: dict[str, str]) -> bool:
    return pin.item in [slate.get(slot) for slot in slots_of(pin)]


def stands(rule: Pin | Sponsored, slate: dict[str, str]) -> bool:
    """Whether something is in the slot that the rule may have put there."""
    return slate.get(rule.slot, "") != "" and (isinstance(rule, Sponsored) or slate[rule.slot] == rule.item)


def seated(pins: Sequence[Pin], slate: dict[str, str], taken: dict[str, str]) -> list[Pin]:
    """The soft pins that can hold beside what is `taken`, the first declared before others, by trying all slates."""
    accepted: list[Pin] = []
    for pin in pins:
        items = [item for item in dict.fromkeys(one.item for one in [*accepted, pin]) if item not in taken]
        free = [slot for slot in SLOTS if slot not in taken.values()]
        slates = (taken | dict(zip(items, slots, strict=True)) for slots in permutations(free, len(items)))
        if any(all(where.get(one.item) in slots_of(one) for one in [*accepted, pin]) for where in slates):
            accepted.append(pin)
    return accepted


@settings(max_examples=40)
@given(rule_lists, st.lists(soft_pins, min_size=1, max_size=4), st.integers(6, 24), st.integers(0, 999))
def test_every_slate_holds_each_soft_pin_for_which_there_is_a_slate(
    others: list[Rule], soft: list[Pin], count: int, seed: int
) -> None:
    """Beside any other rules: pins without `or_above` and sponsored slots alone come before."""
    pins = [rule for rule in named(soft, "soft") if isinstance(rule, Pin)]
    rules = [*[rule for rule in others if not (isinstance(rule, Pin) and rule.or_above)], *pins]
    catalog = stocked(count)
    found, rows = filled(rules, catalog, 4, seed, {rule.name: 0.5 for rule in rules})
    kept_off = {ITEMS[arm] for arm in np.flatnonzero(compiled_for(rules, catalog, []).score_factor == 0.0).tolist()}
    first = [rule for rule in rules if isinstance(rule, Sponsored) or (isinstance(rule, Pin) and not rule.or_above)]
    told = dict(found.broken)
    lacking = dict.fromkeys((pin.name for pin in pins), 0)
    for row in rows:
        slate = dict(zip(SLOTS, row, strict=True))
        assert all(row.count(item) == 1 for item in row if item), "an item twice"
        taken = {slate[rule.slot]: rule.slot for rule in first if stands(rule, slate)}
        for pin in seated([pin for pin in pins if pin.item not in kept_off], slate, taken):
            assert holds(pin, slate), (pin, slate)
        for pin in pins:
            lacking[pin.name] += not holds(pin, slate)
    assert all(told.get(f"pin {name}", 0) == count for name, count in lacking.items())


@given(soft_pins, st.integers(6, 24), st.integers(0, 999))
def test_no_slate_that_holds_it_is_worth_more(pin: Pin, count: int, seed: int) -> None:
    """Where slots further down are looked at less, looks times scores are as large as they can be."""
    looks, scores = np.sort(LOOKS)[::-1], np.random.default_rng(seed).uniform(0.1, 1.0, (count, 3))
    slates = fill(scores, looks, compiled_for([pin], stocked(count), []), NAMES).slates
    own = ITEMS.index(pin.item)
    for variant, slate in enumerate(slates):
        worth = scores[:, variant]
        rest = np.sort(np.delete(worth, own))[::-1][: len(SLOTS) - 1]
        most = max(worth[own] * looks[at] + (np.delete(looks, at) * rest).sum() for at in range(len(slots_of(pin))))
        assert np.isclose((looks * worth[slate]).sum(), most)


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=5), st.randoms())
def test_who_was_seated_keeps_a_slot_whichever_the_others_take(allowed: list[list[bool]], random: object) -> None:
    slots = np.array(allowed)
    seats = Seats(slots)
    those = [arm for arm in range(len(slots)) if seats.seat(arm)]
    taken = []
    for arm in those:
        mine = [slot for slot in reversed(range(5)) if slots[arm, slot] and seats.take(arm, slot)][:1]
        assert mine, "no slot was left"
        taken += mine
    assert len(set(taken)) == len(taken)


@settings(max_examples=15)
@given(SEEDS, CHOICES)
def test_on_shelves_it_holds_where_a_pin_in_one_of_the_slots_would(seed: int, choice: PolicyChoice) -> None:
    page, rng = ruled(seed), np.random.default_rng(seed)
    if not page.catalog:
        return
    last = int(rng.integers(len(page.slots)))
    pin = Pin(name="p", item=str(rng.choice(list(page.catalog))), slot=page.slots[last], or_above=True)
    slots = page.slots[: last + 1]
    result = page._replace(rules=[pin]).composed(choice)
    lacks = [pin.item not in [slate.get(slot) for slot in slots] for slate in result.slates]
    assert dict(result.arrangement.broken).get("soft pin p", 0) == sum(lacks)
    for slot in slots if any(lacks) else []:
        hard = page._replace(rules=[Pin(name="p", item=pin.item, slot=slot)]).composed(choice)
        assert not any(hard.slates[at].get(slot) == pin.item for at in np.flatnonzero(lacks)), slot


def test_it_holds_in_the_holdouts_page_and_only_moves_what_stands_below() -> None:
    pin = Pin(name="p", item="i5", slot="a", or_above=True)
    free, with_pin = filled([], seed=3)[1], filled([pin], seed=3)[1]
    for before, after in zip(free, with_pin, strict=True):
        assert "i5" in after[:2]
        if "i5" in before[:2]:
            assert after == before
    assert compiled_for([pin], stocked(), []).baseline.soft_pins.labels == ("soft pin p",)


@pytest.mark.parametrize(
    "other",
    [
        Cap(name="c", match=Match(items=["i5"]), most=0),
        Placement(name="c", match=Match(items=["i5"]), slots=["d"]),
        Exposure(name="c", match=Match(items=["i5"]), most=0.5),
        Spacing(name="c", by="brand", distance=2),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_it_comes_before_rules_that_give_way(other: Rule) -> None:
    """They count it, and say that they do not hold, all but those that others can make room for."""
    found, rows = filled([other, Pin(name="p", item="i5", slot="hero", or_above=True)])
    assert all(row[0] == "i5" for row in rows)
    gives_way = [] if isinstance(other, Spacing) else [f"{kind_of(type(other))} c"]
    assert [rule for rule, _ in found.broken] == gives_way


def test_pins_sponsored_slots_and_what_is_kept_off_come_before_it() -> None:
    soft = Pin(name="p", item="i5", slot="hero", or_above=True)
    assert filled([soft, Pin(name="q", item="i1", slot="hero")])[0].relaxed == ["soft pin p: not in 8 of 8 slates"]
    assert filled([soft, Boost(name="off", match=Match(items=["i5"]), factor=0.0)])[0].broken == (("soft pin p", 8),)
    ad = Sponsored(name="ad", match=Match(items=["i5", "i6"]), slot="a", impressions=9)
    found, rows = filled([soft, ad], pacing={"ad": 0.5})
    assert not found.broken
    assert all(row[0] == "i5" for row in rows)
    assert [row[1] for row in rows].count("i6") == 4, "the other item is for the sponsored slot"


def test_pins_that_can_never_hold_together_are_refused() -> None:
    def faults(*pins: Pin) -> list[str]:
        return [problem.text for problem in problems(PageRules("home", 1, list(SLOTS), rules=named(pins, "r")))]

    one, other = Pin(name="n", item="i1", slot="a", or_above=True), Pin(name="n", item="i2", slot="a")
    assert not faults(one, other)
    assert not faults(one, replace_slot(one, "hero"))
    assert (
        "slot 'hero' is already taken by pin 'r0'" in faults(replace_slot(one, "hero"), replace_slot(other, "hero"))[0]
    )
    assert "already stands elsewhere" in faults(one, Pin(name="n", item="i1", slot="b"))[0]
    assert not faults(one, Pin(name="n", item="i1", slot="hero"))
    assert "expected one of the page's slots" in faults(replace_slot(one, "gone"))[0]


def replace_slot(pin: Pin, slot: str) -> Pin:
    return msgspec.structs.replace(pin, slot=slot)


def test_on_shelves_a_row_above_that_shows_it_already_stays() -> None:
    """Only where no shelf may show it does one give way, in the row least looked at."""
    shelves = (Shelf("best"), Shelf("other"), Shelf("third"))
    shown = {"best": ["a", "b", "c", "d"], "other": ["e", "f"], "third": ["g", "h"]}
    there = small(shelves, TWO_ROWS, shown, Pin(name="p", item="d", slot="2.1", or_above=True))
    result = there.composed(GREEDY)
    assert all(rows == {"1": "best", "2": "other"} for rows in result.rows)
    assert all(slate == {"1.1": "a", "1.2": "d", "2.1": "e", "2.2": "f"} for slate in result.slates)
    page = small(shelves, TWO_ROWS, shown, Pin(name="p", item="h", slot="2.2", or_above=True))
    result = page.composed(GREEDY)
    assert all(rows == {"1": "best", "2": "third"} for rows in result.rows)
    assert all(slate["2.2"] == "h" for slate in result.slates)
    declared = declared_page(page.drawn.page, page.drawn.items, np.arange(8, 0, -1.0), page.compiled())
    assert declared.rows == {"1": "best", "2": "third"}
    assert not declared.relaxed


def test_a_template_leaves_it_the_slots_that_there_are() -> None:
    pin = Pin(name="p", item="d", slot="2.1", or_above=True)
    page: Ruled = small((Shelf("best"),), TWO_ROWS, {}, pin)
    narrow = narrowed(page.drawn.page, PageTemplate("short", [TemplateRow("1")]))
    result = page._replace(drawn=page.drawn._replace(page=narrow)).composed(GREEDY)
    assert (result.slates[0], result.relaxed) == ({"1.1": "a", "1.2": "d"}, [])
    late = narrowed(page.drawn.page, PageTemplate("late", [TemplateRow("2")]))
    first = page._replace(rules=[replace_slot(pin, "1.2")], drawn=page.drawn._replace(page=late)).composed(GREEDY)
    assert (first.slates[0], first.relaxed) == ({"2.1": "a", "2.2": "b"}, [])
