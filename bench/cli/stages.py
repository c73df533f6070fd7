"""`reshelf bench stages` and `attribution`: what each step from the log to the state costs."""

from __future__ import annotations

import click

from bench.options import SLOTS, broker, machine, own_servers, with_own_topics
from reshelf.cli.front import AT_LEAST_ONE, Front


@click.command()
@own_servers
@click.option(
    "--slots", type=SLOTS, default=(1, 12), multiple=True, show_default=True, help="How many slots an event has."
)
@click.option("--events", type=AT_LEAST_ONE, default=100_000, show_default=True, help="How many events the log has.")
@click.pass_obj
def stages(front: Front, slots: tuple[int, ...], events: int) -> None:
    """Measure how many microseconds each step from the log to the state takes for one event.

    There is a column for each number of slots.  The ratios compare the compiled fold with
    itself: the time of a plain event divided by that of one on a page called häuser that
    has a field of its producer's own, in UTF-8 (unicode_ratio) or with escapes
    (escaped_ratio).  A run takes some minutes.  It writes to topics of its own, but wants
    a broker and Redis that nobody else uses: --broker starts them.

    Example: reshelf bench stages --broker embedded
    """
    import asyncio
    from dataclasses import asdict

    from bench.events.fold_paths import measure_paths, worst_of
    from bench.events.log import fill
    from bench.events.stages import measure

    by_size, ratios = {}, {}
    for size in slots:
        own = with_own_topics(front.settings, f"stages-{size}")
        fill(own.kafka, events, size, seed=size)
        by_size[size] = asyncio.run(measure(own.changed(redis={"namespace": f"stages-{size}"}), events))
        ratios[size] = measure_paths(own, events, size)
    content = [
        {"slots": size, "stages": [asdict(stage) for stage in rows], **asdict(ratios[size])}
        for size, rows in by_size.items()
    ]
    worst = asdict(worst_of(ratios.values()))
    lines = [f"{'':<34}" + "".join(f"{size:>4} slots" for size in by_size)]
    for rows in zip(*by_size.values(), strict=True):
        lines.append(f"{rows[0].name:<34}" + "".join(f"{stage.us:>10.2f}" for stage in rows))
    lines += [f"{name}, the worst of these: {ratio}" for name, ratio in worst.items() if ratio is not None]
    front.answer({"machine": machine(), "broker": broker(front), "events": content, **worst}, "\n".join(lines))


@click.command()
@click.option(
    "--clicks", type=AT_LEAST_ONE, default=1_000_000, show_default=True, help="How many clicks are remembered."
)
@click.option(
    "--purchases", type=AT_LEAST_ONE, default=10_000, show_default=True, help="How many purchases are decided then."
)
@click.option(
    "--days", type=click.FloatRange(min=0.1), default=7.0, show_default=True, help="How many days the clicks cover."
)
@click.pass_obj
def attribution(front: Front, clicks: int, purchases: int, days: float) -> None:
    """Measure how many clicks a second attribution remembers, and how many purchases it decides.

    One partition on one core, without broker and Redis; half of the purchases are of
    visitors who never clicked.  Clicks are written into a folder for the measurement
    alone, within attribution.folder where that is set.  A worker whose disk is lost
    reads the clicks of its window again at the same rate.

    Example: reshelf bench attribution --clicks 5000000
    """
    from dataclasses import asdict
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from bench.events.attribution import measure

    own = front.settings.attribution
    parent = Path(own.folder) if own.folder else None
    if parent is not None:
        parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="reshelf-bench-", dir=parent) as folder:
        cost = measure(Path(folder), clicks, purchases, days, own.memory_mb)
    lines = [
        f"clicks remembered      {cost.clicks_per_s:>10,.0f}/s",
        f"purchases decided      {cost.purchases_per_s:>10,.0f}/s  {cost.verdicts}",
        f"disk for a click       {cost.bytes_on_disk_per_click:>10} bytes",
        f"memory of the process  {', '.join(f'{size:,.0f}' for size in cost.resident_mb)} MB",
    ]
    front.answer({"machine": machine(), **asdict(cost)}, "\n".join(lines))
