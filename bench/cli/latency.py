"""`reshelf bench latency`: how soon a click is in a layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bench.options import SLOTS, broker, machine, own_servers, rounds
from reshelf.cli.front import AT_LEAST_ONE, Front

if TYPE_CHECKING:
    from bench.latency.delays import Latency

KEPT_UP = 0.98
"""Share of a rate below which the stream did not keep up with its clock."""


@click.command()
@own_servers
@click.option(
    "--rate",
    type=AT_LEAST_ONE,
    multiple=True,
    default=(1_000, 5_000, 20_000),
    show_default=True,
    help="How many events are sent a second.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1),
    default=15.0,
    show_default=True,
    help="How many seconds of each round count.",
)
@click.option(
    "--warm-up",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="How many seconds each round warms up before it counts.",
)
@click.option(
    "--slow",
    type=click.FloatRange(0.05, 1.0),
    default=1.0,
    show_default=True,
    help="Which share of the time the learner and the layout worker run: they are stopped for the rest of each 10 ms.",
)
@click.option(
    "--views",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="How many page views of the day before each page and segment has counts of: the more, the less a click says.",
)
@rounds
@click.option("--pages", type=AT_LEAST_ONE, default=20, show_default=True, help="How many pages there are.")
@click.option("--segments", type=AT_LEAST_ONE, default=10, show_default=True, help="How many segments each page has.")
@click.option(
    "--items", type=click.IntRange(1, 10_000), default=300, show_default=True, help="How many candidates a page has."
)
@click.option("--slots", type=SLOTS, default=12, show_default=True, help="How many slots a page has.")
@click.option(
    "--variants", type=click.IntRange(1, 256), default=16, show_default=True, help="How many slates a layout has."
)
@click.pass_obj
def latency(
    front: Front,
    rate: tuple[int, ...],
    seconds: float,
    warm_up: float,
    slow: float,
    views: int,
    rounds: int,
    pages: int,
    segments: int,
    items: int,
    slots: int,
    variants: int,
) -> None:
    """Measure how long a click takes to be reflected in a layout, at each rate of events.

    One learner and one layout worker run as processes; 19 of 20 events are impressions of
    one slot, the others clicks, spread evenly over pages and segments.  Rates take turns,
    and each warms up before it counts.  With the defaults that takes about four minutes.

    The first line of a rate has the median and the 99 % quantile in milliseconds.  A click
    that is in no layout after 5 s is counted as unseen, and as 5 s in the figures.  Clicks
    that left their layout unchanged are counted apart, and so are those that were too few
    for another layout, by layouts.growth_share (deferred).  The second line shows where the
    time went: until the key was requested, its turn came, its counts were read, its layout
    was composed, and a renderer had it; and how long clicks and impressions took until they
    were counted in Redis, where that is looked at every 10 ms.  Topics and state are the
    measurement's own, and are deleted afterwards.

    With --slow 0.5 both workers are as on a machine half as fast, whatever they do; broker
    and Redis are not.  The system stops and continues the processes (SIGSTOP, SIGCONT).

    Example: reshelf bench latency --broker embedded --rate 1000
    """
    from dataclasses import asdict

    from bench.latency.run import Options, measure
    from bench.latency.traffic import Shop

    order = Options(tuple(dict.fromkeys(rate)), seconds, warm_up, rounds, slow, views)
    shop = Shop(pages, segments, items, slots, variants)
    results = measure(front.settings, shop, order, leave_clean=not front.embedded)
    content = {
        "machine": machine(),
        "broker": broker(front),
        "slow": slow,
        "views_before": views,
        "rates": [asdict(result) for result in results],
    }
    front.answer(content, "\n".join(_line(result) for result in results))


def _line(rate: Latency) -> str:
    behind = f"; reached {rate.reached_per_s:,.0f}/s only" if rate.reached_per_s < KEPT_UP * rate.events_per_s else ""
    stages = ", ".join(f"{name} {p50:,.0f} / {p99:,.0f}" for name, (p50, p99) in rate.stages_ms.items())
    counted = ", ".join(f"{kind} {p50:,.0f} / {p99:,.0f}" for kind, (p50, p99) in rate.counted_ms.items())
    return (
        f"{rate.events_per_s:>6,} events/s: click to layout {rate.p50_ms:,.0f} / {rate.p99_ms:,.0f} ms (p50 / p99), "
        f"{rate.max_ms:,.0f} ms at most; of {rate.clicks:,} clicks {rate.deferred:,} were deferred, "
        f"{rate.unchanged:,} changed no layout, "
        f"{rate.unseen:,} were unseen; {rate.composed_per_s:,.0f} layouts/s; "
        f"CPU of learner {rate.learner_cpu:.0f} %, of layouts {rate.layouts_cpu:.0f} %{behind}\n"
        f"    {stages}; counted: {counted}"
    )
