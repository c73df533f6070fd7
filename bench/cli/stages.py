"""`reshelf bench stages`: what each step from the log to the state costs."""

from __future__ import annotations

import click

from bench.cli.options import AT_LEAST_ONE, SLOTS, broker, machine, own_servers, with_own_topics
from reshelf.commands import Front


@click.command()
@own_servers
@click.option("--slots", type=SLOTS, default=(1, 12), multiple=True, show_default=True, help="Slots of an event.")
@click.option("--events", type=AT_LEAST_ONE, default=100_000, show_default=True, help="Events in the log.")
@click.pass_obj
def stages(front: Front, slots: tuple[int, ...], events: int) -> None:
    """Microseconds for an event in each step from the log to the state.

    Give it a broker and Redis of its own: it writes to topics of its own there.

    Example: reshelf bench stages --broker embedded
    """
    import asyncio
    from dataclasses import asdict

    from bench.log import fill
    from bench.stages import measure

    found = {}
    for size in slots:
        own = with_own_topics(front.settings, f"stages-{size}")
        redis = own.redis.model_copy(update={"namespace": f"stages-{size}"})
        fill(own.kafka, events, size, seed=size)
        found[size] = asyncio.run(measure(own.model_copy(update={"redis": redis}), events))
    content = [{"slots": size, "stages": [asdict(one) for one in rows]} for size, rows in found.items()]
    lines = [f"{'':<34}" + "".join(f"{size:>4} slots" for size in found)]
    for rows in zip(*found.values(), strict=True):
        lines.append(f"{rows[0].name:<34}" + "".join(f"{one.us:>10.2f}" for one in rows))
    front.answer({"machine": machine(), "broker": broker(front), "events": content}, "\n".join(lines))
