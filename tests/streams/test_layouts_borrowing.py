"""Laws of what segments take from the layout of the whole page: the control is the same in all, and so is a trial."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from policy.assignment import choose, in_holdout, slate_chances
from schemas.codec import decoder, encode
from schemas.messages.layouts import Layout
from schemas.messages.pages import Branch, PageRow, PageRules, PageShelf, PolicyChoice
from streams.catalog.candidates import CandidateSet
from streams.catalog.layouts.whole_page import WholePageLayouts
from streams.catalog.page import Page
from streams.fold.deltas import WHOLE_PAGE, Traffic
from streams.layouts.compose import compose, stamped
from streams.layouts.segments.borrowing import borrows, branch_slates, lends, without_segments
from streams.page_settings import LayoutSettings
from streams.state.reader import KeyState
from tests.streams.layout_inputs import table

SLOTS = ("top", "left", "right")
ITEMS = tuple(f"i{number}" for number in range(8))
ONE_FOR_ALL = Branch("one-for-all", 0.25, PolicyChoice(variants=3), segment="*")
GREEDY = Branch("greedy", 0.25, PolicyChoice("greedy", variants=2))


def page(*branches: Branch, learned: bool = True, shelves: bool = False) -> Page:
    rules = PageRules(
        "home",
        7,
        [] if shelves else list(SLOTS),
        policy=PolicyChoice(variants=4),
        branches=list(branches),
        segments="learned" if learned else UNSET,
        shelves=[PageShelf("best"), PageShelf("new")] if shelves else UNSET,
        rows=[PageRow("one", columns=2), PageRow("two", columns=2)] if shelves else UNSET,
    )
    return Page(rules, CandidateSet(ITEMS, dict.fromkeys(("best", "new"), frozenset(ITEMS))), [5])


def state(seed: int) -> KeyState:
    traffic = (Traffic.LEARNED, Traffic.HOLDOUT)
    return KeyState(
        tuple(table(0, of, ITEMS, SLOTS, seed + at) for at, of in enumerate(traffic)), {"events-clicks": [3]}
    )


def whole_of(of: Page, seed: int) -> Layout:
    return stamped(compose(WHOLE_PAGE, state(seed), of, LayoutSettings(), 3), 41, 1_000, 600_000)


def segment_of(of: Page, seed: int, whole: Layout | None) -> Layout:
    return compose("t01", state(seed), of, LayoutSettings(), 2**21 + 3, whole=whole)


@settings(max_examples=15)
@given(st.integers(0, 300), st.integers(0, 300), st.booleans())
def test_the_holdout_sees_the_baseline_of_the_whole_page_in_each_learned_segment(
    seed: int, other: int, shelves: bool
) -> None:
    of = page(shelves=shelves)
    whole = whole_of(of, seed)
    made = segment_of(of, other, whole)
    held_out = next(unit for unit in map(str, range(1_000)) if in_holdout(unit, made.holdout_salt, made.holdout_share))
    assert choose(made, held_out) == choose(whole, held_out)
    assert (made.segments, made.whole_version) == ("learned", 41)
    own = segment_of(of, other, None)
    assert made.slates == own.slates, "its slates are its own"
    named = {shelf for rows in [*(made.rows or ()), made.baseline_rows or {}] for shelf in rows.values()}
    assert set(made.shelves or ()) == named


@settings(max_examples=15)
@given(st.integers(0, 300), st.integers(0, 300), st.booleans(), st.booleans())
def test_a_branch_of_the_whole_page_has_its_slates_in_each_segment_and_propensities_say_so(
    seed: int, other: int, first: bool, shelves: bool
) -> None:
    branches = (ONE_FOR_ALL, GREEDY) if first else (GREEDY, ONE_FOR_ALL)
    of = page(*branches, shelves=shelves)
    whole = whole_of(of, seed)
    assert borrows(of.rules, "t01") and not borrows(of.rules, WHOLE_PAGE) and lends(whole, of.rules)
    made, own = segment_of(of, other, whole), segment_of(of, other, None)
    begin = 4 if first else 6
    assert made.slates[begin : begin + 3] == whole.slates[begin : begin + 3]
    assert made.slates[:begin] + made.slates[begin + 3 :] == own.slates[:begin] + own.slates[begin + 3 :]
    if shelves:
        assert made.rows and whole.rows and made.rows[begin : begin + 3] == whole.rows[begin : begin + 3]
    assert [branch.segment for branch in made.branches if branch.name == "one-for-all"] == ["*"]
    chances = slate_chances(made)
    for slot, shares in made.propensities.items():
        for item, share in shares.items():
            alike = sum(chance for chance, slate in zip(chances, made.slates, strict=True) if slate.get(slot) == item)
            assert share == pytest.approx(alike)
    assert encode(segment_of(of, other, decoder(Layout)(encode(whole)))) == encode(made), "again, byte for byte"


def test_a_branch_that_was_another_is_not_lent() -> None:
    whole = whole_of(page(ONE_FOR_ALL), 1)
    assert branch_slates(whole, ONE_FOR_ALL)
    for change in (
        {"policy": PolicyChoice(variants=5)},
        {"policy": PolicyChoice("greedy", variants=3)},
        {"name": "other"},
    ):
        branch = msgspec.structs.replace(ONE_FOR_ALL, **change)
        assert branch_slates(whole, branch) is None and not lends(whole, page(branch).rules)
    assert not lends(None, page().rules)
    assert not lends(whole_of(page(learned=False), 1), page().rules), "published before segments were learned"
    assert not lends(whole_of(page(msgspec.structs.replace(ONE_FOR_ALL, segment=UNSET)), 1), page(ONE_FOR_ALL).rules)


def test_withdrawn_segments_have_the_slates_of_the_whole_page_and_an_epoch_of_their_own() -> None:
    of = page(ONE_FOR_ALL)
    whole = whole_of(of, 1)
    made = without_segments(segment_of(of, 2, whole), whole, "clicks -9 %")
    assert (made.slates, made.propensities, made.branches) == (whole.slates, whole.propensities, whole.branches)
    assert (made.segment, made.epoch, made.segments_withdrawn) == ("t01", 2**21 + 3, "clicks -9 %")


def test_what_segments_take_is_kept_of_the_newest_layout_and_changes_are_told() -> None:
    kept, of = WholePageLayouts(), page(ONE_FOR_ALL)
    first, second = encode(whole_of(of, 1)), encode(whole_of(of, 2))
    assert kept.take("home", first) and not kept.take("home", first)
    assert kept.get("home") == decoder(Layout)(first)
    assert kept.take("home", second)
    again = msgspec.structs.replace(decoder(Layout)(second), version=42, expires_at=7)
    assert not kept.take("home", encode(again)), "nothing that segments take is another"
    assert (now := kept.get("home")) and now.version == 42
    assert kept.take("home", None) and kept.get("home") is None and not kept.take("home", None)
    assert not kept.take("home", encode(whole_of(page(learned=False), 1))), "nobody takes anything from it"
    assert kept.get("home") is None
