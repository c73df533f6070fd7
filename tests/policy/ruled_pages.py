"""Pages with rules, and what is filled for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from hypothesis import strategies as st

from policy.hashes import arm_hashes
from policy.model.examination import examination
from policy.rules.compiled import CompiledRules, compile_rules
from policy.rules.matching import Arms
from policy.slates.fill import SlateSet, fill
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules
from schemas.rules import Boost, Cap, Complements, Exposure, Match, Pin, Placement, Rule, Spacing, Sponsored

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
    st.builds(
        Pin,
        name=st.just("n"),
        item=st.sampled_from([*ITEMS, "gone"]),
        slot=slot_names,
        or_above=st.booleans(),
    ),
    st.builds(Boost, name=st.just("n"), match=matches, factor=st.sampled_from([0.0, 0.1, 3.0])),
    st.builds(
        Cap, name=st.just("n"), match=matches, by=st.sampled_from(["all", "brand", "category"]), most=st.integers(0, 3)
    ),
    st.builds(Spacing, name=st.just("n"), by=st.sampled_from(["brand", "category"]), distance=st.integers(2, 4)),
    st.builds(Exposure, name=st.just("n"), match=matches, least=st.sampled_from([0.0, 0.5]), most=PARTS),
    st.builds(
        Placement, name=st.just("n"), match=matches, slots=st.lists(slot_names, max_size=3), reserved=st.booleans()
    ),
    st.builds(Sponsored, name=st.just("n"), match=matches, slot=slot_names, impressions=st.just(100)),
    st.builds(Complements, name=st.just("n")),
]
rule_lists = st.lists(st.one_of(*kinds), max_size=6).map(
    lambda rules: [msgspec.structs.replace(rule, name=f"r{at}") for at, rule in enumerate(rules)]
)
