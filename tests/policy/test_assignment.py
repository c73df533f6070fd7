"""Holdout, variant and epoch: uniform, stable, the same as published."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from policy.assignment import (
    BINS,
    branch_of,
    choose,
    choose_in,
    epoch_of,
    in_holdout,
    slate_chances,
    unit_bin,
    unit_hash,
    variant_of,
)
from policy.vectors import published, rendered
from schemas.messages.fields import BASELINE
from schemas.messages.layouts import Layout, LayoutBranch
from schemas.messages.pages import MAIN

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
UNITS = [f"unit-{number}" for number in range(20_000)]


def layout(holdout_share: float) -> Layout:
    return Layout(
        page="home",
        segment="*",
        version=1,
        produced_at=0,
        expires_at=1,
        epoch=7,
        template="default",
        policy="thompson",
        settings_digest="",
        rules_version=0,
        parameters_version=0,
        catalog_position=[],
        watermarks={},
        holdout_share=holdout_share,
        holdout_salt="salt",
        baseline={"top": "b"},
        slates=[{"top": f"v{variant}"} for variant in range(4)],
        propensities={},
    )


@given(NAMES, NAMES, st.integers(0, 10**6), st.integers(1, 256))
def test_a_variant_is_one_of_the_layouts(unit: str, page: str, epoch: int, variants: int) -> None:
    assert 0 <= variant_of(unit, page, epoch, variants) < variants


def test_the_largest_hash_stays_below_the_number_of_variants() -> None:
    assert [int(variants * ((2**53 - 1) / 2**53)) for variants in range(1, 257)] == list(range(256))


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_the_hash_is_the_first_53_bits_of_the_digest(parts: list[str]) -> None:
    bits = f"{int(sha256(chr(10).join(parts).encode()).hexdigest(), 16):0256b}"
    assert unit_hash(*parts) == int(bits[:53], 2) / 2**53


def test_hashes_are_uniform_and_variants_equally_likely() -> None:
    assert kstest([unit_hash(unit) for unit in UNITS], "uniform").pvalue > 0.001
    assert chisquare(list(Counter(variant_of(unit, "home", 3, 16) for unit in UNITS).values())).pvalue > 0.001


def test_variants_say_nothing_about_the_holdout_the_next_epoch_or_another_page() -> None:
    others: list[Callable[[str], int]] = [
        lambda unit: int(in_holdout(unit, "salt", 0.5)),
        lambda unit: variant_of(unit, "home", 4, 2),
        lambda unit: variant_of(unit, "cart", 3, 2),
    ]
    for other in others:
        pairs = Counter((variant_of(unit, "home", 3, 2), other(unit)) for unit in UNITS)
        assert len(pairs) == 4
        assert chisquare(list(pairs.values())).pvalue > 0.001


@given(NAMES, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_holdout_keeps_who_was_in(unit: str, share: float, other: float) -> None:
    small, large = sorted((share, other))
    assert in_holdout(unit, "salt", large) or not in_holdout(unit, "salt", small)
    assert not in_holdout(unit, "salt", 0.0)
    assert in_holdout(unit, "salt", 1.0)


@given(NAMES)
def test_the_reference_choice_is_the_baseline_or_the_units_variant(unit: str) -> None:
    assert choose(layout(1.0), unit) == (BASELINE, {"top": "b"}, {})
    variant = variant_of(unit, "home", 7, 4)
    assert choose(layout(0.0), unit) == (variant, {"top": f"v{variant}"}, {})


@given(NAMES)
def test_rows_are_those_of_the_slate_that_a_unit_is_shown(unit: str) -> None:
    rows = [{"first": f"shelf-{variant}"} for variant in range(4)]
    arranged = msgspec.structs.replace(layout(0.3), rows=rows, baseline_rows={"first": "declared"})
    variant, slate, standing = choose(arranged, unit)
    assert (variant, slate) == choose(layout(0.3), unit)[:2]
    assert standing == ({"first": "declared"} if variant == BASELINE else rows[variant])


@given(st.integers(0, 4_102_444_800_000), NAMES, NAMES, st.integers(1, 10**9))
def test_epochs_hold_their_moment_and_join_without_gap(now: int, page: str, segment: str, length: int) -> None:
    epoch = epoch_of(now, page, segment, length)
    assert epoch.number >= 0
    assert epoch.start_ms <= now < epoch.end_ms == epoch.start_ms + length
    assert epoch_of(epoch.end_ms, page, segment, length).number == epoch.number + 1


def test_epochs_of_different_keys_start_spread_over_their_length() -> None:
    starts = [epoch_of(10**12, f"page-{number}", "*", 86_400_000).start_ms for number in range(2_000)]
    assert kstest([(start % 86_400_000) / 86_400_000 for start in starts], "uniform").pvalue > 0.001


def test_the_published_vectors_are_what_the_functions_give() -> None:
    assert published() == rendered()


def test_the_vectors_show_both_sides_of_the_holdout_and_names_beyond_ascii() -> None:
    shown = json.loads(published())
    assert {vector["holdout"] for vector in shown["in_holdout"]} == {True, False}
    assert any(not vector["parts"][0].isascii() for vector in shown["unit_hash"])
    for vector in shown["choose"]:
        assert {unit["variant"] for unit in vector["units"]} == {BASELINE, 0, 1}
        assert any(unit["rows"] for unit in vector["units"]) is ("rows" in vector["layout"])


def tried(salt: str = "b-1") -> Layout:
    branches = [
        LayoutBranch("main", "thompson", 0.5, 1),
        LayoutBranch("ucb", "ucb", 0.3, 1),
        LayoutBranch("g", "g", 0.2, 2),
    ]
    return msgspec.structs.replace(layout(0.1), branches=branches, branch_salt=salt)


def test_a_unit_keeps_its_branch_over_epochs_and_pages_until_the_salt_changes() -> None:
    def branches(of: Layout) -> list[int]:
        return [min(2, choose(of, unit).variant) for unit in UNITS[:2_000]]

    first = branches(tried())
    other = branches(msgspec.structs.replace(tried(), epoch=8, page="other"))
    assert first == other
    moved = branches(tried("b-2"))
    assert sum(one != two for one, two in zip(first, moved, strict=True)) > 500
    assert Counter(one < 0 for one in first) == Counter(one < 0 for one in moved), "the holdout has a salt of its own"


@given(NAMES)
def test_what_a_unit_is_shown_is_the_choice_of_its_branch(unit: str) -> None:
    of, none = (msgspec.structs.replace(one, holdout_share=0.0) for one in (tried(), layout(0.1)))
    names = [branch.name for branch in of.branches]
    branch = names[branch_of(unit_bin(unit), of.branch_salt, [branch.share for branch in of.branches])]
    assert choose_in(of, unit, branch) == choose(of, unit)
    assert choose_in(none, unit, MAIN) == choose(none, unit)
    assert len({choose_in(of, unit, name).variant for name in names}) == len(names)


def test_slates_come_as_often_as_their_chances_say() -> None:
    of = tried()
    chances = slate_chances(of)
    assert sum(chances) == pytest.approx(1.0, abs=1e-12)
    variants = Counter(choose(of, unit).variant for unit in UNITS)
    learned = sum(variants[at] for at in range(4))
    assert chisquare([variants[at] for at in range(4)], [chance * learned for chance in chances]).pvalue > 0.001
    assert slate_chances(layout(0.1)) == [0.25] * 4


@given(st.lists(st.floats(0.01, 0.3), min_size=1, max_size=3), st.text(max_size=5))
def test_a_branch_has_about_its_share_of_the_bins(shares: list[float], salt: str) -> None:
    whole = [1.0 - sum(shares), *shares]
    bins = Counter(branch_of(one, salt, whole) for one in range(BINS))
    assert set(bins) <= set(range(len(whole)))
    assert all(abs(bins[at] / BINS - share) < 0.2 for at, share in enumerate(whole))


def test_bins_of_units_are_even() -> None:
    assert chisquare(list(Counter(unit_bin(unit) for unit in UNITS).values())).pvalue > 0.001
