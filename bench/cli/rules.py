"""`reshelf bench rules`: whether the price that a preview puts on a rule holds what the rule truly costs."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import Any

import click

from bench.options import machine
from bench.random_rules import KINDS
from policy.simulation.pages.world import PAGES
from policy.simulation.shops import SHOPS
from reshelf.cli.front import AT_LEAST_ONE, Front
from reshelf.numbers import between, share


@click.command()
@click.option("--rules", type=AT_LEAST_ONE, default=200, show_default=True, help="How many random rules are priced.")
@click.option(
    "--shop", type=click.Choice(list(SHOPS)), default="ours", show_default=True, help="In which kind of shop."
)
@click.option(
    "--page", type=click.Choice(list(PAGES)), help="On which kind of page with shelves, in place of a shop's."
)
@click.option(
    "--kind", type=click.Choice(KINDS), multiple=True, help="Rules of this kind alone; may be repeated.  [default: all]"
)
@click.option(
    "--views",
    type=click.IntRange(1_000),
    default=10_000,
    show_default=True,
    help="After how many page views of learning.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the random numbers.")
@click.pass_obj
def rules(front: Front, rules: int, shop: str, page: str | None, kind: tuple[str, ...], views: int, seed: int) -> None:
    """Price random rules in simulated shops, and compare their prices with what they truly cost.

    A rule's price is what `reshelf rules preview` tells: how many clicks a page view has more or fewer, with a
    95 % interval. `coverage` is the share of intervals that hold the truth, and should be about
    95 %. `error` is the root mean square of prices' errors, `bias` their mean and `width` that of
    intervals, all as shares of the clicks that a page view has without the rule. `interval` is the 95 % interval of
    `coverage` itself (Clopper and Pearson), were rules independent: five are priced in each shop. With `--page` rules
    are about shelves, too, unless `--kind` names kinds for items. Needs neither broker nor Redis, and takes a minute or
    two.

    Example: reshelf bench rules --rules 50
    """
    from bench.rules import RulesPlan, prices, summary
    from bench.shelf_rules import shelf_prices

    plan = replace(RulesPlan(), rules=rules, shop=shop, page=page or "", kinds=kind, views=views, seed=seed)
    priced = shelf_prices if page else prices
    with click.progressbar(length=rules, label="rules", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        figures = summary(priced(plan, lambda: bar.update(1)))
    where = {"page": page} if page else {"shop": shop}
    content = {"machine": machine(), **where, "views": views, **figures}
    front.answer(content, _text(content))


def _text(content: dict[str, Any]) -> str:
    where = f"on pages like {content['page']!r}" if "page" in content else f"in shops like {content['shop']!r}"
    lines = [
        f"{content['rules']} rules {where} after {content['views']:,} page views: "
        f"95 % intervals hold the true cost of {content['coverage']:.1%} ({_between(*content['interval'])})",
        f"error {content['error']:.2%} of a page's clicks, bias {content['bias']:+.2%}, "
        f"intervals {content['width']:.1%} wide",
        f"{'kind':<13} {'rules':>5} {'coverage':>9} {'of that 95 %':>14} {'true cost':>10} {'price':>8}",
    ]
    lines += [
        f"{kind:<13} {row['rules']:>5} {row['coverage']:>9.1%} {_between(*row['interval']):>14} "
        f"{row['cost']:>+10.2%} {row['price']:>+8.2%}"
        for kind, row in content["kinds"].items()
    ]
    return "\n".join(lines)


def _between(low: float, high: float) -> str:
    return between(low, high, partial(share, digits=0))
