"""`reshelf bench edge`: layouts a second over HTTP."""

from __future__ import annotations

import click

from bench.options import SLOTS, machine, rounds
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@click.option("--slots", type=SLOTS, default=12, show_default=True, help="Slots of the page.")
@click.option("--seconds", type=AT_LEAST_ONE, default=3, show_default=True, help="Length of a round for each server.")
@rounds
@click.pass_obj
def edge(front: Front, slots: int, seconds: int, rounds: int) -> None:
    """Layouts a second from the HTTP edge, beside a bare route of Starlette that answers a constant.

    It needs the program wrk, and neither broker nor Redis.

    Example: reshelf bench edge --seconds 5
    """
    from dataclasses import asdict

    from bench.pages import Size
    from bench.web.edge import RATE, measure

    found = measure(Size(200, slots), seconds, rounds)
    text = (
        f"{found.per_s:,} layouts/s, p99 {found.busy_p99_ms} ms with all connections busy; "
        f"a bare route {found.bare_per_s:,}/s: x{found.ratio}; p99 {found.p99_ms} ms at {RATE:,}/s; "
        f"by the server's processor time {found.per_cpu_s:,} a second, x{found.cpu_ratio}"
    )
    front.answer({"machine": machine(), "broker": "none", "edge": asdict(found)}, text)
