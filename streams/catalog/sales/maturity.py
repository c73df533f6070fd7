"""How much the counts of a span of buckets count: by their age, and by how many have had time for what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from schemas.messages.parameters import SignalFit

NOTHING: Mapping[str, float] = {}


class SpanWeight(NamedTuple):
    """In units of `streams.catalog.weights.ONE`: a count by its age, and what of it has had its time.

    Of clicks the share that has had time for a signal (`to_signal`) and for an order (`to_order`), of signals for
    their order (`signal_to_order`), of orders for their return (`to_return`).
    """

    age: int
    to_order: int
    to_return: int = 0
    to_signal: int = 0
    signal_to_order: int = 0

    def __neg__(self) -> SpanWeight:
        return SpanWeight(*(-weight for weight in self))

    def less(self, other: SpanWeight) -> SpanWeight:
        """The differences to another one."""
        return SpanWeight(*(own - its for own, its in zip(self, other, strict=True)))


class SignalMaturity:
    """How far the signals of clicks, and the orders behind these, have matured, by time bucket."""

    def __init__(self, maturity: Mapping[str, tuple[float, float]]) -> None:
        self._signals = {bucket: shares[0] for bucket, shares in maturity.items()}
        self._via = {bucket: shares[1] for bucket, shares in maturity.items()}

    def signals(self, span: range) -> float:
        """The share of signals that has come for the clicks of a span."""
        return maturity_of(self._signals, span)

    def via(self, span: range) -> float:
        """The share of orders behind a signal that has come for them."""
        return maturity_of(self._via, span)

    def after_signals(self, span: range) -> float:
        """The share of orders that has come for the signals that have come."""
        signals = self.signals(span)
        return min(1.0, self.via(span) / signals) if signals > 0.0 else 0.0


def span_weights(
    ages: Mapping[range, int],
    orders: Mapping[str, float],
    returns: Mapping[str, float] = NOTHING,
    signals: SignalFit | None = None,
) -> dict[range, SpanWeight]:
    """From the weight of each span by age, and the shares of orders, returns and signals that have come by bucket."""
    by_signal = SignalMaturity(signals.maturity if signals else {})
    return {
        span: SpanWeight(
            age,
            round(age * maturity_of(orders, span)),
            round(age * maturity_of(returns, span)),
            round(age * by_signal.signals(span)) if signals else 0,
            round(age * by_signal.after_signals(span)) if signals else 0,
        )
        for span, age in ages.items()
    }


def maturity_of(maturity: Mapping[str, float], span: range) -> float:
    """The share that has come for the clicks of a span's buckets, on average.

    A bucket that is not named is as young as the youngest.
    """
    youngest = min(maturity.values(), default=1.0)
    return sum(maturity.get(str(bucket), youngest) for bucket in span) / len(span)
