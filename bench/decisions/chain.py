"""How exact the expected orders of items are that have young clicks alone: by all stages, and by matured clicks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from policy.arrays import Bools, Floats
from policy.model.chain.coverage import agrees, page_coverage
from policy.model.chain.fitting import fit_chain
from policy.model.chain.maturity import Maturity, return_maturity, second_curve, stage_maturity
from policy.model.chain.returns import Returned, fit_returns
from policy.model.chain.stages import follow
from policy.model.chain.value import ReturnStage, SignalStage, chain_value
from policy.model.posteriors import Beta, interval
from policy.model.reward import Sold, click_value, delay_curve, fit_sales
from policy.simulation.funnel import Funnel, FunnelCounts, count_funnel
from reshelf.processes.parallel import counted, mapped

FUNNELS = {
    "complete": Funnel(),
    "partial_coverage": Funnel(logging="items"),
    "coverage_by_day": Funnel(logging="days"),
    "coverage_by_segment": Funnel(logging="segments"),
    "even_coverage": Funnel(logging="all"),
    "equal_items": Funnel(carts_shape=400.0, orders_shape=400.0, direct_shape=400.0),
    "unequal_carts": Funnel(orders_shape=4.0),
    "unrelated_carts": Funnel(telling=False),
    "two_days": Funnel(days_young=2.0),
}
"""Kinds of pages: all carts logged; tiers of half of the items, days or segments, or all, log 30 %; items hardly
differ; orders per cart differ as much as carts do; carts do not tell orders; clicks of two days instead of one."""

RATIOS = {"complete": "chain"}
"""How the ratio of a kind of page is called where it is not called after it."""


class Exactness(NamedTuple):
    """Errors on a page, as shares of the mean chance over the items looked at, and how intervals did.

    `chain` and `matured` of orders per click, `kept_chain` and `kept_matured` of orders that are kept; `established`
    are the first two for items with a history, the others for fresh items.  `covered` is the share of 95 % intervals
    of the chain that hold the truth, `included` the share of tables whose signals count, `weight` that of the stages.
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
    pages: int, processes: int, say: Callable[[str, int, int], None] = lambda what, done, total: None
) -> dict[str, Any]:
    """Ratios of errors, medians over this number of pages of each kind; the answer has plain values alone."""
    tasks = [(name, seed) for name in FUNNELS for seed in range(pages)]
    tell = counted(say, "pages", len(tasks))
    results = mapped(_run, tasks, processes, tell)
    by_kind = {
        name: summary([result for (kind, _), result in zip(tasks, results, strict=True) if kind == name])
        for name in FUNNELS
    }
    ratios = {f"{RATIOS.get(name, name)}_error_ratio": kind["ratio"] for name, kind in by_kind.items()}
    return {"pages": pages, **ratios, "kept_error_ratio": by_kind["complete"]["kept_ratio"], "kinds": by_kind}


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
    tables, ages = counts.tables, (counts.oldest, counts.youngest)
    orders = delay_curve(counts.delays["orders"], counts.youngest)
    carts = delay_curve(counts.delays["carts"], counts.youngest)
    behind = second_curve(counts.delays["behind"], carts, counts.youngest)
    maturity = stage_maturity(carts, behind, orders, *ages)
    lines, amounts, squares = (part.sum(axis=0) for part in (tables.lines, counts.amounts, counts.squares))
    sold = Sold(lines, amounts, squares, maturity.orders @ tables.clicks)
    sales = fit_sales(sold, orders, {})
    included = _included(counts, maturity)
    followed = follow(tables, maturity, included, np.ones(len(included)))
    chain = fit_chain(sold, followed, sales)
    signals = SignalStage(followed, chain) if chain else None
    returns = _return_stage(counts, sold, orders)
    nothing = np.ones(len(sold.lines))
    return Chances(
        chain=chain_value(sold, sales, 0.0, nothing, signals).buying,
        matured=click_value(sold, sales, 0.0, nothing).buying,
        keeping=chain_value(sold, sales, 0.0, nothing, signals, returns).buying,
        included=included,
        weight=chain.weight if chain else 0.0,
    )


def _included(counts: FunnelCounts, maturity: Maturity) -> Bools:
    via, converted = counts.tables.via.sum(axis=1), counts.tables.converted.sum(axis=1)
    groups = counts.buckets, counts.segments
    return agrees(via, converted, maturity, page_coverage(via, converted, maturity, groups), groups)


def _return_stage(counts: FunnelCounts, sold: Sold, orders: Floats) -> ReturnStage | None:
    curve = second_curve(counts.delays["returns"], orders, counts.youngest)
    old = return_maturity(orders, curve, counts.oldest, counts.youngest)
    returned = Returned(counts.returned.sum(axis=0), counts.returned_amounts.sum(axis=0), old @ counts.tables.lines)
    returns = fit_returns(sold, returned)
    return ReturnStage(returned, returns) if returns else None


def error_of(estimates: Floats, truth: Floats, among: Bools) -> float:
    """The root mean square error over the items `among` bool[A], as a share of their mean truth."""
    return float(np.sqrt(np.square(estimates - truth)[among].mean()) / truth[among].mean())


def _run(task: tuple[str, int]) -> Exactness:
    return measure(FUNNELS[task[0]], task[1])


def summary(results: Sequence[Exactness]) -> dict[str, float]:
    """Medians over pages: of each error, and of ratios within pages, with the middle half of those of fresh items."""
    columns = Exactness(*np.array(results).T)
    ratio = columns.chain / columns.matured
    low, high = np.quantile(ratio, [0.25, 0.75]).tolist()
    return {name: float(np.median(column)) for name, column in columns._asdict().items()} | {
        "ratio": float(np.median(ratio)),
        "ratio_low": low,
        "ratio_high": high,
        "kept_ratio": float(np.median(columns.kept_chain / columns.kept_matured)),
        "established_ratio": float(np.median(columns.established_chain / columns.established_matured)),
    }


def text_of(content: dict[str, Any]) -> str:
    """The answer as a table."""
    lines = [f"{'page':<20} {'matured':>8} {'chain':>7}  {'ratio':<24} {'kept':>6} {'history':>8} {'covered':>8}"]
    for name, kind in content["kinds"].items():
        ratio = f"{kind['ratio']:.3f} ({kind['ratio_low']:.3f} to {kind['ratio_high']:.3f})"
        lines.append(
            f"{name.replace('_', ' '):<20} {kind['matured']:>8.3f} {kind['chain']:>7.3f}  {ratio:<24} "
            f"{kind['kept_ratio']:>6.3f} {kind['established_ratio']:>8.3f} {kind['covered']:>8.1%}"
        )
    lines.append("errors of expected orders per click of items that have young clicks alone, as a share of their mean;")
    lines.append(f"medians of {content['pages']} pages, ratios with their middle half; kept: the ratio of kept orders;")
    lines.append("history: the ratio of items with older clicks; covered: 95 % intervals that hold the truth")
    return "\n".join(lines)
