"""Laws of the chain behind a click: signal, order, kept order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.arrays import Floats
from policy.model.chain.coverage import agrees, page_coverage
from policy.model.chain.fitting import Chain, choose_kind, fit_chain
from policy.model.chain.maturity import Maturity, matured_through, return_maturity, second_curve, stage_maturity
from policy.model.chain.returns import Returned, Returns, fit_returns, keep_chance, net_of_returns
from policy.model.chain.stages import Followed, StageCounts, follow
from policy.model.chain.value import ReturnStage, SignalStage, chain_value, order_chance
from policy.model.reward import SECOND_MS, Sold, click_value, matured
from schemas.messages.parameters import Sales

SALES = Sales(conversion_rate=0.05, strength=80.0, amount=5_000.0, deviation=2_000.0)
RETURNS = Returns(rate=0.2, strength=30.0, cost=1.2, amount=4_500.0, deviation=2_000.0)
SEEDS = st.integers(0, 2**32 - 1)


def drawn_sold(rng: np.random.Generator, items: int = 30) -> Sold:
    clicks = rng.integers(0, 400, items).astype(float)
    lines = rng.poisson(0.05 * clicks).astype(float)
    amounts = lines * rng.uniform(100.0, 9_000.0, items)
    return Sold(lines, amounts, amounts * 4_000.0, clicks)


def drawn_followed(rng: np.random.Generator, sold: Sold) -> Followed:
    """Signals of a part of the matured clicks, and of many young ones."""
    ordering = sold.clicks * rng.uniform(0.0, 1.0, len(sold.clicks))
    clicks = ordering + rng.integers(0, 300, len(ordering))
    signals = rng.poisson(0.15 * clicks).astype(float)
    lines = np.minimum(sold.lines, rng.poisson(0.05 * ordering))
    return Followed(clicks, signals, signals * rng.uniform(0.0, 1.0, len(clicks)), lines // 2.0, ordering, lines)


def drawn_chain(rng: np.random.Generator) -> Chain:
    return Chain(
        signal_rate=rng.uniform(0.01, 0.6),
        signal_strength=rng.uniform(1.0, 300.0),
        order_rate=rng.uniform(0.001, 0.9),
        direct_rate=rng.uniform(0.0, 0.1),
        hidden=rng.uniform(0.0, 1.0),
        weight=rng.uniform(0.0, 1.0),
        shape=rng.uniform(0.3, 100.0),
    )


@given(SEEDS)
def test_without_signals_and_returns_a_click_has_the_value_it_has_by_orders_alone(seed: int) -> None:
    sold = drawn_sold(np.random.default_rng(seed))
    earned, nothing = np.full(len(sold.lines), 0.5), np.zeros_like(sold.lines)
    followed = Followed(sold.clicks, nothing, nothing, nothing, sold.clicks, sold.lines)
    assert fit_chain(sold, followed, SALES) is None
    assert fit_returns(sold, Returned(nothing, nothing, sold.lines)) is None
    ours, theirs = chain_value(sold, SALES, 2.0, earned), click_value(sold, SALES, 2.0, earned)
    assert ours.click == theirs.click
    assert all(map(np.array_equal, ours.buying, theirs.buying))
    assert np.array_equal(ours.amount, theirs.amount)
    assert np.array_equal(ours.error, theirs.error)
    assert np.array_equal(ours.earned, theirs.earned)


def test_signals_that_do_not_count_leave_the_chance_of_orders_alone() -> None:
    rng = np.random.default_rng(1)
    sold = drawn_sold(rng)
    chain = drawn_chain(rng)._replace(weight=0.0, shape=SALES.conversion_rate * SALES.strength)
    chance = order_chance(sold, drawn_followed(rng, sold), SALES, chain)
    assert chance.mean == pytest.approx(click_value(sold, SALES, 0.0, np.ones(30)).buying.mean, rel=1e-9)


@given(SEEDS)
def test_the_chance_of_an_order_is_a_chance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sold = drawn_sold(rng)
    returned = Returned(sold.lines // 3.0, sold.amounts / 3.0, sold.lines * rng.uniform(0.0, 1.0, 30))
    signals, returns = SignalStage(drawn_followed(rng, sold), drawn_chain(rng)), ReturnStage(returned, RETURNS)
    for value in (
        chain_value(sold, SALES, 1.0, np.ones(30), signals),
        chain_value(sold, SALES, 1.0, np.ones(30), signals, returns),
    ):
        assert all(np.isfinite(part).all() for part in (*value.buying, value.amount, value.error, value.mean))
        assert (np.minimum(*value.buying) > 0.0).all()
        assert ((value.buying.mean >= 0.0) & (value.buying.mean <= 1.0)).all()
        assert (value.mean >= 1.0).all()


@given(SEEDS)
def test_more_signals_whose_orders_cannot_have_come_never_lower_the_chance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sold, chain = drawn_sold(rng), drawn_chain(rng)
    followed = drawn_followed(rng, sold)
    more = followed._replace(signals=followed.signals + rng.integers(0, 50, 30))
    less, greater = (order_chance(sold, some, SALES, chain).mean for some in (followed, more))
    assert (greater >= less * (1.0 - 1e-12)).all()


@given(SEEDS)
def test_clicks_whose_signals_do_not_count_count_by_their_orders(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sold, chain = drawn_sold(rng), drawn_chain(rng)
    followed = drawn_followed(rng, sold)
    ordered = order_chance(sold._replace(lines=sold.lines + 1.0), followed, SALES, chain).mean
    waited = order_chance(sold._replace(clicks=sold.clicks + 500.0), followed, SALES, chain).mean
    before = order_chance(sold, followed, SALES, chain).mean
    assert (ordered > before).all()
    assert (waited <= before * (1.0 + 1e-2)).all()


@given(SEEDS, st.integers(1, 4))
def test_delays_and_ages_that_are_twice_as_long_mature_alike(seed: int, doublings: int) -> None:
    rng = np.random.default_rng(seed)
    curves = [np.concatenate([np.zeros(4), np.sort(rng.uniform(0.0, 1.0, 16)), np.ones(12)]) for _ in range(3)]
    youngest = rng.uniform(0.0, 2.0**20 * SECOND_MS, 10)
    oldest = youngest + rng.uniform(0.0, 2.0**18 * SECOND_MS, 10)
    slower = [np.concatenate([np.zeros(doublings), curve[:-doublings]]) for curve in curves]
    times = 2.0**doublings
    first = stage_maturity(curves[0], curves[1], curves[2], oldest, youngest)
    other = stage_maturity(slower[0], slower[1], slower[2], times * oldest, times * youngest)
    for shares, same in zip(first, other, strict=True):
        assert same == pytest.approx(shares, abs=1e-6)
        assert ((shares >= 0.0) & (shares <= 1.0)).all()


def exponential(mean_s: float) -> Floats:
    return np.asarray(1.0 - np.exp(-np.exp2(np.arange(32)) / mean_s))


def test_two_delays_mature_as_their_sum_does() -> None:
    rng = np.random.default_rng(3)
    age_s = 90_000.0
    clicks = rng.uniform(0.0, age_s, 400_000)
    both = rng.exponential(3_000.0, len(clicks)) + rng.exponential(40_000.0, len(clicks))
    share = matured_through(exponential(3_000.0), exponential(40_000.0), age_s * 1_000.0, 0.0)
    assert share == pytest.approx((both < clicks).mean(), abs=0.02)
    assert share < matured(exponential(40_000.0), age_s * 1_000.0, 0.0)


def test_a_second_stage_is_not_taken_for_quick_because_it_began_late() -> None:
    counts, ages = np.zeros((2, 32)), np.array([2.0**22, 2.0**15]) * SECOND_MS
    counts[0, 14], counts[0, 17], counts[1, 14] = 50.0, 50.0, 40.0
    curve = second_curve(counts, exponential(2.0**14), ages)
    assert curve[14] == pytest.approx(0.5)
    assert return_maturity(curve, curve, ages, ages)[0] == pytest.approx(1.0, abs=0.02)


def drawn_tables(rng: np.random.Generator, tables: int, items: int = 20) -> StageCounts:
    clicks = rng.integers(0, 60, (tables, items))
    signals = rng.binomial(clicks, 0.3)
    lines = rng.binomial(signals, 0.4) + rng.binomial(clicks, 0.02)
    repeats = rng.binomial(lines, 0.2)
    return StageCounts(clicks, lines, repeats, signals, np.minimum(rng.binomial(lines, 0.8), lines - repeats))


def drawn_maturity(rng: np.random.Generator, tables: int) -> Maturity:
    signals = rng.uniform(0.1, 1.0, tables)
    return Maturity(signals, signals * rng.uniform(0.1, 1.0, tables), rng.uniform(0.1, 1.0, tables))


@given(SEEDS, st.integers(1, 30))
def test_the_order_of_cells_does_not_matter(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    tables, maturity, days = drawn_tables(rng, count), drawn_maturity(rng, count), rng.integers(0, 4, count)
    weights, shuffled = rng.uniform(0.0, 1.0, count), rng.permutation(count)
    results = []
    for order in (np.arange(count), shuffled):
        some = StageCounts(*(counts[order] for counts in tables))
        shares = Maturity(*(part[order] for part in maturity))
        sums = some.via.sum(axis=1), some.converted.sum(axis=1)
        coverage = page_coverage(*sums, shares, [days[order]])
        included = agrees(*sums, shares, coverage, [days[order]])
        results.append((coverage, included, follow(some, shares, included, weights[order])))
    (coverage, included, sums_of), (other, others, sums_of_others) = results
    assert other == pytest.approx(coverage)
    assert np.array_equal(others, included[shuffled])
    for own, same in zip(sums_of, sums_of_others, strict=True):
        assert same == pytest.approx(own)


@given(SEEDS)
def test_a_click_converts_once_whatever_the_number_of_lines(seed: int) -> None:
    tables = drawn_tables(np.random.default_rng(seed), 5)
    assert (tables.via_lines <= tables.lines).all()
    alone = tables._replace(repeats=np.zeros_like(tables.repeats))
    assert np.array_equal(alone.via_lines[alone.lines > 0], tables.via[alone.lines > 0])


MATURE = Maturity(np.ones(40), np.ones(40), np.ones(40))


def test_a_segment_that_logs_few_signals_is_left_out_although_no_day_of_it_can_tell() -> None:
    segments, converted = np.arange(40) % 4, np.full(40, 12)
    via = np.where(segments == 3, 3, 9)
    coverage = page_coverage(via, converted, MATURE, [segments])
    assert coverage == pytest.approx(0.75)
    assert np.array_equal(agrees(via, converted, MATURE, coverage, [segments]), segments < 3)
    assert agrees(via, converted, MATURE, coverage).all()


def test_where_every_other_day_differs_no_segment_is_left_out_for_it() -> None:
    days, segments = np.arange(40) // 4, np.arange(40) % 4
    converted, via = np.full(40, 80), np.where(days % 2, 18, 60)
    groups = days, segments
    included = agrees(via, converted, MATURE, page_coverage(via, converted, MATURE, groups), groups)
    assert np.array_equal(included, days % 2 == 0)


def test_chance_leaves_hardly_a_cell_out() -> None:
    rng = np.random.default_rng(4)
    maturity = Maturity(*np.ones((3, 600)))
    converted = rng.integers(0, 80, 600)
    via = rng.binomial(converted, 0.7)
    coverage = page_coverage(via, converted, maturity)
    assert coverage == pytest.approx(0.7, abs=0.01)
    assert (~agrees(via, converted, maturity, coverage)).sum() <= 3


def test_young_cells_are_compared_with_the_page_at_their_age() -> None:
    maturity = Maturity(np.ones(40), np.where(np.arange(40) < 4, 0.1, 1.0), np.where(np.arange(40) < 4, 0.4, 1.0))
    converted, via = np.full(40, 300), np.where(np.arange(40) < 4, 60, 240)
    coverage = page_coverage(via, converted, maturity)
    assert coverage == pytest.approx(0.8)
    assert agrees(via, converted, maturity, coverage).all()
    assert not agrees(via, converted, MATURE, coverage)[:4].any()


@given(SEEDS)
def test_more_returns_never_raise_what_a_click_is_worth(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sold = drawn_sold(rng)
    old = sold.lines * rng.uniform(0.0, 1.0, 30)
    few = Returned(np.floor(old / 4.0), np.floor(old / 4.0) * 80.0, old)
    many = Returned(np.floor(old / 2.0), np.floor(old / 2.0) * 80.0, old)
    rare, frequent = (
        chain_value(sold, SALES, 0.0, np.ones(30), None, ReturnStage(returned, RETURNS)) for returned in (few, many)
    )
    assert (frequent.buying.mean <= rare.buying.mean * (1.0 + 1e-12)).all()
    assert (rare.buying.mean < click_value(sold, SALES, 0.0, np.ones(30)).buying.mean).all()
    assert (net_of_returns(sold, few, RETURNS).amounts <= sold.amounts).all()


def test_young_orders_are_pending_and_not_kept() -> None:
    young, old = (keep_chance(Returned(*np.array([[0.0], [0.0], [lines]])), RETURNS).mean[0] for lines in (0.0, 400.0))
    assert young == pytest.approx(0.8)
    assert old > 0.95


def test_a_page_of_returns_is_fitted_from_all_items() -> None:
    rng = np.random.default_rng(5)
    lines = rng.integers(50, 400, 80).astype(float)
    sold = Sold(lines, lines * 3_000.0, lines * 3_000.0**2 * 1.25, 20.0 * lines)
    back = rng.binomial(lines.astype(int), 0.2).astype(float)
    returns = fit_returns(sold, Returned(back, back * 4_500.0, lines))
    assert returns is not None
    assert returns.rate == pytest.approx(0.2, rel=0.1)
    assert returns.cost == pytest.approx(1.5)
    assert returns.amount == pytest.approx((3_000.0 - 0.2 * 4_500.0) / 0.8, rel=0.03)


def test_the_kind_of_signal_that_foretells_orders_is_taken() -> None:
    rng = np.random.default_rng(6)
    clicks, carts = np.full(200, 600.0), rng.gamma(4.0, 0.03, 200)
    signals = rng.poisson(clicks * carts).astype(float)
    via = rng.binomial(signals.astype(int), 0.3).astype(float)
    sold = Sold(via, via * 100.0, via * 10_000.0, clicks)
    views = rng.poisson(clicks * 0.4).astype(float)
    of_carts = Followed(clicks, signals, signals, via, clicks, via)
    kinds = {"cart": of_carts, "view": Followed(clicks, views, views, via, clicks, via)}
    chosen = choose_kind(sold, kinds, SALES)
    assert chosen is not None
    assert chosen[0] == "cart"
    assert chosen[1].evidence > 10.0
    assert choose_kind(sold, {}, SALES) is None
