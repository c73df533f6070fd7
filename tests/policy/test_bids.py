"""Bids: one objective for paid and organic arms, and relevance that cannot be bought."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from policy.rules.kinds.bid import Bid, paying
from schemas import rules as declared
from schemas.messages.pages import PageRules
from schemas.rules import Boost, Match
from tests.policy.ruled_pages import SLOTS, compile_page, stocked

RATES = st.lists(st.floats(0.001, 0.5), min_size=1, max_size=8)


def bid(name: str, arms: list[bool], factor: float, floor: float) -> Bid:
    return Bid(f"bid {name}", "", name, np.array(arms), factor, floor)


@given(RATES, st.data(), st.integers(1, 8))
def test_an_arm_is_lifted_by_its_highest_bid_where_it_is_relevant(
    rates: list[float], data: st.DataObject, slots: int
) -> None:
    masks = st.lists(st.booleans(), min_size=len(rates), max_size=len(rates))
    offers = data.draw(st.lists(st.tuples(masks, st.floats(1.01, 9.0), st.floats(0.0, 1.0)), min_size=1, max_size=4))
    bids = [bid(str(at), *offer) for at, offer in enumerate(offers)]
    organic = np.array(rates)
    paid = paying(bids, organic, slots)
    last = sorted(rates, reverse=True)[min(slots, len(rates)) - 1]
    for arm, rate in enumerate(rates):
        those = [each.factor for each in bids if each.arms[arm] and rate >= each.floor * last]
        lifting = [each.factor for each in paid if each.arms[arm]]
        assert lifting == ([max(those)] if those else [])


@given(st.lists(st.floats(0.01, 0.5), min_size=8, max_size=8), st.floats(0.1, 5.0), st.floats(0.5, 4.0))
def test_scores_are_what_a_look_brings_with_what_the_sponsor_pays(
    rates: list[float], amount: float, worth: float
) -> None:
    items = list(stocked())
    expected = np.resize(np.array(rates), len(items))
    paid = declared.Bid(name="n", match=Match(items=items[:2]), amount=amount, worth=worth, floor=0.0)
    rules = PageRules("home", 1, list(SLOTS), rules=[paid, Boost(name="b", match=Match(items=items[1:3]), factor=3.0)])
    compiled = compile_page(rules, items, stocked())
    auctioned = compiled.auctioned(lambda: expected)
    brought = expected * auctioned.score_factor * worth
    for at in np.flatnonzero(compiled.score_factor > 0.0).tolist():
        boost = 3.0 if at in (1, 2) else 1.0
        assert np.isclose(brought[at], expected[at] * boost * (worth + (amount if at < 2 else 0.0)))


def test_what_may_not_be_shown_is_not_lifted_and_rates_are_not_asked_for_without_bids() -> None:
    items = list(stocked())
    off = Boost(name="off", match=Match(items=items[:1]), factor=0.0)
    paid = declared.Bid(name="n", match=Match(items=items[:2]), amount=1.0, worth=1.0, floor=0.0)
    compiled = compile_page(PageRules("home", 1, list(SLOTS), rules=[off, paid]), items, stocked())
    auctioned = compiled.auctioned(lambda: np.full(len(items), 0.1))
    assert auctioned.score_factor[:2].tolist() == [0.0, 2.0]
    assert [int(each.arms.sum()) for each in auctioned.bids] == [1]
    row = auctioned.rows[1]
    assert auctioned.effects(row) == ["score times 2 by the bid n where it is relevant"]

    def never() -> np.ndarray:
        raise AssertionError("rates were asked for")

    plain = compile_page(PageRules("home", 1, list(SLOTS), rules=[off]), items, stocked())
    assert plain.auctioned(never) is plain
