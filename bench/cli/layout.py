"""`reshelf bench layout`: one layout with all rules on."""

from __future__ import annotations

import click

from bench.options import SLOTS, machine
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@click.option(
    "--items",
    type=AT_LEAST_ONE,
    multiple=True,
    default=(1_000, 10_000),
    show_default=True,
    help="How many candidates the page has.",
)
@click.option("--slots", type=SLOTS, default=12, show_default=True, help="How many slots the page has.")
@click.option(
    "--variants", type=click.IntRange(1, 256), default=16, show_default=True, help="How many slates a layout has."
)
@click.option("--rounds", type=AT_LEAST_ONE, default=60, show_default=True, help="How many layouts are timed.")
@click.option(
    "--segments", type=AT_LEAST_ONE, default=4, show_default=True, help="How many segments have orders (second line)."
)
@click.option(
    "--days", type=AT_LEAST_ONE, default=30, show_default=True, help="How many days of orders each segment has."
)
@click.pass_obj
def layout(
    front: Front, items: tuple[int, ...], slots: int, variants: int, rounds: int, segments: int, days: int
) -> None:
    """Measure how many milliseconds it takes to compose one layout, with every kind of rule and without rules.

    Counts change a little from one layout to the next, as in a worker.  There is a row for
    each number of items; `median_ms` is that of the first.  A second line has layouts of
    a whole page without rules, whose counts are of some segments and days: where all clicks
    are worth the same, where orders count (layouts.sale_value above 0), and where carts and
    returns do, too.  It takes about a minute, and needs neither broker nor Redis.

    Example: reshelf bench layout --items 1000 --slots 12
    """
    from dataclasses import asdict

    from bench.layout import measure, measure_sales
    from bench.pages import Size
    from bench.sold_pages import History

    sizes = [Size(count, slots, variants) for count in items]
    measured = [measure(size, rounds) for size in sizes]
    sold = [measure_sales(size, History(segments, days), rounds) for size in sizes]
    lines = []
    for row, sales in zip(measured, sold, strict=True):
        lines += [
            f"{row.items:>6} items x {row.slots} slots x {row.variants} slates: {row.median_ms} ms with all rules, "
            f"{row.without_rules_ms} ms without",
            f"       {segments} segments x {days} days: {sales.clicks_ms} ms for clicks, {sales.sales_ms} ms for "
            f"orders, {sales.stages_ms} ms with carts and returns",
        ]
    content = {
        "machine": machine(),
        "median_ms": measured[0].median_ms,
        "sizes": [asdict(row) for row in measured],
        "sales": [asdict(row) for row in sold],
    }
    front.answer(content, "\n".join(lines))
