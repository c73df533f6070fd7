"""Rules for items on pages of shelves: they hold in every slate, or are told with the number of slates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.arrays import EMPTY, Codes
from policy.hashes import arm_hashes
from policy.model.posteriors import Beta
from policy.pages.compiled import CompiledPage
from policy.pages.composition import PageComposition, Shelves, compose_page, declared_page
from policy.pages.declaration import Row, Shelf, ShelfPage
from policy.pages.model.counts import ShelfCounts
from policy.pages.model.fitting import fit_shelves
from policy.pages.templates import narrowed
from policy.rules.compiled import CompiledRules
from policy.slates.compiled import BUILT
from policy.slates.scoring import Belief
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules, PageTemplate, PolicyChoice, TemplateRow
from schemas.rules import Cap, Complements, Exposure, Match, Pin, Placement, Rule, Spacing, Sponsored
from tests.policy.ruled_pages import compile_page
from tests.policy.shelf_pages import NAMES, Drawn, random_page, shuffled

SEEDS = st.integers(0, 2**32 - 1)
CHOICES = st.builds(
    PolicyChoice,
    name=st.sampled_from(["thompson", "greedy"]),
    variants=st.integers(1, 6),
    exploration_slates=st.integers(0, 2),
)
EXAMPLES = settings(max_examples=60, deadline=None)
PARTS = [0.0, 0.25, 0.5, 1.0]


class Ruled(NamedTuple):
    """A page with rules for items."""

    drawn: Drawn
    rules: list[Rule]
    catalog: dict[str, CatalogItem]

    @property
    def slots(self) -> list[str]:
        return list(self.drawn.page.page.slots)

    def compiled(self, names: list[str] | None = None) -> CompiledRules:
        page = PageRules("home", 1, self.slots, rules=self.rules)
        pacing = {rule.name: 0.5 for rule in self.rules}
        return compile_page(page, names or list(self.drawn.items.names), self.catalog, pacing=pacing)

    def composed(self, choice: PolicyChoice, rows: Codes | None = None) -> PageComposition:
        return compose_page(*self.drawn, choice, NAMES, self.compiled(), rows)


def ruled(seed: int) -> Ruled:
    """A random page with random rules."""
    drawn, rng = random_page(seed), np.random.default_rng(seed)
    names = list(drawn.items.names)
    catalog = {
        name: CatalogItem(
            name,
            name,
            brand=f"b{rng.integers(3)}",
            category=f"c{rng.integers(4)}",
            complements=rng.choice(names, 2).tolist(),
        )
        for name in names
    }
    slots = list(drawn.page.page.slots)
    rules = [_rule(rng, f"r{at}", names or ["gone"], slots) for at in range(int(rng.integers(0, 6)))]
    return Ruled(drawn, rules, catalog)


def _rule(rng: np.random.Generator, name: str, names: list[str], slots: list[str]) -> Rule:
    slot, item = str(rng.choice(slots)), str(rng.choice(names))
    some = [str(slot) for slot in rng.choice(slots, 3)]
    match = [
        Match(categories=[f"c{rng.integers(4)}"]),
        Match(brands=["b0"]),
        Match(items=rng.choice(names, 3).tolist()),
    ][rng.integers(3)]
    kinds: list[Callable[[], Rule]] = [
        lambda: Pin(name=name, item=item, slot=slot),
        lambda: Pin(name=name, item=item, slot=slot, or_above=True),
        lambda: Cap(name=name, match=match, by=str(rng.choice(["all", "brand"])), most=int(rng.integers(0, 3))),  # type: ignore[arg-type]
        lambda: Spacing(name=name, by=str(rng.choice(["brand", "category"])), distance=int(rng.integers(2, 4))),  # type: ignore[arg-type]
        lambda: Exposure(name=name, match=match, least=float(rng.choice(PARTS)), most=float(rng.choice(PARTS[1:]))),
        lambda: Placement(name=name, match=match, slots=some, reserved=bool(rng.random() < 0.4)),
        lambda: Sponsored(name=name, match=match, slot=slot, impressions=10),
        lambda: Complements(name=name),
    ]
    return kinds[rng.integers(len(kinds))]()


@EXAMPLES
@given(SEEDS, CHOICES, st.booleans())
def test_items_are_where_they_may_be_whatever_rules_ask_for(seed: int, choice: PolicyChoice, again: bool) -> None:
    page = ruled(seed)
    composed = page.composed(choice)
    result = page.composed(choice, composed.arrangement.rows).arrangement if again else composed.arrangement
    compiled, items = page.drawn.page, page.drawn.items
    for rows, slate in zip(result.rows, result.slates, strict=True):
        filled, standing = slate[slate != EMPTY].tolist(), rows[rows != EMPTY].tolist()
        assert len(set(filled)) == len(filled), "an item twice"
        assert len(set(standing)) == len(standing), "a shelf twice"
        for slot in np.flatnonzero(slate != EMPTY).tolist():
            shelf = rows[compiled.row_of[slot]]
            assert shelf != EMPTY
            assert items.usable[shelf, slate[slot]]
            assert compiled.column_of[slot] < compiled.columns[compiled.row_of[slot], shelf]
        for row in np.flatnonzero(rows != EMPTY).tolist():
            slots = compiled.slots[row]
            count = int((slate[slots[slots != EMPTY]] != EMPTY).sum())
            assert compiled.least[rows[row]] <= count
            left = items.usable[rows[row]].copy()
            left[filled] = False
            # What is kept for a shelf, or for a pin that then does not hold, may be free when a row is filled already.
            gave_way = any(rule.startswith(("pin", "soft pin", "sponsored")) for rule, _ in result.broken)
            reserved = compiled.keeps.any() or gave_way
            assert reserved or not left.any() or count == compiled.columns[row, rows[row]], "a slot without need"


@EXAMPLES
@given(SEEDS, CHOICES)
def test_a_rule_holds_or_is_told_with_the_number_of_slates(seed: int, choice: PolicyChoice) -> None:
    page = ruled(seed)
    result = page.composed(choice)
    told = dict(result.arrangement.broken)
    idle = {text.partition(":")[0] for text in page.compiled().idle}
    for label, count in violations(page, result.slates):
        if label not in idle:
            assert told.get(label, 0) == count, label
    declared = declared_page(page.drawn.page, page.drawn.items, page.drawn.items.belief.beta.a, page.compiled())
    single = {text.partition(":")[0] for text in declared.relaxed}
    for label, count in violations(page, [declared.slate]):
        if not label.startswith(("exposure", "sponsored")) and label not in idle:
            assert (label in single) == (count > 0), label


def violations(page: Ruled, slates: list[dict[str, str]]) -> Iterator[tuple[str, int]]:
    """In how many slates each rule does not hold, by its label, worked out from names."""
    for rule in page.rules:
        match rule:
            case Pin():
                last = page.slots.index(rule.slot)
                slots = page.slots[0 if rule.or_above else last : last + 1]
                kind = "soft pin" if rule.or_above else "pin"
                absent = [rule.item not in [slate.get(slot) for slot in slots] for slate in slates]
                yield f"{kind} {rule.name}", sum(absent)
            case Cap():
                yield f"cap {rule.name}", sum(_most(page, rule, slate) > rule.most for slate in slates)
            case Spacing():
                yield f"spacing {rule.name}", sum(_is_near(page, rule, slate) for slate in slates)
            case Placement():
                yield f"place {rule.name}", sum(_is_displaced(page, rule, slate) for slate in slates)
            case Exposure():
                has = sum(any(_matches(page, rule.match, item) for item in slate.values()) for slate in slates)
                each = Counter(item for slate in slates for item in slate.values())
                most = max((each[item] for item in each if _matches(page, rule.match, item)), default=0)
                floor, ceiling = np.ceil(rule.least * len(slates) - 1e-9), np.floor(rule.most * len(slates) + 1e-9)
                yield f"exposure {rule.name}", max(0, int(floor) - has, most - int(ceiling))


def _matches(page: Ruled, match: Match, name: str) -> bool:
    item = page.catalog[name]
    return (
        (not match.items or name in match.items)
        and (not match.categories or item.category in match.categories)
        and (not match.brands or item.brand in match.brands)
    )


def _most(page: Ruled, rule: Cap, slate: dict[str, str]) -> int:
    names = [name for name in slate.values() if _matches(page, rule.match, name)]
    counts = Counter("" if rule.by == "all" else getattr(page.catalog[name], rule.by) for name in names)
    return max(counts.values(), default=0)


def _is_near(page: Ruled, rule: Spacing, slate: dict[str, str]) -> bool:
    """Whether two of a row are nearer to each other than the distance."""
    for row in page.drawn.page.page.rows:
        labels = [getattr(page.catalog[slate[slot]], rule.by) if slot in slate else None for slot in row.slots]
        for at, label in enumerate(labels):
            if label is not None and label in labels[at + 1 : at + rule.distance]:
                return True
    return False


def _is_displaced(page: Ruled, rule: Placement, slate: dict[str, str]) -> bool:
    inside = {slot: _matches(page, rule.match, name) for slot, name in slate.items()}
    return any(
        (is_meant and slot not in rule.slots) or (rule.reserved and slot in rule.slots and not is_meant)
        for slot, is_meant in inside.items()
    )


@EXAMPLES
@given(SEEDS, CHOICES)
def test_the_same_state_gives_the_same_page_in_whatever_order_items_come(seed: int, choice: PolicyChoice) -> None:
    page = ruled(seed)
    first, again = page.composed(choice), page.composed(choice)
    other = page._replace(drawn=shuffled(page.drawn, np.random.default_rng(seed))).composed(choice)
    assert first.slates == again.slates == other.slates
    assert first.rows == again.rows == other.rows
    assert first.relaxed == other.relaxed
    for place, by_name in first.propensities.items():
        for name, share in by_name.items():
            assert share == sum(slate.get(place) == name for slate in first.slates) / len(first.slates)


@EXAMPLES
@given(SEEDS, CHOICES)
def test_rules_that_never_bind_change_nothing(seed: int, choice: PolicyChoice) -> None:
    """The filling under rules is that without, where there is nothing to give way to."""
    page = ruled(seed)
    # A keeper lets go of its items where its shelves are looked at again.
    compiled = replace(page.drawn.page, keeps=np.zeros_like(page.drawn.page.keeps))
    free = page._replace(rules=[Cap(name="free", most=64)], drawn=page.drawn._replace(page=compiled))
    bare = compose_page(*free.drawn, choice, NAMES)
    result = free.composed(choice)
    assert result.rows == bare.rows
    assert result.slates == bare.slates
    assert result.relaxed == bare.relaxed


@pytest.mark.skipif(not BUILT, reason="policy.slates.scan was not built: is there a C compiler and Python's headers?")
@EXAMPLES
@given(SEEDS, CHOICES)
def test_compiled_filling_is_that_of_numpy(seed: int, choice: PolicyChoice) -> None:
    page = ruled(seed)
    built = page.composed(choice)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("policy.pages.drawing.arrange.__defaults__", (None, False, None))
        plain = page.composed(choice)
    assert (built.slates, built.rows, built.relaxed) == (plain.slates, plain.rows, plain.relaxed)


def small(shelves: tuple[Shelf, ...], rows: tuple[Row, ...], shown: dict[str, list[str]], *rules: Rule) -> Ruled:
    """A page whose shelves may show some of the items a to h, a being the best."""
    page = CompiledPage.of(ShelfPage(shelves, rows))
    names = list("abcdefgh")
    drawn = next(drawn for drawn in map(random_page, range(99)) if len(drawn.items.names) >= 8)
    items = replace(
        drawn.items,
        names=names,
        hashes=arm_hashes(names),
        candidates=page.candidates(names, shown),
        belief=Belief(Beta(np.arange(8, 0, -1.0), np.full(8, 99.0))),
    )
    believed = Shelves.of(page, fit_shelves(page, ShelfCounts.empty(page, 1, 0)), 0)
    catalog = {name: CatalogItem(name, name, brand="odd" if at % 2 else "even") for at, name in enumerate(names)}
    return Ruled(Drawn(page, items, believed), list(rules), catalog)


GREEDY = PolicyChoice(name="greedy", variants=4)
TWO_ROWS = (Row.of("1", 2), Row.of("2", 2))


def test_a_pin_chooses_a_shelf_that_may_show_the_item_for_its_row() -> None:
    shelves = (Shelf("best"), Shelf("other"), Shelf("third"))
    shown = {"best": ["a", "b", "c", "d"], "other": ["e", "f"], "third": ["g", "h"]}
    pin = Pin(name="p", item="h", slot="1.2")
    page = small(shelves, TWO_ROWS, shown, pin)
    result = page.composed(GREEDY)
    assert all(rows == {"1": "third", "2": "best"} for rows in result.rows)
    assert all(slate == {"1.1": "g", "1.2": "h", "2.1": "a", "2.2": "b"} for slate in result.slates)
    assert not result.relaxed
    baseline = declared_page(page.drawn.page, page.drawn.items, np.arange(8, 0, -1.0), page.compiled())
    assert baseline.rows == {"1": "third", "2": "best"}
    assert baseline.slate["1.2"] == "h"


def test_the_only_shelf_that_may_show_a_pinned_item_is_left_to_its_row() -> None:
    shelves = (Shelf("best"), Shelf("other"))
    shown = {"best": ["a", "b", "c", "d"], "other": ["e", "f", "g"]}
    result = small(shelves, TWO_ROWS, shown, Pin(name="p", item="d", slot="2.1")).composed(GREEDY)
    assert all(rows == {"1": "other", "2": "best"} for rows in result.rows)
    assert all(slate["2.1"] == "d" for slate in result.slates)


def test_a_pin_that_no_shelf_of_its_row_may_show_is_told_and_its_item_stands_elsewhere() -> None:
    shelves = (Shelf("best", pinned="1"), Shelf("other"))
    shown = {"best": ["a", "b", "c"], "other": ["d", "e", "f"]}
    result = small(shelves, TWO_ROWS, shown, Pin(name="p", item="d", slot="1.1")).composed(GREEDY)
    assert result.relaxed == ["pin p: not in 4 of 4 slates"]
    assert all(slate["2.1"] == "d" for slate in result.slates)


def test_of_pins_that_need_the_same_shelf_the_first_holds() -> None:
    shelves = (Shelf("best"), Shelf("other"))
    shown = {"best": ["a", "b", "c", "d"], "other": ["e", "f"]}
    pins = Pin(name="p", item="d", slot="2.1"), Pin(name="q", item="c", slot="1.1")
    result = small(shelves, TWO_ROWS, shown, *pins).composed(GREEDY)
    assert result.relaxed == ["pin q: not in 4 of 4 slates"]
    assert all(slate["2.1"] == "d" for slate in result.slates)


def test_a_pin_in_a_slot_that_a_template_leaves_out_is_not_told() -> None:
    page = small((Shelf("best"),), TWO_ROWS, {}, Pin(name="p", item="d", slot="2.1"))
    narrow = narrowed(page.drawn.page, PageTemplate("short", [TemplateRow("1")]))
    result = page._replace(drawn=page.drawn._replace(page=narrow)).composed(GREEDY)
    assert (result.slates[0], result.relaxed) == ({"1.1": "a", "1.2": "b"}, [])


def test_a_cap_counts_over_rows_and_a_spacing_within_them() -> None:
    shelves, shown = (Shelf("best"), Shelf("other")), {"best": list("abcd"), "other": list("efgh")}
    cap = Cap(name="c", by="brand", most=1)
    result = small(shelves, TWO_ROWS, shown, cap).composed(GREEDY)
    assert result.relaxed == ["cap c: not in 4 of 4 slates"]
    spacing = Spacing(name="s", by="brand", distance=2)
    page = small(shelves, TWO_ROWS, shown, spacing)
    assert not page.composed(GREEDY).relaxed


def test_a_floor_gives_an_item_the_slot_least_looked_at_on_a_shelf_that_may_show_it() -> None:
    shelves, shown = (Shelf("best"), Shelf("other")), {"best": list("abcd"), "other": list("efgh")}
    rule = Exposure(name="x", match=Match(items=["h"]), least=0.5)
    result = small(shelves, TWO_ROWS, shown, rule).composed(GREEDY)
    assert [slate["2.2"] for slate in result.slates].count("h") == 2
    rare = Exposure(name="x", match=Match(items=["a"]), most=0.5)
    result = small(shelves, TWO_ROWS, shown, rare).composed(GREEDY)
    assert sum("a" in slate.values() for slate in result.slates) == 2
    assert not result.relaxed


def test_a_sponsored_slot_goes_to_its_items_in_its_share_of_slates() -> None:
    shelves, shown = (Shelf("best"), Shelf("other")), {"best": list("abcd"), "other": list("efgh")}
    rule = Sponsored(name="ad", match=Match(items=["g", "h"]), slot="1.1", impressions=9)
    result = small(shelves, TWO_ROWS, shown, rule).composed(GREEDY)
    assert sum(slate["1.1"] == "g" for slate in result.slates) == 2
    assert sum(rows["1"] == "other" for rows in result.rows) == 2
