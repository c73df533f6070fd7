"""`reshelf bench spread`: what an event costs when visitors spread over many keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bench.options import machine, rounds
from reshelf.cli.front import AT_LEAST_ONE, Front

if TYPE_CHECKING:
    from bench.events.spread import Cost


@click.command()
@click.option(
    "--keys",
    type=AT_LEAST_ONE,
    multiple=True,
    default=(200, 1_000, 5_000, 30_000),
    show_default=True,
    help="How many keys there are.",
)
@click.option(
    "--batch",
    type=AT_LEAST_ONE,
    multiple=True,
    default=(200, 2_000),
    show_default=True,
    help="How many events come at once; the more, the further a learner is behind.",
)
@click.option("--events", type=AT_LEAST_ONE, default=10_000, show_default=True, help="How many events each round has.")
@rounds
@click.pass_obj
def spread(front: Front, keys: tuple[int, ...], batch: tuple[int, ...], events: int, rounds: int) -> None:
    """Measure what a twelve-slot event costs the learner and Redis among few and many keys.

    Events come to keys by Zipf's law, on pages of 50 segments and 1,000 items.  The figures are
    microseconds of processor for an event.  A run takes a few minutes; it starts a Redis of its
    own and needs no broker.

    Example: reshelf bench spread --keys 200 --keys 5000
    """
    import asyncio
    from dataclasses import asdict

    from bench.events.spread import growth

    costs = asyncio.run(_measured(sorted(set(keys)), sorted(set(batch)), events, rounds))
    grown = growth(costs)
    lines = [f"{'keys':>7}{'batch':>7}{'tables':>8}{'fold':>8}{'write':>8}{'Redis':>8}{'all':>8}{'at first':>10}"]
    lines += [
        f"{row.keys:>7}{row.batch:>7}{row.tables:>8.2f}{row.fold_us:>8.1f}{row.write_us:>8.1f}{row.redis_us:>8.1f}"
        f"{row.us:>8.1f}{row.first_us:>10.1f}"
        for row in costs
    ]
    lines += [f"batches of {size}: {times} times as much among the most keys" for size, times in grown.items()]
    rows = [asdict(row) | {"us": round(row.us, 1)} for row in costs]
    content = {"machine": machine(), "broker": "none", "redis": "embedded", "by_keys": rows, "growth": grown}
    front.answer(content, "\n".join(lines))


async def _measured(keys: list[int], batches: list[int], events: int, rounds: int) -> list[Cost]:
    from redis.asyncio import Redis

    from bench.events.spread import measure
    from reshelf.processes.servers import embedded_redis

    costs = []
    for count in keys:
        with embedded_redis() as url:
            async with Redis.from_url(url) as redis:
                costs += await measure(redis, count, batches, events, rounds)
    return costs
