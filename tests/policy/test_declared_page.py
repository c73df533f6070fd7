"""The holdout's page: the order of the declaration, as far as it fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.hashes import arm_hashes
from policy.model.posteriors import Beta
from policy.pages.compiled import CompiledPage
from policy.pages.composition import DeclaredPage, Items, declared_page
from policy.pages.declaration import Row, Shelf, ShelfPage
from policy.pages.rules import LeastExposure, NotAbove
from policy.slates.scoring import Belief
from tests.policy.shelf_pages import Drawn, random_page, shuffled

EXAMPLES = settings(max_examples=80, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


def scores_of(drawn: Drawn) -> dict[str, float]:
    """A score for each item by its name, some of them equal."""
    return {
        name: float(hash_ % np.uint64(7)) for name, hash_ in zip(drawn.items.names, drawn.items.hashes, strict=True)
    }


def declared(drawn: Drawn) -> DeclaredPage:
    scores = scores_of(drawn)
    return declared_page(drawn.page, drawn.items, np.array([scores[name] for name in drawn.items.names]))


def with_all_items(page: ShelfPage) -> Drawn:
    """A page all of whose shelves may show all of 40 items."""
    names = [f"item-{at}" for at in range(40)]
    belief = Belief(Beta(np.ones(40), np.ones(40)))
    items = Items(names, arm_hashes(names), np.ones((len(page.shelves), 40), dtype=np.bool_), belief)
    return random_page(0)._replace(page=CompiledPage.of(page), items=items)


def by_hand(drawn: Drawn) -> tuple[dict[str, str], dict[str, str]]:
    """Slot to item and row to shelf, worked out row by row from names; no shelf keeps its items."""
    page, items, scores = drawn.page, drawn.items, scores_of(drawn)
    factor = np.ones(len(items.names)) if items.belief.factor is None else items.belief.factor
    slate, rows, used = dict[str, str](), dict[str, str](), set[str]()
    standing = set[int]()
    for row, declaration in enumerate(page.page.rows):
        pinned, waiting = int(page.pins[row]), {int(shelf) for shelf in page.pins if shelf >= 0}
        shelves = [pinned] if pinned >= 0 else []
        for shelf in [*shelves, *(shelf for shelf in range(page.shape[1]) if shelf not in waiting)]:
            full = [int(cap.shelves[list(standing | waiting)].sum()) >= cap.most for cap in page.caps]
            capped = any(cap.shelves[shelf] and over for cap, over in zip(page.caps, full, strict=True))
            if shelf in standing or not page.allowed[row, shelf] or (capped and shelf != pinned):
                continue
            left = [
                (-scores[name], int(items.hashes[at]), name)
                for at, name in enumerate(items.names)
                if items.candidates[shelf, at] and factor[at] > 0.0 and name not in used
            ]
            chosen = [name for *_, name in sorted(left)][: page.columns[row, shelf]]
            if len(chosen) < page.least[shelf]:
                continue
            rows[declaration.name] = page.page.shelf_names[shelf]
            slate |= dict(zip(declaration.slots, chosen, strict=False))
            used |= set(chosen)
            standing.add(shelf)
            break
    return slate, rows


@EXAMPLES
@given(SEEDS)
def test_down_the_rows_the_first_declared_shelf_that_fits_has_its_best_items(seed: int) -> None:
    drawn = random_page(seed)
    drawn = drawn._replace(page=replace(drawn.page, keeps=np.zeros_like(drawn.page.keeps)))
    page = declared(drawn)
    assert (page.slate, page.rows) == by_hand(drawn)
    assert list(page.rows) == [row for row in drawn.page.page.row_names if row in page.rows]


@EXAMPLES
@given(SEEDS)
def test_the_order_of_items_is_nothing_to_the_declared_page(seed: int) -> None:
    drawn = random_page(seed)
    assert declared(drawn) == declared(shuffled(drawn, np.random.default_rng(seed)))


def test_a_wide_row_further_down_is_no_reason_to_begin_there() -> None:
    page = ShelfPage((Shelf("first"), Shelf("second")), (Row.of("1", 1), Row.of("2", 30)))
    assert declared(with_all_items(page)).rows == {"1": "first", "2": "second"}


def test_rules_about_single_pages_hold_and_shares_of_slates_do_not() -> None:
    shelves = (Shelf("first"), Shelf("second"), Shelf("rare"))
    rules = (NotAbove("low", "first", "2"), LeastExposure("often", "rare", 0.5))
    page = ShelfPage(shelves, (Row.of("1", 1), Row.of("2", 1)), rules)
    result = declared(with_all_items(page))
    assert (result.rows, result.relaxed) == ({"1": "second", "2": "first"}, [])
