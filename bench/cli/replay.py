"""`reshelf bench replay`: how fast the state is rebuilt from the log."""

from __future__ import annotations

import click

from bench.options import SLOTS, broker, machine, own_servers, rounds, with_own_topics
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@own_servers
@click.option("--events", type=AT_LEAST_ONE, default=1_000_000, show_default=True, help="How many events the log has.")
@rounds
@click.option(
    "--slots", type=SLOTS, default=(1, 12), multiple=True, show_default=True, help="How many slots an event has."
)
@click.option(
    "--workers",
    type=AT_LEAST_ONE,
    default=(1, 2),
    multiple=True,
    show_default=True,
    help="How many processes share the partitions.",
)
@click.pass_obj
def replay(front: Front, events: int, rounds: int, slots: tuple[int, ...], workers: tuple[int, ...]) -> None:
    """Measure how many events a second are replayed from a whole topic into a new namespace.

    It does what `reshelf replay` does after state was lost; a month of events divided by
    the figure is how long that takes.  A run takes some minutes.  It writes to topics
    of its own, but wants a broker and Redis that nobody else uses: --broker starts them.

    Example: reshelf bench replay --broker embedded
    """
    from dataclasses import asdict

    from bench.events.replay import measure

    results = []
    for size in slots:
        own = with_own_topics(front.settings, f"replay-{size}")
        results += measure(own, events, size, workers, rounds, lambda text: click.echo(text, err=True))
    lines = [
        f"{row.slots:>3} slots, {row.workers} processes: {row.events_per_s:,} events/s, "
        f"{row.slot_impressions_per_s:,} slot impressions/s; processor time for an event: "
        f"{row.us_per_event['replay']} µs, in Redis {row.us_per_event['redis']} µs"
        for row in results
    ]
    content = {"machine": machine(), "broker": broker(front), "replay": [asdict(row) for row in results]}
    front.answer(content, "\n".join(lines))
