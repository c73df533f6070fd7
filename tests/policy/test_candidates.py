"""Which items are candidates, and which stay when there are too many."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from policy.slates.candidates import best, candidates
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import Candidates

BOOT = CatalogItem("boot", "Boot", category="shoes", brand="north", tags=["winter", "new"])
CLOG = CatalogItem("clog", "Clog", category="shoes", brand="south")
HAT = CatalogItem("hat", "Hat", category="hats", brand="north", tags=["winter"])
GONE = CatalogItem("gone", "Gone", category="shoes", brand="north", available=False)
CATALOG = [HAT, GONE, CLOG, BOOT]

CATALOGS = st.lists(
    st.builds(
        lambda name, age, available: CatalogItem(f"i{name}", "", created_at=age, available=available),
        st.integers(0, 40),
        st.integers(0, 5),
        st.booleans(),
    ),
    unique_by=lambda item: item.item,
)
MEANS = st.dictionaries(st.integers(0, 40).map(lambda name: f"i{name}"), st.sampled_from([0.0, 0.1, 0.2, 0.3]))


def test_without_filters_all_available_items_are_candidates() -> None:
    assert candidates(CATALOG, Candidates(), {}) == ["boot", "clog", "hat"]


def test_every_filter_that_is_set_has_to_match() -> None:
    assert candidates(CATALOG, Candidates(categories=["shoes"]), {}) == ["boot", "clog"]
    assert candidates(CATALOG, Candidates(categories=["shoes"], brands=["north"]), {}) == ["boot"]
    assert candidates(CATALOG, Candidates(tags=["winter", "summer"]), {}) == ["boot", "hat"]
    assert candidates(CATALOG, Candidates(items=["clog", "gone", "unknown"]), {}) == ["clog"]


def test_the_best_stay_and_the_newest_of_the_rest_take_the_reserve() -> None:
    catalog = [
        CatalogItem(name, "", created_at=age) for name, age in (("a", 1), ("b", 5), ("c", 4), ("d", 3), ("e", 2))
    ]
    means = {"a": 0.3, "b": 0.2, "c": 0.1, "d": 0.1, "e": 0.1}
    assert candidates(catalog, Candidates(limit=3, reserve=1), means) == ["a", "b", "c"]
    assert candidates(catalog, Candidates(limit=3, reserve=0), means) == ["a", "b", "c"]
    assert candidates(catalog, Candidates(limit=3, reserve=2), means) == ["a", "b", "c"]
    assert candidates(catalog, Candidates(limit=2, reserve=9), means) == ["b", "c"]


@given(CATALOGS, MEANS, st.integers(1, 10), st.integers(0, 12), st.randoms(use_true_random=False))
def test_limits_hold_and_the_order_of_the_catalog_does_not_matter(
    catalog: list[CatalogItem], means: dict[str, float], limit: int, reserve: int, random: object
) -> None:
    declared = Candidates(limit=limit, reserve=reserve)
    found = candidates(catalog, declared, means)
    available = {item.item: item for item in catalog if item.available}
    assert len(set(found)) == len(found) == min(limit, len(available))
    assert set(found) <= set(available)
    random.shuffle(catalog)  # type: ignore[attr-defined]
    assert candidates(catalog, declared, means) == found


@given(CATALOGS, MEANS, st.integers(1, 10), st.integers(0, 12))
def test_what_was_left_out_is_neither_better_than_all_nor_newer_than_all(
    catalog: list[CatalogItem], means: dict[str, float], limit: int, reserve: int
) -> None:
    found = candidates(catalog, Candidates(limit=limit, reserve=reserve), means)
    kept = [item for item in catalog if item.item in found]
    for item in catalog:
        if item.available and item.item not in found:
            better = sum(means.get(other.item, 0.0) >= means.get(item.item, 0.0) for other in kept)
            newer = sum(other.created_at >= item.created_at for other in kept)
            assert better >= limit - min(limit, reserve)
            assert newer >= min(limit, reserve)


@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3]), st.integers(0, 3)), max_size=30),
    st.integers(1, 12),
    st.integers(0, 14),
)
def test_the_best_are_those_that_come_first_in_order(items: list[tuple[float, int]], limit: int, reserve: int) -> None:
    """Said by sorting: the likeliest, newest and first by name; then the newest of the others."""
    reserve = min(reserve, limit)
    rows = range(len(items))
    likeliest = sorted(rows, key=lambda row: (-items[row][0], -items[row][1], row))[: limit - reserve]
    others = sorted(set(rows) - set(likeliest), key=lambda row: (-items[row][1], row))
    means, created = np.array(items, dtype=np.float64).reshape(-1, 2).T
    assert best(means, created, limit, reserve).tolist() == sorted([*likeliest, *others[:reserve]])
