"""How many of the orders a signal preceded, table by table, and which tables log signals as the page does.

Tiers that send few signals make P(signal | click) low and leave P(order | signal) as it is: the product
would say that their items sell badly.  Such tables are left out of the stage.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from policy.arrays import Bools, Counts, Floats, Indices
from policy.model.chain.maturity import Maturity

PRIOR_ORDERS = 20.0
"""Orders that the page's coverage weighs as much as in each table: a few orders say nothing of their tier."""
ERRORS = 3.0
"""Standard errors that a table has to differ by.  Of a month's tables in 20 segments 600 are tested: at two
errors 27 would be left out by chance, at three fewer than two."""
TOLERANCE = 0.1
"""Relative difference that does no harm: it moves what signals let expect by a tenth, while 250 clicks with 30
signals know that to a fifth.  Squared, that adds a quarter to the error of an item whose tables all differ so."""
_CANDIDATES = 33


def page_coverage(via: Counts, converted: Counts, maturity: Maturity, groups: Sequence[Indices] = ()) -> float:
    """The share of a page's matured orders that a signal precedes, in [0, 1], from `via` and `converted` clicks [T].

    Tables may log in several ways.  Each says the same of its own clicks, the less the fewer signals it logs:
    the page's coverage is that of the tables that agree with each other and hold the most orders behind a signal.
    `groups` are as in `agrees`.
    """
    expected = converted * _ratio(maturity)
    total = float(expected.sum())
    if total <= 0.0 or via.sum() <= 0:
        return 0.0
    pooled = float(via.sum()) / total
    shares = [
        (_sums(via, group) + PRIOR_ORDERS * pooled) / (_sums(expected, group) + PRIOR_ORDERS)
        for group in _all_groups(groups, len(via))
    ]
    candidates = np.quantile(np.minimum(np.concatenate(shares), 1.0), np.linspace(0.0, 1.0, _CANDIDATES))
    agreeing = [agrees(via, converted, maturity, share, groups) for share in candidates.tolist()]
    best = max(agreeing, key=lambda tables: float(via[tables].sum()))
    among = float(expected[best].sum())
    return min(1.0, float(via[best].sum()) / among) if among > 0.0 else min(1.0, pooled)


def agrees(
    via: Counts, converted: Counts, maturity: Maturity, coverage: float, groups: Sequence[Indices] = ()
) -> Bools:
    """Which tables log signals as a page of this coverage does, bool[T].

    A test of proportions on shares that are drawn to the page's with `PRIOR_ORDERS`.  Young tables have the quick
    orders alone, of which more or fewer come by a signal: they are compared with the page at their age.  Each of
    `groups` numbers the tables, int[T], by what they share, the segment or the day, say: a group that differs is left
    out as a whole, although no table of it has orders enough to tell.  Those that differ most go first: where every
    other day differs, all segments do, until these days are left out.
    """
    groupings = _all_groups(groups, len(via))
    included = np.ones(len(via), dtype=np.bool_)
    expected = converted * np.minimum(1.0, coverage * _ratio(maturity))
    while True:
        counted = [np.where(included, counts, 0.0) for counts in (via, converted, expected)]
        differences = [_differences(counted, group, coverage) for group in groupings]
        largest = [float(difference.max(initial=0.0)) for difference in differences]
        at = int(np.argmax(largest))
        if largest[at] <= 0.0:
            return included
        included = included & (differences[at] < largest[at] / 2.0)[groupings[at]]


def _differences(counted: Sequence[Floats], group: Indices, coverage: float) -> Floats:
    """How far the share of each group is from the page's; 0 where that may be chance or does no harm.

    Counted by table are the orders behind a signal, all orders, and how many of them the page lets expect behind one.
    """
    via, converted, expected = (_sums(counts, group) for counts in counted)
    page = np.divide(expected, converted, out=np.full_like(expected, coverage), where=converted > 0.0)
    orders = converted + PRIOR_ORDERS
    share = (via + PRIOR_ORDERS * page) / orders
    middle = (share + page) / 2.0
    error = np.sqrt((middle * (1.0 - middle)).clip(0.0) / orders)
    difference = np.abs(share - page)
    return np.where(difference > TOLERANCE * page + ERRORS * error, difference, 0.0)


def _all_groups(groups: Sequence[Indices], tables: int) -> list[Indices]:
    """The groups, and each table by itself."""
    return [*groups, np.arange(tables)]


def _sums(counts: Counts, group: Indices) -> Floats:
    sums: Floats = np.bincount(group, weights=counts).astype(np.float64)
    return sums


def _ratio(maturity: Maturity) -> Floats:
    """How much further orders behind signals have matured than all orders, float64[T]; 1 in the end."""
    return np.divide(maturity.via, maturity.orders, out=np.ones_like(maturity.via), where=maturity.orders > 0.0)
