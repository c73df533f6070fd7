"""`reshelf bench evaluation`: what it costs to evaluate and export a decision log of some length."""

from __future__ import annotations

import click

from bench.options import machine
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@click.option("--views", type=AT_LEAST_ONE, default=100_000, show_default=True, help="How many page views the log has.")
@click.option(
    "--policy",
    type=click.Choice(["served", "holdout", "shadow"]),
    default="shadow",
    show_default=True,
    help="Which policy is evaluated.",
)
@click.option("--export", is_flag=True, help="Export the log as Parquet, too.")
@click.pass_obj
def evaluation(front: Front, views: int, policy: str, export: bool) -> None:
    """Measure how long a decision log takes to be joined and evaluated, and how much memory.

    The log is made as it is read: 20 pages of 10 segments, 12 slots and 16 variants, a layout for
    each 500 page views of a segment, clicks on 5 % of the page views.  Making it is part of
    `join`.  No servers are needed; 1,000,000 page views take a minute or two of one core and 500 MB in TMPDIR.

    Example: reshelf bench evaluation --views 1000000 --json
    """
    from bench.evaluation.decision_log import SyntheticLog, measure

    content = measure(SyntheticLog(views), policy, export)
    seconds = ", ".join(f"{name} {value} s" for name, value in content["seconds"].items())
    front.answer(
        {"machine": machine(), "policy": policy, **content},
        f"{views:,} page views of {content['layouts']:,} layouts: {seconds}; {content['views_per_s']:,} page views/s, "
        f"{content['rss_mb']:,} MB at most",
    )
