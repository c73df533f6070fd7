"""The stages behind clicks, from tables: what has none is as before, and what has some counts as the page fitted it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.model.chain.maturity import Maturity
from policy.model.chain.stages import StageCounts, follow
from policy.model.reward import Sold, click_value, delay_curve, fit_sales, half_within, matured
from schemas.codec import decoder, encode
from schemas.messages.pages import PageRules
from schemas.messages.parameters import PolicyParameters, ReturnFit, Sales, SignalFit
from streams.catalog.candidates import CandidateSet
from streams.catalog.item_features import item_features
from streams.catalog.page import Page
from streams.catalog.sales.counts import add_up, sold
from streams.catalog.sales.maturity import maturity_of, span_weights
from streams.catalog.sales.signals import Coverage, FollowedSums
from streams.catalog.sales.stages import Stages, StageSums
from streams.catalog.sales.summary import stage_summaries
from streams.catalog.weights import ONE
from streams.fitter.page import PageState, fit, start_of
from streams.fitter.sales import SalesTables, _left_out, fit_page_sales
from streams.fold.deltas import Traffic
from streams.layouts.compose import compose
from streams.page_settings import LayoutSettings
from streams.settings import FoldSettings
from streams.state.arrays.tables import Table
from streams.state.reader import KeyState
from tests.streams.layout_inputs import table

DAY_MS = 86_400_000
ITEMS, SLOTS = tuple(f"i{number:02d}" for number in range(20)), ("top", "left")
NAMES = CandidateSet(ITEMS)
FOLD = FoldSettings()
KINDS = ("view", "add-to-cart")
CART = KINDS.index("add-to-cart")
LAYOUTS = LayoutSettings(click_value=0.0, sale_value=0.01)
RULES = PageRules("home", 7, list(SLOTS))


def stages_of(
    tables: Sequence[Table], weight_of: dict[range, int], parameters: PolicyParameters, kinds: Sequence[str]
) -> Stages:
    return StageSums(NAMES).move_to(tables, weight_of, parameters, kinds)


def old_sold(tables: list[Table], weight_of: dict[range, int], sales: Sales) -> Sold:
    """Purchases as they were added up before there were signals and returns, in floating point."""
    sums = np.zeros((4, len(ITEMS)))
    for part in sorted(tables, key=lambda part: (part.bucket, part.segment)):
        if part.traffic is Traffic.LEARNED:
            rows, places = NAMES.rows(part.items)
            clicks = part.clicks.sum(axis=1) * maturity_of(sales.maturity, part.buckets)
            for at, numbers in enumerate((part.conversions, part.revenue, part.squares, clicks)):
                sums[at][places] += weight_of[part.buckets] / ONE * numbers[rows]
    return Sold(*sums)


def old_sales(tables: list[Table], weight_of: dict[range, int], now_ms: int) -> Sales:
    spans = sorted({part.buckets for part in tables}, key=lambda span: span.start)
    delays = np.zeros((len(spans), 32))
    for part in tables:
        delays[spans.index(part.buckets)] += part.delays
    ages = np.array([float(max(0, now_ms - span[-1] - FOLD.bucket_ms)) for span in spans])
    curve = delay_curve(delays, ages)
    maturity = {
        str(bucket): round(
            matured(curve, float(max(0, now_ms - bucket)), float(max(0, now_ms - bucket - FOLD.bucket_ms))), 5
        )
        for span in spans
        for bucket in span
    }
    return fit_sales(old_sold(tables, weight_of, Sales(maturity=maturity)), curve, maturity)


def drawn(seed: int, segments: int = 2, days: int = 3) -> list[Table]:
    """Tables without signals and returns, with delays."""
    tables = []
    for at in range(segments * days):
        part = table((at % days) * DAY_MS, Traffic.LEARNED, ITEMS, SLOTS, seed * 100 + at, segment=f"s{at // days}")
        part.delays[:] = np.random.default_rng(seed + at).integers(0, 9, 32)
        tables.append(part)
    return tables


def funnel(
    seed: int = 0, segments: int = 3, days: int = 8, logged: dict[str, float] | None = None, returns: float = 0.2
) -> list[Table]:
    """Tables of a page whose carts foretell orders; some segments log a share of them, as `logged` has it."""
    rng = np.random.default_rng(seed)
    carts, tables = rng.gamma(3.0, 0.05, len(ITEMS)).clip(0.0, 0.6), []
    for segment in (f"s{at}" for at in range(segments)):
        for day in range(days):
            part = table(day * DAY_MS, Traffic.LEARNED, ITEMS, SLOTS, int(rng.integers(1 << 30)), segment=segment)
            clicks = part.clicks.sum(axis=1)
            carted = rng.binomial(clicks, carts)
            bought = rng.binomial(carted, 0.4)
            share = (logged or {}).get(segment, 1.0)
            counts = part.counts
            counts["conversions"][:], counts["revenue"][:], counts["squares"][:] = bought, bought * 100, bought * 10_000
            counts[f"signals_{CART}"][:] = rng.binomial(carted, share)
            counts[f"via_{CART}"][:] = np.minimum(rng.binomial(bought, share), counts[f"signals_{CART}"])
            counts["returns"][:] = rng.binomial(bought, returns)
            counts["returned"][:] = counts["returns"] * 100
            for name in ("delays", "return_delays", f"signal_delays_{CART}", f"via_delays_{CART}"):
                counts[name][5] = 40
            tables.append(part)
    return tables


def tables_of(tables: list[Table], now_ms: int = 40 * DAY_MS) -> SalesTables:
    return SalesTables(tables, {part.buckets: ONE for part in tables}, NAMES, FOLD, now_ms)


def fitted(tables: list[Table], now_ms: int = 40 * DAY_MS) -> PolicyParameters:
    by_segment: dict[str, list[Table]] = {}
    for part in tables:
        by_segment.setdefault(part.segment, []).append(part)
    state = PageState(RULES, by_segment, {}, signals=KINDS)
    return fit(state, start_of(RULES, [], LAYOUTS), LAYOUTS, FOLD, now_ms)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1_000), now=st.integers(0, 40))
def test_without_signals_and_returns_sales_and_values_are_as_before(seed: int, now: int) -> None:
    """Up to what weights are rounded by, which are multiples of 2**-20."""
    tables = drawn(seed)
    ages = {part.buckets: (1 + part.bucket // DAY_MS) * ONE // 4 for part in tables}
    found = fit_page_sales(SalesTables(tables, ages, NAMES, FOLD, now * DAY_MS), KINDS)
    before = old_sales(tables, ages, now * DAY_MS)
    assert (found.sales.delays, found.sales.maturity) == (before.delays, before.maturity)
    averages = ("conversion_rate", "strength", "amount", "deviation")
    assert [getattr(found.sales, name) for name in averages] == pytest.approx(
        [getattr(before, name) for name in averages], rel=1e-5
    )
    assert (found.signals, found.returns) == (msgspec.UNSET, msgspec.UNSET)
    parameters = PolicyParameters("home", 1, 1, 0.02, 30.0, sales=before)
    stages, old = stages_of(tables, ages, parameters, KINDS), old_sold(tables, ages, before)
    for ours, theirs in zip(stages.sold[:3], old[:3], strict=True):
        assert np.array_equal(ours, theirs)
    assert stages.sold.clicks == pytest.approx(old.clicks, rel=1e-5)
    value, expected = (
        stages.click_value(1.0, np.full(len(ITEMS), 0.01)),
        click_value(stages.sold, before, 1.0, np.full(len(ITEMS), 0.01)),
    )
    for own, others in zip((*value.buying, *value[1:]), (*expected.buying, *expected[1:]), strict=True):
        assert np.array_equal(np.asarray(own), np.asarray(others))


def test_parameters_of_pages_without_stages_do_not_name_them() -> None:
    text = encode(fitted(drawn(1)))
    assert b'"returns"' not in text
    assert b'"signals"' not in text
    assert b'"signals"' in encode(fitted(funnel()))
    assert b'"returns"' in encode(fitted(funnel()))


class OlderParameters(msgspec.Struct, frozen=True):
    """What a reader of before signals knows of the message."""

    page: str
    version: int
    fitted_at: int
    click_rate: float
    strength: float
    sales: Sales = Sales()


def test_older_readers_take_newer_parameters_and_newer_ones_older() -> None:
    newer = fitted(funnel())
    older = msgspec.json.decode(encode(newer), type=OlderParameters)
    assert older.sales == newer.sales
    again = decoder(PolicyParameters)(msgspec.json.encode(older))
    assert (again.signals, again.returns) == (msgspec.UNSET, msgspec.UNSET)
    assert decoder(PolicyParameters)(encode(newer)) == newer


@settings(max_examples=50, deadline=None)
@given(
    included=st.lists(st.booleans(), min_size=12, max_size=12),
    shape=st.sampled_from([(1, 12), (12, 1), (3, 4), (4, 3)]),
)
def test_what_is_left_out_is_named_as_it_was_fitted(included: list[bool], shape: tuple[int, int]) -> None:
    segments, days = shape
    tables = drawn(3, segments, days)
    groups = np.arange(12) % days, np.arange(12) // days
    parts = _left_out(tables, np.array(included), np.ones(12), np.full(12, 2.0), groups)
    coverage = Coverage(parts)
    assert [coverage.part_of(part) is None for part in tables] == included
    assert all(part.coverage == 0.5 for part in parts)


def test_a_segment_that_logs_few_carts_is_left_out_of_the_stage_and_named() -> None:
    found = fitted(funnel(logged={"s1": 0.3})).signals
    assert isinstance(found, SignalFit)
    assert (found.kind, [part.segment for part in found.left_out]) == ("add-to-cart", ["s1"])
    assert found.coverage > 0.9
    assert found.left_out[0].coverage == pytest.approx(0.3, abs=0.1)


def test_sums_follow_the_policys() -> None:
    """Dense arrays by table and item, as the chain's own laws have them, give the same sums."""
    tables = funnel(logged={"s1": 0.3})
    parameters = fitted(tables, 9 * DAY_MS)
    assert isinstance(parameters.signals, SignalFit)
    sums = FollowedSums(CART, Coverage(parameters.signals.left_out), NAMES)
    ages = {part.buckets: (50 + part.bucket // DAY_MS) * ONE // 100 for part in tables}
    add_up(tables, span_weights(ages, parameters.sales.maturity, signals=parameters.signals), NAMES, [sums])
    counts = StageCounts(
        np.array([part.clicks.sum(axis=1) for part in tables]),
        *(
            np.array([part.counts[name] for part in tables])
            for name in ("conversions", "repeats", f"signals_{CART}", f"via_{CART}")
        ),
    )
    signals, via = np.array([parameters.signals.maturity[str(part.bucket)] for part in tables]).T
    orders = np.array([parameters.sales.maturity[str(part.bucket)] for part in tables])
    included = np.array([part.segment != "s1" for part in tables])
    expected = follow(
        counts, Maturity(signals, via, orders), included, np.array([ages[part.buckets] / ONE for part in tables])
    )
    for ours, theirs in zip(sums.followed, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 100), days=st.integers(8, 40), share=st.sampled_from([0.3, 1.0]))
def test_what_is_pending_is_what_the_value_of_a_click_does_not_count_yet(seed: int, days: int, share: float) -> None:
    tables = funnel(seed, logged={"s1": share})
    parameters, everything = fitted(tables, days * DAY_MS), {part.buckets: ONE for part in tables}
    stages = stages_of(tables, everything, parameters, KINDS)
    summaries = stage_summaries(tables, parameters, KINDS)
    assert stages.signals is not None
    assert stages.returns is not None
    followed = stages.signals.followed
    counted = followed.clicks, followed.matured, stages.sold.clicks, stages.returns.returned.matured
    for summary, sums in zip(summaries, counted, strict=True):
        assert 0.0 <= summary.pending <= summary.counted
        assert summary.counted - summary.pending == pytest.approx(float(sums.sum()), rel=1e-5)
        assert summary.half_ms is not None
    assert [(summary.name, summary.after) for summary in summaries] == [
        ("add-to-cart", "click"), ("order", "add-to-cart"), ("order", "click"), ("return", "order"),
    ]  # fmt: skip
    assert [summary.without for summary in stage_summaries(tables, parameters, ())] == ["", ""]
    assert stage_summaries(tables, None, KINDS) == []


def test_half_of_all_come_within_what_their_curve_says() -> None:
    assert half_within([0.0, 0.25, 0.75, 1.0]) == 3_000.0
    assert half_within([1.0]) == 500.0


def test_a_click_that_converts_twice_is_one_order_of_all_that_it_brought() -> None:
    """Two lines of 300 and 500 from one click count as one line of 800 would."""
    once, twice = (Table.of("s", 0, Traffic.LEARNED, ITEMS[:1], SLOTS) for _ in range(2))
    for part, counts in (
        (once, {"conversions": 1, "revenue": 800, "squares": 640_000}),
        (twice, {"conversions": 2, "revenue": 800, "squares": 340_000, "repeats": 1, "cross_products": 300_000}),
    ):
        for name, number in counts.items():
            part.counts[name][0] = number
    weight_of = {once.buckets: ONE}
    for ours, theirs in zip(
        sold([twice], weight_of, Sales(), NAMES), sold([once], weight_of, Sales(), NAMES), strict=True
    ):
        assert np.array_equal(ours, theirs)


def test_before_returns_are_fitted_amounts_are_net_of_them() -> None:
    tables = funnel(returns=0.5)
    weight_of = {part.buckets: ONE for part in tables}
    gross = sold(tables, weight_of, Sales(), NAMES)
    parameters = fitted(tables)
    unfitted = msgspec.structs.replace(parameters, returns=msgspec.UNSET)
    stages = stages_of(tables, weight_of, unfitted, KINDS)
    assert stages.returns is None
    assert (stages.sold.amounts < gross.amounts)[gross.lines > 20].all()
    assert np.array_equal(stages.sold.lines, gross.lines)
    assert isinstance(parameters.returns, ReturnFit)
    assert parameters.returns.rate == pytest.approx(0.5, abs=0.1)
    fit = stages_of(tables, weight_of, parameters, KINDS)
    earned = np.ones(len(ITEMS))
    assert fit.click_value(0.0, earned).mean.sum() == pytest.approx(stages.click_value(0.0, earned).mean.sum(), rel=0.1)


def test_a_namespace_without_the_kind_goes_by_orders_alone() -> None:
    tables = funnel()
    parameters, weight_of = fitted(tables), {part.buckets: ONE for part in tables}
    assert stages_of(tables, weight_of, parameters, ("view",)).signals is None
    assert stages_of(tables, weight_of, parameters, KINDS).signals is not None


def test_a_young_item_with_many_carts_stands_above_one_with_none() -> None:
    """Both have as many clicks of today, and no order yet."""
    tables = funnel(returns=0.0)
    now_ms = 8 * DAY_MS + 600_000
    young = table(8 * DAY_MS, Traffic.LEARNED, ITEMS, SLOTS, 5, segment="s0")
    for name, counts in young.counts.items():
        if name not in ("impressions", "clicks"):
            counts[:] = 0
    carted, bare = ITEMS.index("i03"), ITEMS.index("i04")
    for part in tables:
        for counts in part.counts.values():
            if len(counts) == len(ITEMS):
                counts[[carted, bare]] = 0
    young.impressions[[carted, bare]], young.clicks[[carted, bare]] = 1_000, 60
    young.counts[f"signals_{CART}"][carted] = 50
    for part in tables:
        part.delays[:] = part.counts[f"via_delays_{CART}"][:] = 0
        part.delays[16] = part.counts[f"via_delays_{CART}"][16] = 500
    parameters = fitted([*tables, young], now_ms)
    page = Page(RULES, NAMES, [1], item_features(parameters, NAMES, {}))
    state = KeyState((*tables, young), {}, KINDS)
    with_carts, without = (
        stages_of(state.tables, {part.buckets: ONE for part in state.tables}, parameters, kinds)
        .click_value(0.0, np.ones(len(ITEMS)))
        .mean
        for kinds in (KINDS, ())
    )
    assert without[carted] == without[bare]
    assert with_carts[carted] > 1.5 * with_carts[bare]
    layout = compose("s0", state, page, LAYOUTS, 3)
    shares = [layout.propensities["top"].get(ITEMS[row], 0.0) for row in (carted, bare)]
    assert shares[0] >= shares[1]
