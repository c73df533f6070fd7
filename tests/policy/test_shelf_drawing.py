"""Which shelf stands in which row, and what is on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.arrays import EMPTY, Codes, Floats
from policy.hashes import arm_hashes
from policy.model.posteriors import Beta, Prior
from policy.model.reward import ClickValue
from policy.pages.compiled import CompiledPage
from policy.pages.composition import Items, PageComposition, Shelves, compose_page
from policy.pages.declaration import Row, Shelf, ShelfPage
from policy.pages.drawing import Arrangement, arrange
from policy.pages.lists import ItemScores, ShelfScores
from policy.pages.period import is_over
from policy.pages.rules import LeastExposure, MostOfKind, NotAbove, NotBelow, ShelfRule
from policy.slates.compiled import BUILT
from policy.slates.composition import Statistics, compose
from policy.slates.scoring import POLICIES, Belief
from schemas.messages.pages import PolicyChoice
from schemas.rules import Rule
from tests.policy.ruled_pages import LOOKS, SLOTS, compiled_for, rule_lists, stocked
from tests.policy.shelf_pages import NAMES, Drawn, flat_page, random_page, shuffled

SEEDS = st.integers(0, 2**32 - 1)
CHOICES = st.builds(
    PolicyChoice,
    name=st.sampled_from(sorted(POLICIES)),
    variants=st.integers(1, 6),
    exploration_slates=st.integers(0, 2),
)
EXAMPLES = settings(max_examples=30, deadline=None)


def composed(drawn: Drawn, choice: PolicyChoice, rows: Codes | None = None) -> PageComposition:
    return compose_page(*drawn, choice, NAMES, rows=rows)


@EXAMPLES
@given(SEEDS, CHOICES)
def test_no_item_and_no_shelf_is_on_a_page_twice_and_all_are_where_they_may_be(seed: int, choice: PolicyChoice) -> None:
    drawn = random_page(seed)
    page, items, result = drawn.page, drawn.items, composed(drawn, choice).arrangement
    factor = np.ones(len(items.names)) if items.belief.factor is None else items.belief.factor
    for rows, slate in zip(result.rows, result.slates, strict=True):
        filled, standing = slate[slate != EMPTY].tolist(), rows[rows != EMPTY].tolist()
        assert len(set(filled)) == len(filled)
        assert len(set(standing)) == len(standing)
        for slot in np.flatnonzero(slate != EMPTY).tolist():
            shelf = rows[page.row_of[slot]]
            assert items.candidates[shelf, slate[slot]]
            assert factor[slate[slot]] > 0.0
        for row in np.flatnonzero(rows != EMPTY).tolist():
            shelf, slots = rows[row], page.slots[row]
            count = int((slate[slots[slots != EMPTY]] != EMPTY).sum())
            assert page.declared[row, shelf]
            assert page.least[shelf] <= count <= page.columns[row, shelf]
        for row in np.flatnonzero(rows == EMPTY).tolist():
            slots = page.slots[row]
            assert (slate[slots[slots != EMPTY]] == EMPTY).all()


@EXAMPLES
@given(SEEDS, CHOICES)
def test_every_rule_holds_or_is_told(seed: int, choice: PolicyChoice) -> None:
    drawn = random_page(seed)
    page, result = drawn.page.page, composed(drawn, choice)
    broken = dict(result.arrangement.broken)
    assert len(broken) == len(result.relaxed)
    for label, count in _violations(page, result.rows, [row.name for row in page.rows]).items():
        assert broken.pop(label, 0) == count, label
    assert not broken, "nothing is told that holds"


def _violations(page: ShelfPage, slates: list[dict[str, str]], names: list[str]) -> dict[str, int]:
    """In how many slates each rule does not hold, by its label, worked out from names."""
    kinds = {shelf.name: shelf.kind for shelf in page.shelves}
    where = [{shelf: names.index(row) for row, shelf in slate.items()} for slate in slates]
    counts = {f"row {name}": sum(name not in slate for slate in slates) for name in names}
    for shelf in page.shelves:
        if shelf.pinned:
            counts[f"pin {shelf.name}"] = sum(slate.get(shelf.pinned) != shelf.name for slate in slates)
    for rule in page.rules:
        match rule:
            case NotAbove():
                count = sum(at.get(rule.shelf, 99) < names.index(rule.row) for at in where)
                counts[f"not above {rule.name}"] = count
            case NotBelow():
                count = sum(at.get(rule.shelf, -1) > names.index(rule.row) for at in where)
                counts[f"not below {rule.name}"] = count
            case MostOfKind():
                beyond = [sum(kinds[shelf] == rule.kind for shelf in at) > rule.most for at in where]
                counts[f"most of kind {rule.name}"] = sum(beyond)
            case LeastExposure():
                has = sum(rule.shelf in at for at in where)
                lacking = int(np.ceil(rule.least * len(slates) - 1e-9)) - has
                counts[f"least exposure {rule.name}"] = max(0, lacking)
    return counts


@EXAMPLES
@given(SEEDS, CHOICES)
def test_the_same_state_gives_the_same_page_in_whatever_order_items_come(seed: int, choice: PolicyChoice) -> None:
    drawn = random_page(seed)
    first, again = composed(drawn, choice), composed(drawn, choice)
    other = composed(shuffled(drawn, np.random.default_rng(seed)), choice)
    assert first.slates == again.slates == other.slates
    assert first.rows == again.rows == other.rows
    assert first.relaxed == other.relaxed


@EXAMPLES
@given(SEEDS, CHOICES)
def test_propensities_are_counted_over_slates(seed: int, choice: PolicyChoice) -> None:
    result = composed(random_page(seed), choice)
    for slates, propensities in ((result.slates, result.propensities), (result.rows, result.row_propensities)):
        for place, by_name in propensities.items():
            for name, share in by_name.items():
                assert share == sum(slate.get(place) == name for slate in slates) / len(slates)
        assert all(place in propensities for slate in slates for place in slate)


@EXAMPLES
@given(SEEDS, CHOICES)
def test_shelves_that_stand_still_are_what_was_drawn_and_items_are_drawn_anew(seed: int, choice: PolicyChoice) -> None:
    drawn = random_page(seed)
    first = composed(drawn, choice)
    assert composed(drawn, choice, first.arrangement.rows).rows == first.rows
    for rows in composed(drawn, choice, first.arrangement.rows).arrangement.rows:
        assert not set(rows.tolist()) - {*first.arrangement.rows.ravel().tolist(), EMPTY}


@settings(max_examples=50, deadline=None)
@given(SEEDS, CHOICES, rule_lists, st.booleans())
def test_a_flat_page_is_composed_as_ever(seed: int, choice: PolicyChoice, rules: list[Rule], sales: bool) -> None:
    rng, catalog = np.random.default_rng(seed), stocked()
    names, size = [*catalog], len(stocked())
    nothing = np.zeros((size, len(SLOTS)))
    value = ClickValue(
        Beta(np.full(size, 2.0), np.full(size, 60.0)), np.full(size, 9.0), np.ones(size), 0.5, np.ones(size)
    )
    statistics = replace(
        Statistics.empty(names, SLOTS, LOOKS, Prior(0.02, 50.0)),
        impressions=rng.integers(0, 400, nothing.shape),
        clicks=rng.integers(0, 8, nothing.shape),
        click_value=value if sales else None,
    )
    compiled = compiled_for(rules, catalog, [])
    expected = compose(statistics, choice, NAMES.page, NAMES.segment, NAMES.epoch, rules=compiled)
    belief = Belief(statistics.posterior(), statistics.click_value, compiled.score_factor)
    items = Items(names, statistics.hashes, np.ones((1, size), dtype=np.bool_), belief)
    ones = np.ones(1), np.zeros(1)
    shelves = Shelves(LOOKS[None, None], ones, (np.ones((1, 1)), np.zeros((1, 1))))
    result = compose_page(flat_page(list(SLOTS)), items, shelves, choice, NAMES, compiled)
    assert result.slates == expected.slates
    assert result.propensities == expected.propensities
    assert result.relaxed == expected.relaxed[: len(result.relaxed)]
    assert result.rows == []


@EXAMPLES
@given(SEEDS, st.integers(1, 5))
def test_without_rules_a_row_for_all_is_filled_as_a_flat_page_is(seed: int, variants: int) -> None:
    """The drawing itself, which flat pages do not take."""
    rng = np.random.default_rng(seed)
    scores = rng.choice([0.0, 0.25, 0.5, -np.inf, np.nan, rng.random()], (30, variants))
    hashes, looks = arm_hashes([str(at) for at in range(30)]), rng.choice([0.2, 0.5, 1.0], 7)
    page = CompiledPage.of(ShelfPage((Shelf("all"),), (Row.of("row", 7),)))
    drawn = _drawn(page, scores, looks[None, None], np.ones((1, 30)))
    from policy.slates.arrangement import slates

    assert drawn.slates.tolist() == slates(scores, looks, hashes).tolist()


def _drawn(page: CompiledPage, scores: Floats, weights: Floats, candidates: Floats | Codes) -> Arrangement:
    factors = np.ones((scores.shape[1], *weights.shape[:2]))
    hashes = arm_hashes([str(at) for at in range(len(scores))])
    return arrange(page, ItemScores(scores), ShelfScores(weights, factors), candidates.astype(np.bool_), hashes)


def test_a_shelf_is_worth_what_its_items_are_that_are_left() -> None:
    """Twins are worth most by themselves, and together less than one of them and another shelf."""
    page = CompiledPage.of(ShelfPage((Shelf("a"), Shelf("twin"), Shelf("other")), (Row.of("1", 2), Row.of("2", 2))))
    scores = np.array([[0.9], [0.8], [0.4], [0.3], [0.05], [0.02]])
    candidates = np.array([[1, 1, 0, 0, 1, 1], [1, 1, 0, 0, 1, 1], [0, 0, 1, 1, 0, 0]])
    drawn = _drawn(page, scores, np.full((2, 3, 2), 1.0), candidates)
    assert drawn.rows[0, 1] == 2
    assert drawn.slates[0].tolist() == [0, 1, 2, 3]


def test_the_row_most_seen_and_looked_at_is_drawn_first() -> None:
    page = CompiledPage.of(ShelfPage((Shelf("weak"), Shelf("strong")), (Row.of("1", 1), Row.of("2", 1))))
    weights = np.array([0.2, 1.0])[:, None, None] * np.ones((2, 2, 1))
    drawn = _drawn(page, np.array([[0.1], [0.9]]), weights, np.eye(2))
    assert drawn.rows[0].tolist() == [0, 1]


def test_what_a_shelf_keeps_is_left_to_it_until_it_has_no_row_any_more() -> None:
    rows = (Row.of("1", 1), Row.of("2", 1), Row.of("3", 1, ["a", "b"]))
    scores, candidates = np.array([[0.9], [0.5], [0.4]]), np.array([[1, 1, 1], [1, 1, 1], [1, 0, 0]])
    weights = np.array([1.0, 0.5, 0.25])[:, None, None] * np.ones((3, 3, 1))
    shelves = (Shelf("a"), Shelf("b"), Shelf("keeper", keeps=True, pinned="2"))
    drawn = _drawn(CompiledPage.of(ShelfPage(shelves, rows)), scores, weights, candidates)
    assert drawn.slates[0, 1] == 0
    assert drawn.slates[0, 0] == 1
    greedy = (Shelf("a"), Shelf("b"), Shelf("keeper", pinned="2"))
    left = _drawn(CompiledPage.of(ShelfPage(greedy, rows)), scores, weights, candidates)
    assert left.slates[0, 0] == 0
    assert dict(left.broken) == {"pin keeper": 1, "row 3": 1}


def test_a_shelf_that_is_shown_too_rarely_gets_the_row_least_looked_at() -> None:
    shelves = (Shelf("a"), Shelf("b"), Shelf("rare"))
    page = ShelfPage(shelves, (Row.of("1", 1), Row.of("2", 1)), (LeastExposure("new", "rare", 0.5),))
    weights = np.array([1.0, 0.5])[:, None, None] * np.ones((2, 3, 1))
    drawn = _drawn(CompiledPage.of(page), np.tile([[0.9], [0.8], [0.1]], 4), weights, np.eye(3))
    assert (drawn.rows == 2).sum(axis=0).tolist() == [0, 2]
    assert not drawn.broken


RULES: list[ShelfRule] = [
    NotAbove("", "a", "1"),
    NotAbove("r", "b", "1"),
    NotBelow("r", "a", "2"),
    MostOfKind("r", "hero", 1),
    MostOfKind("r", "carousel", -1),
    LeastExposure("r", "a", 0.0),
]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_rules_that_lead_nowhere_are_refused(rule: ShelfRule) -> None:
    with pytest.raises(ValueError, match=r"rules\[0\]\.\w+: expected"):
        ShelfPage((Shelf("a"),), (Row.of("1", 2),), (rule,))


@pytest.mark.parametrize(
    ("shelves", "rows", "message"),
    [
        ([], [Row.of("1", 2)], "shelves: expected at least one shelf"),
        ([Shelf("a")], [], "rows: expected at least one row"),
        ([Shelf("a"), Shelf("a")], [Row.of("1", 2)], "shelves: expected each shelf once, got more of 'a'"),
        ([Shelf("a")], [Row("1", ("x", "x"))], "rows.slots: expected each slot once, got more of 'x'"),
        ([Shelf("a")], [Row("1", ())], r"rows\[0\].slots: expected at least one slot"),
        ([Shelf("a")], [Row.of("1", 300)], "rows: expected at most 256 slots in all rows, got 300"),
        ([Shelf(""), Shelf("a")], [Row.of("1", 2)], "shelves: expected a name for each shelf"),
        ([Shelf("a")], [Row.of("1", 2, ["b"])], r"rows\[0\].shelves: expected some of the shelves \(a\), got 'b'"),
        ([Shelf("a", least_columns=3)], [Row.of("1", 2)], r"shelves\[0\].least_columns: expected a row with 3 slots"),
        (
            [Shelf("a", least_columns=2, most_columns=1)],
            [Row.of("1", 2)],
            "most_columns: expected at least least_columns",
        ),
        ([Shelf("a", pinned="2")], [Row.of("1", 2)], r"pinned: expected one of the rows \(1\), got '2'"),
        (
            [Shelf("a", pinned="1"), Shelf("b", pinned="1")],
            [Row.of("1", 2)],
            "at most one shelf pinned to row '1', got 2",
        ),
        ([Shelf("a", kind="")], [Row.of("1", 2)], r"shelves\[0\].kind: expected a word"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_path(shelves: list[Shelf], rows: list[Row], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ShelfPage(tuple(shelves), tuple(rows))


def test_rows_have_slots_named_by_row_and_column() -> None:
    assert Row.of("hero", 3).slots == ("hero.1", "hero.2", "hero.3")
    assert ShelfPage.flat(["x", "y"]).slots == ("x", "y")


def test_shelves_stand_still_until_page_views_have_grown_enough() -> None:
    assert not is_over(200, 0)
    assert is_over(250, 0)
    assert not is_over(10_999, 10_000)
    assert is_over(11_000, 10_000)
    assert is_over(1_010_000, 1_000_000)


@pytest.mark.skipif(not BUILT, reason="policy.slates.scan was not built: is there a C compiler and Python's headers?")
@EXAMPLES
@given(SEEDS, st.booleans(), st.sampled_from([0.0, 0.2, 1.0]))
def test_compiled_lists_of_items_are_those_of_numpy(seed: int, sold: bool, odd: float) -> None:
    """Scores may be equal, infinite or no numbers."""
    drawn, rng = random_page(seed), np.random.default_rng(seed)
    page, size = drawn.page, len(drawn.items.names)

    def scores() -> Floats:
        drawn = rng.integers(0, 5, (size, 4)).astype(np.float64)
        return np.where(rng.random(drawn.shape) < odd, rng.choice([np.nan, -np.inf, np.inf], drawn.shape), drawn)

    rows, shelves, _ = page.shape
    orders = rng.uniform(0.5, 2.0, (4, shelves)) if sold else None
    shelf_scores = ShelfScores(drawn.shelves.weights, rng.uniform(0.5, 2.0, (4, rows, shelves)), orders)
    with np.errstate(invalid="ignore", over="ignore"):
        of_items = ItemScores(scores(), scores() if sold else None)
        built, plain = (
            arrange(page, of_items, shelf_scores, drawn.items.candidates, drawn.items.hashes, built=which)
            for which in (True, False)
        )
    assert np.array_equal(built.rows, plain.rows)
    assert np.array_equal(built.slates, plain.slates)
    assert built.broken == plain.broken
