"""The stages behind the clicks of a page and segment: how many go on, how soon, and how many are too young to say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from policy.model.reward import half_within
from schemas.messages.parameters import PolicyParameters, SignalFit
from streams.catalog.sales.maturity import SignalMaturity, maturity_of
from streams.catalog.sales.signals import Coverage
from streams.fold.deltas import Traffic
from streams.state.arrays.packed import total
from streams.state.arrays.tables import Table

CLICK, ORDER, RETURN = "click", "order", "return"


@dataclass(frozen=True, slots=True)
class StageSummary:
    """What comes (`name`) after what: a click, a signal by its kind, an order, a return.

    `rate` is the page's share of these that go on.  `half_ms` is within how many milliseconds half of those that
    come have come, None where that is not known.  `counted` are the segment's, and `pending` as many of them as are
    too young to say.  `without` is the kind of signal that does not come in between.
    """

    name: str
    after: str
    rate: float
    half_ms: float | None
    counted: float
    pending: float
    without: str = ""


def stage_summaries(
    tables: Sequence[Table], parameters: PolicyParameters | None, kinds: Sequence[str]
) -> list[StageSummary]:
    """The stages that were fitted for a page, with a segment's counts; `kinds` of signals are by place.

    Nothing where nothing was sold.
    """
    if parameters is None or not (parameters.sales.amount or parameters.signals or parameters.returns):
        return []
    learned = [table for table in tables if table.traffic is Traffic.LEARNED]
    fit = parameters.signals
    signals = fit if fit and fit.kind in kinds else None
    rows = _signals(learned, signals, kinds.index(signals.kind)) if signals else iter(())
    return [*rows, _orders(learned, parameters, signals), *_returns(learned, parameters)]


def _signals(tables: Sequence[Table], fit: SignalFit, place: int) -> Iterator[StageSummary]:
    """Of the tables that log signals as the page does."""
    coverage, maturity = Coverage(fit.left_out), SignalMaturity(fit.maturity)
    tables = [table for table in tables if coverage.part_of(table) is None]
    clicks = _summed((total(table, "clicks"), maturity.signals(table.buckets)) for table in tables)
    signals = _summed((total(table, f"signals_{place}"), maturity.after_signals(table.buckets)) for table in tables)
    yield StageSummary(fit.kind, CLICK, fit.signal_rate, _half(fit.delays), *clicks)
    yield StageSummary(ORDER, fit.kind, fit.order_rate, _half(fit.order_delays), *signals)


def _orders(tables: Sequence[Table], parameters: PolicyParameters, signals: SignalFit | None) -> StageSummary:
    """All orders, or those without a signal where there are some with one; how soon they come is known of all."""
    sales = parameters.sales
    clicks = _summed((total(table, "clicks"), maturity_of(sales.maturity, table.buckets)) for table in tables)
    rate, without = (signals.direct_rate, signals.kind) if signals else (sales.conversion_rate, "")
    return StageSummary(ORDER, CLICK, rate, _half(sales.delays), *clicks, without=without)


def _returns(tables: Sequence[Table], parameters: PolicyParameters) -> Iterator[StageSummary]:
    if fit := parameters.returns:
        orders = ((total(table, "conversions") - total(table, "repeats"), table.buckets) for table in tables)
        counts = _summed((count, maturity_of(fit.maturity, span)) for count, span in orders)
        yield StageSummary(RETURN, ORDER, fit.rate, _half(fit.delays), *counts)


def _summed(counts: Iterator[tuple[int, float]]) -> tuple[float, float]:
    """All, and those whose next stage has not had its time: each table's by the share that is still to come."""
    pairs = list(counts)
    return float(sum(count for count, _ in pairs)), sum(count * (1.0 - share) for count, share in pairs)


def _half(delays: Sequence[float]) -> float | None:
    return half_within(delays) if delays else None
