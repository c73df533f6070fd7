"""Which arms are alike, and pages that do not show one twice side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from policy.arrays import Bools, Vectors
from policy.hashes import arm_hashes
from policy.rules.compiled import compile_rules
from policy.rules.likeness import NO_CODE, alike_codes, near_pairs
from policy.rules.matching import Arms
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules
from schemas.rules import Spacing

directions = st.integers(0, 5).map(lambda number: np.eye(6, dtype=np.float32)[number])


@given(st.lists(st.tuples(st.sampled_from(["", "", "x", "y"]), directions, st.booleans()), max_size=12))
def test_arms_are_alike_by_family_or_picture_or_through_a_third(arms: list[tuple[str, Vectors, bool]]) -> None:
    families, has = [family for family, _, _ in arms], np.array([there for _, _, there in arms], dtype=np.bool_)
    vectors = np.array([each * there for _, each, there in arms], dtype=np.float32).reshape(len(arms), 6)
    codes = alike_codes(families, vectors, has, 0.9)
    groups = [set[int]([at]) for at in range(len(arms))]
    for at, (family, vector, there) in enumerate(arms):
        for other in range(at):
            same = family and family == arms[other][0]
            if (same or (there and arms[other][2] and vector @ arms[other][1] > 0.9)) and groups[at] is not groups[
                other
            ]:
                groups[at] |= groups[other]
                for member in groups[at]:
                    groups[member] = groups[at]
    expected = [[len(group) > 1 and other in group for other in range(len(arms))] for group in groups]
    assert [[code == other != NO_CODE for other in codes.tolist()] for code in codes.tolist()] == expected


def test_no_slate_shows_one_shirt_twice_side_by_side() -> None:
    names = [f"i{number}" for number in range(6)]
    catalog = {name: CatalogItem(name, name, family="shirt" if name in ("i0", "i1") else "") for name in names}
    vectors = np.eye(6, dtype=np.float32)
    vectors[3] = vectors[2] + 0.1 * vectors[5]
    rule = Spacing(name="variety", by="likeness", distance=2, similarity=0.95)
    page = PageRules("home", 1, ["a", "b", "c"], rules=[rule])
    arms = Arms.by_hash(names, arm_hashes(names), catalog, 1)
    rows = {name: row for row, name in enumerate(names)}

    def pictures(of: Sequence[str]) -> tuple[Vectors, Bools]:
        return vectors[[rows[name] for name in of]], np.array([name != "i4" for name in of])

    rules = compile_rules(page, arms, "*", pictures=pictures)
    code_of = dict(zip([names[at] for at in arms.canonical.tolist()], rules.spacings.codes[0].tolist(), strict=True))
    assert code_of["i0"] == code_of["i1"] != code_of["i2"] == code_of["i3"] != NO_CODE
    assert (code_of["i4"], code_of["i5"]) == (NO_CODE, NO_CODE)
    without = compile_rules(page, arms, "*")
    assert (without.spacings.codes >= 0).sum() == 2, "families alone, where no picture is known"


def test_pairs_are_found_across_blocks() -> None:
    vectors = np.random.default_rng(1).normal(size=(2_100, 8)).astype(np.float32)
    vectors[2_050] = vectors[3] * 2.0
    has = np.ones(2_100, dtype=np.bool_)
    assert [pair.tolist() for pair in near_pairs(vectors, has, 0.99999) if pair.size] == [[[3], [2_050]]]
    has[3] = False
    assert not any(pair.size for pair in near_pairs(vectors, has, 0.99999))
