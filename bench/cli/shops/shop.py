"""`reshelf bench shop`: what each part takes in a shop of some size."""

from __future__ import annotations

from dataclasses import replace

import click

from bench.options import broker, machine, own_servers, teller
from reshelf.cli.front import AT_LEAST_ONE, Front

PARTS = (
    "learner",
    "layouts",
    "attribution",
    "fitter",
    "edge",
    "console",
    "encoder",
    "replay",
    "reads",
    "rebalance",
    "together",
    "workers",
)


@click.command()
@own_servers
@click.option("--size", type=click.Choice(["S", "M", "L"]), default="S", show_default=True, help="How large it is.")
@click.option(
    "--part",
    type=click.Choice(PARTS),
    multiple=True,
    default=PARTS,
    show_default=True,
    help="What is measured, one after another; may be repeated.",
)
@click.option("--rate", type=click.FloatRange(min=1), help="Events a second.  [default: 500, 5,000 or 50,000 by size]")
@click.option("--seconds", type=click.FloatRange(min=0.5), default=20.0, show_default=True, help="Traffic that counts.")
@click.option(
    "--rest-seconds",
    type=click.FloatRange(min=0),
    help="How long layouts are counted without any event; in half of layouts.ttl_ms each is composed again.  "
    "[default: as --seconds]",
)
@click.option("--warm-up", type=click.FloatRange(min=0), default=5.0, show_default=True, help="Seconds before.")
@click.option(
    "--backlog",
    type=click.IntRange(min=0),
    default=100_000,
    show_default=True,
    help="Events that wait for a part that is timed; 0: it is not.",
)
@click.option(
    "--settle-seconds",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="After the last event, before lag counts.",
)
@click.option("--days", type=AT_LEAST_ONE, help="Days that the state holds.  [default: 30 or 90 by size]")
@click.option(
    "--share",
    default="1/1",
    show_default=True,
    metavar="1/N",
    help="Only the pages and segments of one of N workers, and its part of the rate.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Another makes another shop.")
@click.option(
    "--process-mb", type=AT_LEAST_ONE, default=6_000, show_default=True, help="A part that takes more is ended."
)
@click.option("--redis-mb", type=AT_LEAST_ONE, help="Most of the state.  [default: half of the memory that is free]")
@click.option(
    "--shards",
    type=click.IntRange(min=2),
    help="Start a Redis Cluster of so many shards for the measurement; only with --broker.",
)
@click.pass_obj
def shop(
    front: Front,
    size: str,
    part: tuple[str, ...],
    rate: float | None,
    seconds: float,
    rest_seconds: float | None,
    warm_up: float,
    backlog: int,
    settle_seconds: float,
    days: int | None,
    share: str,
    seed: int,
    process_mb: int,
    redis_mb: int | None,
    shards: int | None,
) -> None:
    """What each PART takes in a shop of size S, M or L.

    Catalog and page rules are published, the counts of all keys over all days are written
    straight into Redis, and traffic goes through the topics: by Zipf's law over pages,
    segments and items.  Each part runs as a process.  A part that cannot run at a size
    is told with the reason.  Where memory is too little for all days, the state holds fewer.
    Topics and state are the measurement's own, and are deleted afterwards.

    Example: reshelf bench shop --broker embedded --size S --part learner
    """
    from bench.shop.report import table
    from bench.shop.run import measure
    from bench.shop.size import SIZES, Share
    from bench.shop.workplace import Options

    if shards and not front.embedded:
        raise click.UsageError("--shards starts a Redis Cluster, and only with --broker are servers started.")
    front.shards = shards
    chosen, workers = SIZES[size], _workers(share)
    chosen = replace(chosen, days=days or chosen.days)
    options = Options(
        rate=(rate or chosen.rate) / workers,
        seconds=seconds,
        warm_up_s=warm_up,
        rest_s=seconds if rest_seconds is None else rest_seconds,
        settle_s=settle_seconds,
        backlog=backlog,
        process_mb=process_mb,
        redis_mb=redis_mb,
        remains=not (front.embedded or front.kafka_home),
    )
    figures = measure(front.settings, chosen, tuple(dict.fromkeys(part)), options, Share(workers), seed, teller())
    content = {"machine": machine(), "broker": broker(front), "shards": shards or 1, **figures}
    front.answer(content, table(content))


def _workers(share: str) -> int:
    entry, _, workers = share.partition("/")
    if entry != "1" or not workers.isdigit() or not int(workers):
        raise click.BadParameter(f"expected 1/N, as 1/16, got {share!r}", param_hint="--share")
    return int(workers)
