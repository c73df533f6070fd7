"""`reshelf bench segments`: what learned segments cost the fitter and a renderer."""

from __future__ import annotations

import click

from bench.options import machine, rounds
from bench.progress import say
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@click.option(
    "--visitors",
    type=click.IntRange(min=2_000),
    default=1_000_000,
    show_default=True,
    help="How many visitors the sample has.",
)
@click.option("--items", type=AT_LEAST_ONE, default=100_000, show_default=True, help="How many items they look at.")
@click.option("--tastes", type=click.IntRange(2, 8), default=8, show_default=True, help="How many tastes they have.")
@rounds
@click.pass_obj
def segments(front: Front, visitors: int, items: int, tastes: int, rounds: int) -> None:
    """Measure what it takes to fit learned segments to many visitors, and to choose one's segment.

    Simulated visitors look at 8.5 items each.  The figures are the processor's seconds
    for a first fit and for one that starts from it; the memory of the process, in which
    the sample and the simulated visitors are, too; the size of the model; and the
    processor's microseconds for a renderer's choice.  The defaults take some minutes;
    neither broker nor Redis is needed.

    Example: reshelf bench segments --visitors 20000 --items 2000
    """
    from dataclasses import asdict

    from bench.web.segments import measure

    result = measure(visitors, items, tastes, rounds, say)
    say("")
    text = (
        f"{result.segments} segments of {result.visitors:,} visitors with {result.votes:,} votes: first fit "
        f"{result.fit_s} s, the next {result.again_s} s; {result.memory_gb} GB at most\n"
        f"model {result.model_mb} MB for {result.items_with_points:,} items; a choice {result.choose_us} µs"
    )
    front.answer({"machine": machine(), "broker": "none", "segments": asdict(result)}, text)
