"""`reshelf bench renderer`: what a page renderer pays for a layout."""

from __future__ import annotations

import click

from bench.options import SLOTS, machine, rounds
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@click.option("--items", type=AT_LEAST_ONE, default=1_000, show_default=True, help="How many candidates the page has.")
@click.option("--slots", type=SLOTS, default=12, show_default=True, help="How many slots the page has.")
@click.option(
    "--variants", type=click.IntRange(1, 256), default=16, show_default=True, help="How many slates the layout has."
)
@click.option("--calls", type=AT_LEAST_ONE, default=5_000, show_default=True, help="How many calls each round has.")
@rounds
@click.pass_obj
def renderer(front: Front, items: int, slots: int, variants: int, calls: int, rounds: int) -> None:
    """Measure how many microseconds a page renderer spends on a layout.

    The figures are those of the reference renderer: to decode a layout, to choose a variant
    for a visitor, and to read the slate.  It takes less than half a minute, and needs neither broker
    nor Redis.

    Example: reshelf bench renderer --items 1000
    """
    from dataclasses import asdict

    from bench.pages import Size
    from bench.web.renderer import measure

    result = measure(Size(items, slots, variants), calls, rounds)
    text = (
        f"decode {result.decode_us} µs ({result.layout_bytes:,} bytes), choose {result.choose_us} µs, "
        f"read a slate {result.slate_us} µs"
    )
    front.answer({"machine": machine(), "broker": "none", "renderer": asdict(result)}, text)
