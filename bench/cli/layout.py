"""`reshelf bench layout`: one layout with all rules on."""

from __future__ import annotations

import click

from bench.options import SLOTS, machine
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@click.option("--items", type=AT_LEAST_ONE, multiple=True, default=(1_000, 10_000), show_default=True)
@click.option("--slots", type=SLOTS, default=12, show_default=True)
@click.option("--variants", type=click.IntRange(1, 256), default=16, show_default=True)
@click.option("--rounds", type=AT_LEAST_ONE, default=60, show_default=True)
@click.pass_obj
def layout(front: Front, items: tuple[int, ...], slots: int, variants: int, rounds: int) -> None:
    """Milliseconds to make one layout with every kind of rule on, and without rules.

    Counts change a little from one layout to the next, as in a worker. `median_ms`
    is that of the first number of items.

    Example: reshelf bench layout --items 1000 --slots 12
    """
    from dataclasses import asdict

    from bench.layout import measure
    from bench.pages import Size

    measured = [measure(Size(count, slots, variants), rounds) for count in items]
    lines = [
        f"{one.items:>6} items x {one.slots} slots x {one.variants} slates: {one.median_ms} ms with all rules, "
        f"{one.without_rules_ms} ms without"
        for one in measured
    ]
    content = {"machine": machine(), "median_ms": measured[0].median_ms, "sizes": [asdict(one) for one in measured]}
    front.answer(content, "\n".join(lines))
