"""How exact the expected orders of items are that have young clicks alone: by all stages, and by matured clicks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from policy.arrays import Bools, Floats
from policy.model.chain.coverage import agrees, page_coverage
from policy.model.chain.fitting import fit_chain
from policy.model.chain.maturity import Maturity, return_maturity, second_curve, stage_maturity
from policy.model.chain.returns import Returned, fit_returns
from policy.model.chain.stages import follow
from policy.model.chain.value import Refunds, Signals, chain_value
from policy.model.posteriors import Beta, interval
from policy.model.reward import Sold, click_value, delay_curve, fit_sales
from policy.simulation.funnel import Funnel, FunnelCounts, count_funnel
from reshelf.processes.parallel import mapped

FUNNELS = {
    "complete": Funnel(),
    "partial_coverage": Funnel(logging="items"),
    "coverage_by_day": Funnel(logging="days"),
    "coverage_by_segment": Funnel(logging="segments"),
    "unequal_carts": Funnel(orders_shape=4.0),
    "unrelated_carts": Funnel(telling=False),
    "two_days": Funnel(days_young=2.0),
}
"""Kinds of pages: all carts logged; tiers of half of the items, days or segments log 30 %; orders per cart
differ as much as carts do; carts do not tell orders; clicks of two days instead of one."""


class Exactness(NamedTuple):
    """Errors on a page, as shares of the mean chance over the items looked at, and how intervals did.

    `chain` and `matured` of orders per click, `kept_chain` and `kept_matured` of orders that are kept; `established`
    are the first two for items with a history, the others for fresh items.  `covered` is the share of 95 % intervals
    of the chain that hold the truth, `included` the share of cells whose signals count, `weight` that of the stages.
    """

    chain: float
    matured: float
    kept_chain: float
    kept_matured: float
    established_chain: float
    established_matured: float
    covered: float
    included: float
    weight: float


class Chances(NamedTuple):
    """What is estimated of A items: orders per click by all stages and by matured clicks, and kept orders by stages."""

    chain: Beta
    matured: Beta
    keeping: Beta
    included: Bools
    weight: float


def compare(
    seeds: int, processes: int, say: Callable[[str, int, int], None] = lambda what, done, total: None
) -> dict[str, Any]:
    """The medians over seeds, by kind of page, and the ratios of errors; the answer has plain values alone."""
    tasks = [(name, seed) for name in FUNNELS for seed in range(seeds)]
    done: list[None] = []

    def tell() -> None:
        done.append(None)
        say("pages", len(done), len(tasks))

    results = mapped(partial(_run), tasks, processes, tell)
    by_name = {name: [r for (n, _), r in zip(tasks, results, strict=True) if n == name] for name in FUNNELS}
    pages = {name: _row(rows) for name, rows in by_name.items()}
    ratios = {
        "chain_error_ratio": "complete",
        **{f"{name}_error_ratio": name for name in FUNNELS if name != "complete"},
    }
    return {
        "seeds": seeds,
        **{ratio: pages[name]["ratio"] for ratio, name in ratios.items()},
        "kept_error_ratio": pages["complete"]["kept_ratio"],
        "pages": pages,
    }


def measure(funnel: Funnel, seed: int) -> Exactness:
    """The errors on one page."""
    counts = count_funnel(funnel, seed)
    chances = estimate(counts)
    low, high = interval(chances.chain.a, chances.chain.b)
    fresh, truth = counts.fresh, counts.orders
    held = (low <= truth) & (truth <= high)
    return Exactness(
        chain=error_of(chances.chain.mean, truth, fresh),
        matured=error_of(chances.matured.mean, truth, fresh),
        kept_chain=error_of(chances.keeping.mean, counts.kept_orders, fresh),
        kept_matured=error_of(chances.matured.mean, counts.kept_orders, fresh),
        established_chain=error_of(chances.chain.mean, truth, ~fresh),
        established_matured=error_of(chances.matured.mean, truth, ~fresh),
        covered=float(held[fresh].mean()),
        included=float(chances.included.mean()),
        weight=chances.weight,
    )


def estimate(counts: FunnelCounts) -> Chances:
    """All that is fitted on a page, as the fitter does it, and the chances of its items."""
    cells, ages = counts.cells, (counts.oldest, counts.youngest)
    orders = delay_curve(counts.delays["orders"], counts.youngest)
    carts = delay_curve(counts.delays["carts"], counts.youngest)
    behind = second_curve(counts.delays["behind"], carts, counts.youngest)
    maturity = stage_maturity(carts, behind, orders, *ages)
    sold = Sold(
        *(part.sum(axis=0).astype(np.float64) for part in (cells.lines, counts.amounts, counts.squares)),
        maturity.orders @ cells.clicks,
    )
    sales = fit_sales(sold, orders, {})
    included = _included(counts, maturity)
    followed = follow(cells, maturity, included, np.ones(len(included)))
    chain = fit_chain(sold, followed, sales)
    signals = Signals(followed, chain) if chain else None
    refunds = _refunds(counts, sold, orders)
    nothing = np.ones(len(sold.lines))
    return Chances(
        chain=chain_value(sold, sales, 0.0, nothing, signals).buying,
        matured=click_value(sold, sales, 0.0, nothing).buying,
        keeping=chain_value(sold, sales, 0.0, nothing, signals, refunds).buying,
        included=included,
        weight=chain.weight if chain else 0.0,
    )


def _included(counts: FunnelCounts, maturity: Maturity) -> Bools:
    via, converted = counts.cells.via.sum(axis=1), counts.cells.converted.sum(axis=1)
    groups = counts.buckets, counts.segments
    return agrees(via, converted, maturity, page_coverage(via, converted, maturity, groups), groups)


def _refunds(counts: FunnelCounts, sold: Sold, orders: Floats) -> Refunds | None:
    curve = second_curve(counts.delays["returns"], orders, counts.youngest)
    old = return_maturity(orders, curve, counts.oldest, counts.youngest)
    returned = Returned(
        counts.returned.sum(axis=0).astype(np.float64), counts.returned_amounts.sum(axis=0), old @ counts.cells.lines
    )
    returns = fit_returns(sold, returned)
    return Refunds(returned, returns) if returns else None


def error_of(estimates: Floats, truth: Floats, among: Bools) -> float:
    """The root mean square error over the items `among` bool[A], as a share of their mean truth."""
    return float(np.sqrt(np.square(estimates - truth)[among].mean()) / truth[among].mean())


def _run(task: tuple[str, int]) -> Exactness:
    return measure(FUNNELS[task[0]], task[1])


def _row(rows: Sequence[Exactness]) -> dict[str, Any]:
    by_seed = np.array(rows)
    ratios = {
        "ratio": by_seed[:, 0] / by_seed[:, 1],
        "kept_ratio": by_seed[:, 2] / by_seed[:, 3],
        "established_ratio": by_seed[:, 4] / by_seed[:, 5],
    }
    medians = dict(zip(Exactness._fields, np.median(by_seed, axis=0).tolist(), strict=True))
    return medians | {name: float(np.median(of)) for name, of in ratios.items()}
