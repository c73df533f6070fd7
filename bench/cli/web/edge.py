"""`reshelf bench edge`: layouts a second over HTTP."""

from __future__ import annotations

import click

from bench.options import SLOTS, machine, rounds
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@click.option("--slots", type=SLOTS, default=12, show_default=True, help="How many slots the page has.")
@click.option(
    "--seconds",
    type=AT_LEAST_ONE,
    default=3,
    show_default=True,
    help="How long each server is measured in a round, in seconds.",
)
@rounds
@click.pass_obj
def edge(front: Front, slots: int, seconds: int, rounds: int) -> None:
    """Measure how many layouts a second the HTTP edge serves on one core.

    The same client asks, by turns, a bare route of Starlette that answers a constant: the
    ratio shows what the edge costs on top.  Response times are reported with all
    connections busy, and at a fixed rate.  It takes about a minute.  It needs the program
    wrk, and neither broker nor Redis.

    Example: reshelf bench edge --seconds 5
    """
    from dataclasses import asdict

    from bench.pages import Size
    from bench.web.edge import RATE, measure

    result = measure(Size(200, slots), seconds, rounds)
    text = (
        f"{result.per_s:,} layouts/s, p99 {result.busy_p99_ms} ms with all connections busy; "
        f"a bare route {result.bare_per_s:,}/s: x{result.ratio}; p99 {result.p99_ms} ms at {RATE:,}/s; "
        f"by the server's processor time {result.per_cpu_s:,} a second, x{result.cpu_ratio}"
    )
    front.answer({"machine": machine(), "broker": "none", "edge": asdict(result)}, text)
