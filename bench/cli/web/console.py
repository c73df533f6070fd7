"""`reshelf bench console`: what the page Items takes of a processor."""

from __future__ import annotations

import click

from bench.options import broker, machine, own_servers, rounds
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@own_servers
@click.option(
    "--arms", type=click.IntRange(1, 2_000), default=1_000, show_default=True, help="How many arms the page has."
)
@click.option("--rate", type=AT_LEAST_ONE, default=1_000, show_default=True, help="How many events are sent a second.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=10.0,
    show_default=True,
    help="How long a round lasts, in seconds.",
)
@rounds
@click.pass_obj
def console(front: Front, arms: int, rate: int, seconds: float, rounds: int) -> None:
    """Measure how much of a processor the console's page Items takes while events flow.

    A real browser shows the page, which asks for new counts twice a second, while a learner
    takes in events.  The figures are percent of one core: for the whole browser, for the
    page's main thread, and for the console.  A run takes a little longer than its rounds
    times --seconds.  It needs Chromium and the package playwright.  Topics and state are
    the measurement's own, and are deleted afterwards.

    Example: reshelf bench console --broker embedded --arms 1000
    """
    from dataclasses import asdict

    from bench.web.console import Options, measure

    result = measure(front.settings, Options(arms, rate, seconds, rounds), leave_clean=not front.embedded)
    text = (
        f"{result.arms:,} arms, {result.updates_per_s} updates/s of {result.answer_kb:,.0f} KB: "
        f"browser {result.browser_percent} % of a core (the page's main thread {result.page_percent} %), "
        f"console {result.console_percent} %"
    )
    front.answer({"machine": machine(), "broker": broker(front), "console": asdict(result)}, text)
