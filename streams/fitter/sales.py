"""What follows clicks on a page, from the tables of its segments: orders, the signals before them, returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from policy.arrays import Bools, Floats, Indices
from policy.model.chain.coverage import agrees, page_coverage
from policy.model.chain.fitting import Chain, choose_kind
from policy.model.chain.maturity import Maturity, matured_through, return_maturity, second_curve
from policy.model.chain.returns import fit_returns
from policy.model.chain.stages import Followed
from policy.model.reward import Sold, delay_curve, fit_sales, matured, rounded
from schemas.messages.parameters import LeftOut, ReturnFit, Sales, SignalFit
from streams.catalog.candidates import CandidateSet
from streams.catalog.sales.counts import add_up, has_returns, returned, sold
from streams.catalog.sales.maturity import SignalMaturity, maturity_of, span_weights
from streams.catalog.sales.signals import Coverage, FollowedSums
from streams.fold.measures import DELAY_BINS
from streams.settings import FoldSettings
from streams.state.arrays.packed import converted_clicks, counts_of, total
from streams.state.arrays.tables import Table


class SalesFit(msgspec.Struct, frozen=True):
    """What was fitted: the averages of orders, and of the stages that the page has."""

    sales: Sales
    signals: SignalFit | UnsetType = UNSET
    returns: ReturnFit | UnsetType = UNSET


@dataclass(frozen=True)
class SalesTables:
    """The learned tables of a page as of `now_ms`; `names` are its items.

    `weight_of` is that of each span of buckets, in units of `streams.catalog.weights.ONE`.
    """

    tables: Sequence[Table]
    weight_of: Mapping[range, int]
    names: CandidateSet
    fold: FoldSettings
    now_ms: int

    @cached_property
    def spans(self) -> list[range]:
        return sorted({table.buckets for table in self.tables}, key=lambda span: span.start)

    @cached_property
    def youngest(self) -> Floats:
        """How long ago the youngest clicks of each span were, milliseconds."""
        return np.array([self._age(span[-1] + self.fold.bucket_ms) for span in self.spans])

    def delays(self, name: str) -> Floats:
        """A measure by delay and span, float64[B, 32]."""
        sums = np.zeros((len(self.spans), DELAY_BINS))
        for table in self.tables:
            if (counts := counts_of(table, name)) is not None:
                sums[self.spans.index(table.buckets)] += counts
        return sums

    def ages(self, bucket: int) -> tuple[float, float]:
        """How long ago the oldest and the youngest clicks of a bucket were, milliseconds."""
        return self._age(bucket), self._age(bucket + self.fold.bucket_ms)

    @property
    def buckets(self) -> list[int]:
        return [bucket for span in self.spans for bucket in span]

    def _age(self, time_ms: int) -> float:
        return float(max(0, self.now_ms - time_ms))


def fit_page_sales(tables: SalesTables, kinds: Sequence[str] = ()) -> SalesFit:
    """The averages of a page; `kinds` of signals are those of the namespace, by place.

    Without signals and returns it is as if there were no such stages.
    """
    curve = delay_curve(tables.delays("delays"), tables.youngest)
    maturity = _by_bucket(tables, lambda ages: matured(curve, *ages))
    own = sold(tables.tables, tables.weight_of, Sales(maturity=maturity), tables.names)
    sales = fit_sales(own, curve, maturity)
    return SalesFit(sales, _signals(tables, kinds, own, sales), _returns(tables, own, curve))


def _by_bucket(tables: SalesTables, share: Callable[[tuple[float, float]], float]) -> dict[str, float]:
    """A share by bucket; all has come where there is one bucket for all time."""
    return {
        str(bucket): round(share(tables.ages(bucket)), 5) if tables.fold.bucket_ms else 1.0 for bucket in tables.buckets
    }


def _returns(tables: SalesTables, own: Sold, orders: Floats) -> ReturnFit | UnsetType:
    if not has_returns(tables.tables):
        return UNSET
    curve = second_curve(tables.delays("return_delays"), orders, tables.youngest)
    maturity = _by_bucket(
        tables, lambda ages: float(return_maturity(orders, curve, *(np.array([age]) for age in ages))[0])
    )
    fit = fit_returns(own, returned(tables.tables, tables.weight_of, maturity, tables.names))
    return UNSET if fit is None else ReturnFit(**fit._asdict(), maturity=maturity, delays=rounded(curve))


def _signals(tables: SalesTables, kinds: Sequence[str], own: Sold, sales: Sales) -> SignalFit | UnsetType:
    """That of the kind which foretells orders best."""
    fits: dict[str, SignalFit] = {}
    by_kind: dict[str, Followed] = {}
    for place, kind in enumerate(kinds):
        if any(total(table, f"via_{place}") for table in tables.tables):
            fits[kind] = _unfitted(tables, kind, place, sales)
            sums = FollowedSums(place, Coverage(fits[kind].left_out), tables.names)
            weight_of = span_weights(tables.weight_of, sales.maturity, signals=fits[kind])
            add_up(tables.tables, weight_of, tables.names, [sums])
            by_kind[kind] = sums.followed
    choice = choose_kind(own, by_kind, sales)
    if choice is None:
        return UNSET
    kind, chain = choice
    return msgspec.structs.replace(fits[kind], **_limited(chain))


def _unfitted(tables: SalesTables, kind: str, place: int, sales: Sales) -> SignalFit:
    """How far signals of a kind have matured, and where they are logged as on the page."""
    signal = delay_curve(tables.delays(f"signal_delays_{place}"), tables.youngest)
    order = second_curve(tables.delays(f"via_delays_{place}"), signal, tables.youngest)
    came = _by_bucket(tables, lambda ages: matured(signal, *ages))
    via = _by_bucket(tables, lambda ages: matured_through(signal, order, *ages))
    maturity = {bucket: (came[bucket], via[bucket]) for bucket in came}
    fit = SignalFit(
        kind, 0.5, 1.0, 0.0, 0.0,
        hidden=0.0, weight=0.0, shape=1.0, maturity=maturity,
        delays=rounded(signal), order_delays=rounded(order),
    )  # fmt: skip
    coverage, left_out = _coverage(tables, place, fit, sales)
    return msgspec.structs.replace(fit, coverage=coverage, left_out=left_out)


def _coverage(tables: SalesTables, place: int, fit: SignalFit, sales: Sales) -> tuple[float, list[LeftOut]]:
    """The share of the page's orders that a signal precedes, and the tables in which it is another."""
    maturity, spans = SignalMaturity(fit.maturity), [table.buckets for table in tables.tables]
    of_tables = Maturity(
        np.array([maturity.signals(span) for span in spans]),
        np.array([maturity.via(span) for span in spans]),
        np.array([maturity_of(sales.maturity, span) for span in spans]),
    )
    via = np.array([total(table, f"via_{place}") for table in tables.tables], dtype=np.float64)
    orders = np.array([float(converted_clicks(table).sum()) for table in tables.tables])
    segments = sorted({table.segment for table in tables.tables})
    groups = (
        np.array([tables.spans.index(span) for span in spans]),
        np.array([segments.index(table.segment) for table in tables.tables]),
    )
    coverage = page_coverage(via, orders, of_tables, groups)
    included = agrees(via, orders, of_tables, coverage, groups)
    return round(coverage, 5), _left_out(tables.tables, included, via, orders, groups)


