"""`reshelf bench console`: what the Arms page takes of a processor."""

from __future__ import annotations

import click

from bench.options import broker, machine, own_servers, rounds
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@own_servers
@click.option("--arms", type=click.IntRange(1, 2_000), default=1_000, show_default=True, help="Arms of the page.")
@click.option("--rate", type=AT_LEAST_ONE, default=1_000, show_default=True, help="Events a second.")
@click.option("--seconds", type=click.FloatRange(min=1), default=10.0, show_default=True, help="Length of a round.")
@rounds
@click.pass_obj
def console(front: Front, arms: int, rate: int, seconds: float, rounds: int) -> None:
    """What the console's Arms page takes of a core, in a real browser, while events flow.

    The page asks twice a second.  A learner takes the events in, so each answer
    brings new counts.  It needs Chromium and the package playwright.  Topics and
    state are the measurement's own, and are deleted afterwards.

    Example: reshelf bench console --broker embedded --arms 1000
    """
    from dataclasses import asdict

    from bench.web.console import Options, measure

    found = measure(front.settings, Options(arms, rate, seconds, rounds), leave_clean=not front.embedded)
    text = (
        f"{found.arms:,} arms, {found.updates_per_s} updates/s of {found.answer_kb:,.0f} KB: "
        f"browser {found.browser_percent} % of a core (the page's main thread {found.page_percent} %), "
        f"console {found.console_percent} %"
    )
    front.answer({"machine": machine(), "broker": broker(front), "console": asdict(found)}, text)
