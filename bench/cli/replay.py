"""`reshelf bench replay`: how fast the state is rebuilt from the log."""

from __future__ import annotations

import click

from bench.options import SLOTS, broker, machine, own_servers, rounds, with_own_topics
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@own_servers
@click.option("--events", type=AT_LEAST_ONE, default=1_000_000, show_default=True, help="Events in the log.")
@rounds
@click.option("--slots", type=SLOTS, default=(1, 12), multiple=True, show_default=True, help="Slots of an event.")
@click.pass_obj
def replay(front: Front, events: int, rounds: int, slots: tuple[int, ...]) -> None:
    """Events per second from a whole topic into a fresh namespace, as `reshelf replay` does it.

    Give it a broker and Redis of its own: it writes to topics of its own there.

    Example: reshelf bench replay --broker embedded
    """
    from dataclasses import asdict

    from bench.events.replay import measure

    found = []
    for size in slots:
        own = with_own_topics(front.settings, f"replay-{size}")
        found.append(measure(own, events, size, rounds, lambda text: click.echo(text, err=True)))
    lines = [
        f"{one.slots:>3} slots: {one.events_per_s:,} events/s, {one.slot_impressions_per_s:,} slot impressions/s"
        for one in found
    ]
    content = {"machine": machine(), "broker": broker(front), "replay": [asdict(one) for one in found]}
    front.answer(content, "\n".join(lines))