def _left_out(
    tables: Sequence[Table], included: Bools, via: Floats, orders: Floats, groups: tuple[Indices, Indices]
) -> list[LeftOut]:
    """Segments of which no table counts, then time buckets of which none does, then single tables."""
    parts: list[LeftOut] = []
    unnamed = ~included

    def leave_out(those: Bools, segment: str = "", bucket: int = -1) -> None:
        nonlocal unnamed
        total = float(orders[those].sum())
        share = min(1.0, float(via[those].sum()) / total) if total > 0.0 else 0.0
        parts.append(LeftOut(segment, bucket, round(share, 5), total))
        unnamed = unnamed & ~those

    for group, by_segment in ((groups[1], True), (groups[0], False)):
        for number in range(int(group.max(initial=-1)) + 1):
            those = group == number
            if those.sum() > 1 and not included[those].any() and unnamed[those].any():
                table = tables[int(np.flatnonzero(those)[0])]
                leave_out(those, table.segment) if by_segment else leave_out(those, bucket=table.bucket)
    for at in np.flatnonzero(unnamed).tolist():
        leave_out(np.arange(len(tables)) == at, tables[at].segment, tables[at].bucket)
    return parts


def _limited(chain: Chain) -> dict[str, Any]:
    """What was fitted, within the limits of the message."""
    return chain._asdict() | {
        "signal_strength": min(max(chain.signal_strength, 1e-6), 1e12),
        "shape": min(max(chain.shape, 1e-6), 1e12),
    }
