"""`reshelf bench pipeline`: events per second from the log into the state."""

from __future__ import annotations

import click

from reshelf.commands import Front
from reshelf.commands.bench.options import broker, machine, rounds


@click.command()
@click.option("--events", default=200_000, show_default=True, help="Events of each round.")
@rounds
@click.option("--slots", default=(1, 12), multiple=True, show_default=True, help="Slots of an event; may be repeated.")
@click.pass_obj
def pipeline(front: Front, events: int, rounds: int, slots: tuple[int, ...]) -> None:
    """Events per second from the log into the state, by one learner with everything on.

    Give it a broker and Redis of its own (or --embedded): it writes to the topics.
    """
    from bench.pipeline import measure, summary
    from reshelf.topics import apply

    settings = front.settings
    found = []
    for size in slots:
        alone = settings.kafka.model_copy(update={"prefix": f"{settings.kafka.prefix}bench-{size}-"})
        space = settings.redis.model_copy(update={"namespace": f"bench-{size}"})
        own = settings.model_copy(update={"kafka": alone, "redis": space})
        apply(own.kafka)
        found.append(summary(measure(own, events, size, rounds)))
    lines = [f"{one['slots']:>3} slots: {one['events_per_s']:,} events/s" for one in found]
    front.answer({"machine": machine(), "broker": broker(front), "pipeline": found}, "\n".join(lines))
