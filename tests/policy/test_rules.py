"""Laws that hold for any rules on any page."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.hashes import arm_hashes
from policy.rules.compiled import CompiledRules
from policy.slates.alike import Alike
from policy.slates.arrangement import slates
from policy.slates.compiled import BUILT
from policy.slates.fill import fill
from policy.slates.greedy import Greedy
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules
from schemas.rules import Boost, Cap, Exposure, Match, Pin, Placement, Rule, Spacing, Sponsored
from tests.policy.ruled_pages import (
    DAY_MS,
    ITEMS,
    LOOKS,
    NAMES,
    NOW,
    SLOTS,
    compile_page,
    compiled_for,
    filled,
    rule_lists,
    stocked,
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
            last = SLOTS.index(rule.slot)
            return all(rule.item in row[0 if rule.or_above else last : last + 1] for row in rows)
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
        case Placement():
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


@given(st.sampled_from([1, NOW - 14 * DAY_MS]), st.integers(0, 40 * DAY_MS), st.sampled_from([0.5, 14.0, 1e-3]))
def test_until_it_changes_a_page_is_bound_alike(created: int, later: int, days: float) -> None:
    fresh = Match(newer_than_days=days)
    rules: list[Rule] = [
        Boost(name="up", match=fresh, factor=2.0),
        Exposure(name="chance", match=fresh, least=0.5),
        Placement(name="where", match=fresh, slots=["a"]),
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
    # No declared kind has caps on a part of the page, but both sides know them.
    slots = compiled.caps.slots & (rng.random(compiled.caps.slots.shape) < 0.8)
    compiled = replace(compiled, caps=replace(compiled.caps, slots=slots, page_wide=np.asarray(slots.all(axis=1))))
    scores = rng.integers(0, 6, (variants, count)).astype(float)
    scores[scores == 0] = -np.inf
    fixed = np.full((variants, len(SLOTS)), -1, dtype=np.int32)
    fixed[0, 1] = rng.integers(count)
    banned = rng.random((variants, count)) < 0.2
    order = np.tile(np.argsort(-LOOKS, kind="stable").astype(np.int32), (variants, 1))
    order[rng.random(order.shape) < 0.1] = -1
    # Factors that make equals of arms that differ, too.
    alike = Alike(
        rng.integers(-1, 4, count).astype(np.int32), float(rng.choice([1.0, 0.75, 0.5])), int(rng.integers(3))
    )
    made = []
    for built in (True, False):
        slates_ = fixed.copy()
        Greedy(scores, order, compiled, built, alike).fill(slates_, banned, np.arange(variants))
        made.append(slates_.tolist())
    assert made[0] == made[1]
