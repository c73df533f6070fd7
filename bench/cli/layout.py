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
@click.pass_obj
def layout(front: Front, items: tuple[int, ...], slots: int, variants: int, rounds: int) -> None:
    """Measure how many milliseconds it takes to compose one layout, with every kind of rule and without rules.

    Counts change a little from one layout to the next, as in a worker.  There is a row for
    each number of items; `median_ms` is that of the first.  It takes about a minute,
    and needs neither broker nor Redis.

    Example: reshelf bench layout --items 1000 --slots 12
    """
    from dataclasses import asdict

    from bench.layout import measure
    from bench.pages import Size

    measured = [measure(Size(count, slots, variants), rounds) for count in items]
    lines = [
        f"{row.items:>6} items x {row.slots} slots x {row.variants} slates: {row.median_ms} ms with all rules, "
        f"{row.without_rules_ms} ms without"
        for row in measured
    ]
    content = {"machine": machine(), "median_ms": measured[0].median_ms, "sizes": [asdict(row) for row in measured]}
    front.answer(content, "\n".join(lines))
