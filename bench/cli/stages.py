"""`reshelf bench stages`: what each step from the log to the state costs."""

from __future__ import annotations

import click

from bench.options import SLOTS, broker, machine, own_servers, with_own_topics
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@own_servers
@click.option("--slots", type=SLOTS, default=(1, 12), multiple=True, show_default=True, help="Slots of an event.")
@click.option("--events", type=AT_LEAST_ONE, default=100_000, show_default=True, help="Events in the log.")
@click.pass_obj
def stages(front: Front, slots: tuple[int, ...], events: int) -> None:
    """Microseconds for an event in each step from the log to the state.

    The ratios compare the compiled fold with itself: the time of a plain event divided
    by that of one on a page called häuser that has a field of its producer's own, in
    UTF-8 (unicode_ratio) or with escapes (escaped_ratio).

    Give it a broker and Redis of its own: it writes to topics of its own there.

    Example: reshelf bench stages --broker embedded
    """
    import asyncio
    from dataclasses import asdict

    from bench.events.fold_paths import measure_paths, worst_of
    from bench.events.log import fill
    from bench.events.stages import measure

    found, ratios = {}, {}
    for size in slots:
        own = with_own_topics(front.settings, f"stages-{size}")
        fill(own.kafka, events, size, seed=size)
        found[size] = asyncio.run(measure(own.changed(redis={"namespace": f"stages-{size}"}), events))
        ratios[size] = measure_paths(own, events, size)
    content = [
        {"slots": size, "stages": [asdict(one) for one in rows], **asdict(ratios[size])} for size, rows in found.items()
    ]
    worst = asdict(worst_of(ratios.values()))
    lines = [f"{'':<34}" + "".join(f"{size:>4} slots" for size in found)]
    for rows in zip(*found.values(), strict=True):
        lines.append(f"{rows[0].name:<34}" + "".join(f"{one.us:>10.2f}" for one in rows))
    lines += [f"{name}, the worst of these: {ratio}" for name, ratio in worst.items() if ratio is not None]
    front.answer({"machine": machine(), "broker": broker(front), "events": content, **worst}, "\n".join(lines))
