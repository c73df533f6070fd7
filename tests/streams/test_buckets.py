"""Spans of time buckets: what belongs together at which time of the log, and what it costs in exactness."""

from __future__ import annotations

from itertools import pairwise
from math import log2

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policy.model.posteriors import bucket_weights
from schemas.messages.parameters import Sales
from schemas.topics import DAY_MS
from streams.catalog.sales.maturity import maturity_of
from streams.catalog.weights import ONE, weights
from streams.fold.buckets import formed_at, is_expired, is_span_expired, longest, span_of
from streams.fold.deltas import Traffic
from streams.settings import FoldSettings
from streams.state.arrays.tables import Table

WIDTH = 1_000
DAYS = FoldSettings()
folds = st.builds(
    lambda life: FoldSettings(bucket_ms=WIDTH, bucket_ttl_ms=life), st.integers(1, 200 * WIDTH) | st.just(90 * WIDTH)
)
times = st.integers(0, 2_000 * WIDTH)
numbers = st.integers(0, 2_001)


def spans_at(append_time: int, fold: FoldSettings) -> list[range]:
    """The spans that the state may have counts of, from the oldest to the newest."""
    width, newest = fold.bucket_ms, append_time // fold.bucket_ms
    oldest = max(0, newest - 3 * fold.bucket_ttl_ms // width - 3)
    buckets = (bucket * width for bucket in range(oldest, newest + 1))
    alive = {span_of(bucket, append_time, fold) for bucket in buckets if not is_span_expired(bucket, append_time, fold)}
    return sorted(alive, key=lambda span: span.start)


@given(folds, times, numbers)
def test_every_bucket_is_in_one_span_that_all_its_buckets_agree_on(fold: FoldSettings, time: int, number: int) -> None:
    span = span_of(number * WIDTH, time, fold)
    assert number * WIDTH in span
    assert {span_of(bucket, time, fold) for bucket in span} == {span}
    assert len({is_span_expired(bucket, time, fold) for bucket in span}) == 1


@given(folds, times, numbers)
def test_a_span_is_aligned_old_enough_and_as_long_as_it_may_be(fold: FoldSettings, time: int, number: int) -> None:
    span = span_of(number * WIDTH, time, fold)
    length, newest = len(span), time // WIDTH * WIDTH
    assert length & (length - 1) == 0 and span.start % (length * WIDTH) == 0 and length <= longest(fold)
    assert length == 1 or (newest - span.stop >= length * WIDTH and formed_at(span) <= newest)
    start = span.start - span.start % (2 * length * WIDTH)
    twice = range(start, start + 2 * length * WIDTH, WIDTH)
    assert 2 * length > longest(fold) or newest - twice.stop < 2 * length * WIDTH
    assert 2 * length > longest(fold) or newest < formed_at(twice)


@given(folds, times, st.integers(0, 300 * WIDTH), numbers)
def test_spans_only_grow_and_what_is_expired_stays_so(fold: FoldSettings, time: int, more: int, number: int) -> None:
    bucket = number * WIDTH
    before, after = span_of(bucket, time, fold), span_of(bucket, time + more, fold)
    assert after.start <= before.start and before.stop <= after.stop
    if is_span_expired(bucket, time, fold):
        assert before == after, "a span that grew would lack what was dropped"
        assert is_span_expired(bucket, time + more, fold)
        assert all(is_expired(start, time, fold) for start in before)
    if is_expired(bucket, time, fold):
        assert is_span_expired(bucket, time + longest(fold) * WIDTH, fold), "nothing stays for ever"


@given(folds, times)
@example(FoldSettings(bucket_ms=WIDTH, bucket_ttl_ms=90 * WIDTH), 1_000 * WIDTH)
def test_there_are_about_two_spans_for_each_doubling_of_a_life(fold: FoldSettings, time: int) -> None:
    spans = spans_at(time, fold)
    assert all(older.stop == newer.start for older, newer in pairwise(spans))
    assert len(spans) <= 2 * log2(fold.bucket_ttl_ms / WIDTH + 2) + 3
    assert all(len(span) == 1 for span in spans[-3:]), "what was shown today and yesterday is to be known apart"


def test_ninety_days_are_at_most_fourteen_tables() -> None:
    counts = [len(spans_at(day * DAY_MS, DAYS)) for day in range(20_000, 20_128)]
    assert (longest(DAYS), min(counts), max(counts)) == (32, 9, 13)


def test_one_bucket_for_all_time_is_alone_for_ever() -> None:
    fold = FoldSettings(bucket_ms=0)
    assert longest(fold) == 1
    assert span_of(0, 10**15, fold) == range(1)
    assert not is_span_expired(0, 10**15, fold)


def table_of(span: range) -> Table:
    return Table("s", span, Traffic.LEARNED, (), (), {})


@given(
    st.integers(20_000, 20_127),
    st.floats(1.0, 1_000.0),
    st.lists(st.integers(0, 1_000), min_size=130, max_size=130),
)
@example(20_032, 9.5, [0, 1_000] * 65)
def test_a_spans_weight_is_off_by_the_covariance_of_weight_and_count(
    newest: int, half_life_days: float, counts: list[int]
) -> None:
    """Against daily buckets, for half-lives of a day and more, and any counts."""
    spans = spans_at(newest * DAY_MS, DAYS)
    weight_of = weights([table_of(span) for span in spans], round(half_life_days * DAY_MS))
    off = most = spread = total = 0.0
    for span in spans:
        daily = bucket_weights(span, newest * DAY_MS, round(half_life_days * DAY_MS))
        own = np.array([counts[newest - bucket // DAY_MS] for bucket in span], dtype=np.float64)
        above = np.maximum(daily - daily.mean(), 0.0).sum()
        off += float((weight_of[span] / ONE * own - daily * own).sum())
        most += float(above * (own.max() - own.min()))
        spread += float(above)
        total += float(daily.sum())
    rounding = sum(counts) / ONE
    assert abs(off) <= most + rounding
    assert spread < 0.1 * total


def test_steady_traffic_weighs_what_it_weighed_by_days() -> None:
    spans = spans_at(20_050 * DAY_MS, DAYS)
    weight_of = weights([table_of(span) for span in spans], 7 * DAY_MS)
    days = [day for span in spans for day in span]
    daily = weights([table_of(range(day, day + 1)) for day in days], 7 * DAY_MS)
    assert sum(weight_of[span] * len(span) for span in spans) == pytest.approx(sum(daily.values()), rel=1e-4)


def test_a_key_at_rest_keeps_its_weight() -> None:
    old = range(0, 8 * DAY_MS, DAY_MS)
    assert weights([table_of(old)], DAY_MS) == {old: ONE}


def test_the_maturity_of_a_span_is_the_mean_of_its_buckets() -> None:
    sales = Sales(maturity={"0": 1.0, "1000": 0.5, "2000": 0.25})
    assert maturity_of(sales.maturity, range(0, 2_000, 1_000)) == 0.75
    assert maturity_of(sales.maturity, range(2_000, 4_000, 1_000)) == 0.25, (
        "a bucket without a name is as young as the youngest"
    )
