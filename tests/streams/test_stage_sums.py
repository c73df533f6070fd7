"""Sums of what followed clicks: moved along with any changes they equal those made anew, to the last bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.arrays import Floats
from schemas.messages.parameters import LeftOut, PolicyParameters, ReturnFit, Sales, SignalFit
from schemas.topics import DAY_MS
from streams.catalog.candidates import CandidateSet
from streams.catalog.sales.counts import ReturnedSums, SoldSums, add_up
from streams.catalog.sales.maturity import span_weights
from streams.catalog.sales.stages import Stages, StageSums
from streams.catalog.weights import ONE, weights
from streams.fold.deltas import Traffic
from streams.state.arrays.parts import KeyTables, PageTables
from streams.state.arrays.tables import Table
from tests.streams.layout_inputs import packed, table

ITEMS, SLOTS = tuple(f"i{number}" for number in range(6)), ("top", "left")
NAMES = CandidateSet((*ITEMS[1:], "z"))
KINDS = ("view", "add-to-cart")
SEGMENTS, DAYS = ("a", "b", "c"), 5
MEASURES = ("repeats", "cross_products", "returns", "returned", "signals_0", "signals_1", "via_0", "via_1")

shares = st.sampled_from([0.0, 0.123, 0.5, 0.99999, 1.0])
steps = st.one_of(
    st.tuples(st.just("count"), st.sampled_from(SEGMENTS), st.integers(0, DAYS - 1), st.integers(0, 99)),
    st.tuples(st.just("names"), st.sampled_from(SEGMENTS), st.integers(0, DAYS - 1), st.integers(0, 99)),
    st.tuples(st.just("drop table"), st.sampled_from(SEGMENTS), st.integers(0, DAYS - 1)),
    st.tuples(st.just("drop segment"), st.sampled_from(SEGMENTS)),
    st.tuples(st.just("half_life"), st.sampled_from([0, DAY_MS, 3 * DAY_MS])),
    st.tuples(st.just("maturity"), st.lists(shares, min_size=DAYS, max_size=DAYS)),
    st.tuples(st.just("left_out"), st.sampled_from([(), (("a", -1),), (("", 2 * DAY_MS),), (("b", 0), ("c", -1))])),
    st.tuples(st.just("kind"), st.sampled_from([*KINDS, "unknown", None])),
    st.tuples(st.just("has_returns"), st.booleans()),
)


def counted(
    segment: str, day: int, seed: int, traffic: Traffic = Traffic.LEARNED, items: Sequence[str] = ITEMS
) -> Table:
    """A table with some of all that follows clicks."""
    part, rng = table(day * DAY_MS, traffic, items, SLOTS, seed, segment=segment), np.random.default_rng(seed)
    for name in MEASURES[: rng.integers(len(MEASURES) + 1)]:
        part.counts[name][:] = rng.integers(0, 9, len(items))
    part.counts["repeats"][:] = np.minimum(part.counts["repeats"], part.conversions)
    return packed(part) if seed % 2 else part


class Shop:
    """Tables by segment, and what was fitted for them."""

    def __init__(self) -> None:
        self.tables = {
            segment: {(day, Traffic.LEARNED): counted(segment, day, day) for day in range(DAYS)} for segment in SEGMENTS
        }
        self.parts = {segment: KeyTables(tables.values()) for segment, tables in self.tables.items()}
        self.half_life, self.kind, self.has_returns = 0, "add-to-cart", True
        self.left_out: Sequence[tuple[str, int]] = ()
        self.maturity = [1.0] * DAYS
        self.parameters = self.fitted()

    def fitted(self) -> PolicyParameters:
        maturity = {str(day * DAY_MS): share for day, share in enumerate(self.maturity)}
        fitted = PolicyParameters("home", 1, 1, 0.02, 30.0, sales=Sales(0.05, 40.0, 100.0, 50.0, maturity=maturity))
        if self.kind:
            fit = SignalFit(self.kind, 0.1, 40.0, 0.3, 0.01, hidden=0.2, weight=0.7, shape=20.0)
            left_out = [LeftOut(*name) for name in self.left_out]
            by_bucket = {name: (share, share**2) for name, share in maturity.items()}
            fitted = msgspec.structs.replace(
                fitted, signals=msgspec.structs.replace(fit, maturity=by_bucket, left_out=left_out)
            )
        if self.has_returns:
            fitted = msgspec.structs.replace(fitted, returns=ReturnFit(0.1, 30.0, 1.0, 90.0, 40.0, maturity))
        return fitted

    def step(self, kind: str, *how: Any) -> None:
        match kind, how:
            case "count", (segment, day, seed):
                traffic = Traffic(seed % 3)
                self.tables[segment][day, traffic] = counted(segment, day, seed, traffic)
            case "names", (segment, day, seed):
                self.tables[segment][day, Traffic.LEARNED] = counted(segment, day, seed, items=ITEMS[seed % 4 :: -1])
            case "drop table", (segment, day):
                self.tables[segment].pop((day, Traffic.LEARNED), None)
            case "drop segment", (segment,):
                self.tables[segment] = {}
            case _:
                setattr(self, kind, *how)
                self.parameters = self.fitted()
                return
        self.parts[how[0]] = KeyTables(self.tables[how[0]].values())

    def move(self, sums: StageSums) -> Stages:
        now = PageTables(self.parts.values())
        return sums.move_to(now, weights(now, self.half_life), self.parameters, KINDS)


def arrays(stages: Stages) -> list[Floats]:
    followed = [] if stages.signals is None else list(stages.signals.followed)
    back = [] if stages.returns is None else list(stages.returns.returned)
    value = stages.click_value(0.5, np.full(len(NAMES.items), 0.01))
    return [*stages.sold, *followed, *back, *value.buying, value.amount, value.error]


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, min_size=1, max_size=12))
def test_moved_sums_equal_those_made_anew_to_the_last_bit(history: list[tuple[Any, ...]]) -> None:
    shop, moved = Shop(), StageSums(NAMES)
    shop.move(moved)
    for step in history:
        shop.step(*step)
        ours, anew = arrays(shop.move(moved)), arrays(shop.move(StageSums(NAMES)))
        assert len(ours) == len(anew)
        assert all(np.array_equal(*both) for both in zip(ours, anew, strict=True))


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(6)), st.integers(0, 99))
def test_the_order_of_tables_does_not_matter(order: list[int], seed: int) -> None:
    tables = [counted(SEGMENTS[at % 3], at, seed + at) for at in range(6)]
    fitted = Shop().parameters
    found = [
        arrays(StageSums(NAMES).move_to(those, weights(those, DAY_MS), fitted, KINDS))
        for those in (tables, [tables[at] for at in order])
    ]
    assert all(np.array_equal(*both) for both in zip(*found, strict=True))


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4), st.integers(1, ONE))
def test_amounts_of_any_size_are_added_without_an_error(amounts: list[int], age: int) -> None:
    """Squares of large amounts, weighted, have more bits than an integer of the machine."""
    tables = []
    for day, amount in enumerate(amounts):
        part = counted("a", day, 0)
        for name in ("conversions", "squares", "revenue"):
            part.counts[name][:] = amount if name != "conversions" else 1
        part.counts["cross_products"][:] = 2**63 - 1
        tables.append(part)
    sums, weight_of = SoldSums(NAMES), span_weights({part.buckets: age for part in tables}, {})
    add_up(tables, weight_of, NAMES, [sums])
    squares = sum(amount + 2**63 - 1 for amount in amounts)
    assert np.isclose(sums.sold.amounts[0], sum(amounts) * age / ONE, rtol=1e-15, atol=0.0)
    assert np.isclose(sums.sold.squares[0], squares * age / ONE, rtol=1e-15, atol=0.0)


def test_tables_that_did_not_change_are_not_looked_into() -> None:
    """Not even for what they have: a segment whose tables are the same object costs nothing."""

    class Counts(Mapping[str, Any]):
        def __init__(self, of: Mapping[str, Any]) -> None:
            self.of, self.looks = of, 0

        def __getitem__(self, name: str) -> Any:
            self.looks += 1
            return self.of[name]

        def __iter__(self) -> Any:
            return iter(self.of)

        def __len__(self) -> int:
            return len(self.of)

    shop, moved = Shop(), StageSums(NAMES)
    watched = [Counts(part.counts) for part in shop.tables["a"].values()]
    shop.tables["a"] = {
        name: replace(part, counts=counts)
        for (name, part), counts in zip(shop.tables["a"].items(), watched, strict=True)
    }
    shop.parts["a"] = KeyTables(shop.tables["a"].values())
    shop.move(moved)
    before = [counts.looks for counts in watched]
    assert min(before) > 0
    shop.step("count", "b", 1, 7)
    shop.step("count", "c", 4, 8)
    shop.move(moved)
    assert [counts.looks for counts in watched] == before


def test_nothing_returned_is_no_return() -> None:
    sums = ReturnedSums(NAMES)
    assert not sums
    part = counted("a", 0, 0)
    part.counts["returns"][1], part.counts["returned"][1] = 1, 5
    add_up([part], span_weights({part.buckets: ONE}, {}), NAMES, [sums])
    assert sums
