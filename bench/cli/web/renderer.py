"""`reshelf bench renderer`: what a page renderer pays for a layout."""

from __future__ import annotations

import click

from bench.options import SLOTS, machine, rounds
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@click.option("--items", type=AT_LEAST_ONE, default=1_000, show_default=True, help="Candidates of the page.")
@click.option("--slots", type=SLOTS, default=12, show_default=True, help="Slots of the page.")
@click.option("--variants", type=click.IntRange(1, 256), default=16, show_default=True, help="Slates of the layout.")
@click.option("--calls", type=AT_LEAST_ONE, default=5_000, show_default=True, help="Calls in each round.")
@rounds
@click.pass_obj
def renderer(front: Front, items: int, slots: int, variants: int, calls: int, rounds: int) -> None:
    """Microseconds to decode a layout, to choose a variant and to read a slate, in the reference renderer.

    Nothing is started: it needs neither broker nor Redis.

    Example: reshelf bench renderer --items 1000
    """
    from dataclasses import asdict

    from bench.pages import Size
    from bench.web.renderer import measure

    found = measure(Size(items, slots, variants), calls, rounds)
    text = (
        f"decode {found.decode_us} µs ({found.layout_bytes:,} bytes), choose {found.choose_us} µs, "
        f"read a slate {found.slate_us} µs"
    )
    front.answer({"machine": machine(), "broker": "none", "renderer": asdict(found)}, text)
