"""Laws of which pages are fitted again."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.catalog.weights import ONE, weights
from streams.fitter.due import Basis, FitRule, basis_of
from streams.fold.deltas import Traffic
from streams.fold.evidence import Evidence
from tests.streams.layout_inputs import packed, table

REST, INTERVAL, SHARE = 600.0, 10.0, 0.03
SPANS = frozenset({range(1)})


def basis(impressions: float, clicks: float, spans: frozenset[range] = SPANS, declared: object = 1) -> Basis:
    counted = Evidence(impressions, clicks)
    return Basis((declared,), spans, counted, counted)


def fitted(of: Basis) -> FitRule:
    rule = FitRule(SHARE, REST, INTERVAL)
    rule.fitted("p", of, 0.0)
    return rule


def test_a_page_is_fitted_when_a_share_came_or_its_time_has_come() -> None:
    rule = fitted(basis(100_000, 1_000))
    assert rule.verdict("p", basis(100_000, 1_000), 9 * REST) == "unchanged"
    assert rule.verdict("p", basis(102_000, 1_020), 20.0) == "deferred"
    assert rule.verdict("p", basis(102_000, 1_030), 20.0) == rule.verdict("p", basis(103_000, 1_000), 20.0) == "due"
    assert rule.verdict("p", basis(100_001, 1_000), REST) == "due"
    assert rule.verdict("p", basis(100_001, 1_000), 1.0, at_once=True) == "due"
    assert rule.verdict("other", basis(0, 0), 1.0) == "due"


def test_what_is_declared_and_the_day_make_it_due_or_looked_at() -> None:
    rule = fitted(basis(100_000, 1_000))
    assert rule.verdict("p", basis(100_000, 1_000, declared=2), 1.0) == "due"
    assert rule.verdict("p", basis(100_000, 1_000, frozenset({range(1, 2)})), 1.0) == "deferred"
    assert rule.verdict("p", basis(100_000, 1_000, frozenset({range(1, 2)})), REST) == "due"


@given(
    st.floats(0.1, 500.0),
    st.integers(0, 5_000),
    st.integers(0, 60),
)
@settings(max_examples=60)
def test_a_deferred_page_is_looked_at_before_it_is_due_at_this_pace(now: float, shown: int, clicked: int) -> None:
    rule = fitted(basis(100_000, 1_000))
    if rule.verdict("p", basis(100_000 + shown, 1_000 + clicked), now) != "deferred":
        return
    done = max(shown / 3_000, clicked / 30)
    at = next(at for at in range(int(now), 10_000) if rule.looks("p", (1,), float(at)))
    assert at <= max(now + INTERVAL, min(now / done, REST)) + 1
    assert rule.looks("p", (2,), now), "but at once where its rules changed"


def test_what_a_page_is_fitted_from_are_its_counts_by_age_without_fallback() -> None:
    items, slots = ("a", "b"), ("top", "left")
    tables = [
        table(bucket, traffic, items, slots, seed)
        for seed, (bucket, traffic) in enumerate(
            [(0, Traffic.LEARNED), (1_000, Traffic.HOLDOUT), (5, Traffic.FALLBACK)]
        )
    ]
    weight_of = weights(tables, 1_000)
    counted = tables[:2]
    clicks = [int(one.clicks.sum() + one.conversions.sum()) for one in counted]
    for some in (tables, [packed(one) for one in tables]):
        made = basis_of((1,), some, 1_000)
        assert made.counted == (sum(int(one.impressions.sum()) for one in counted), sum(clicks))
        assert made.weighted.clicks == sum(
            weight_of[one.buckets] / ONE * n for one, n in zip(counted, clicks, strict=True)
        )
        assert made.spans == {one.buckets for one in tables}
