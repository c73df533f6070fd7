"""`reshelf bench pipeline`: events per second from the log into the state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bench.options import SLOTS, broker, machine, own_servers, rounds, with_own_topics
from reshelf.cli.front import AT_LEAST_ONE, Front

if TYPE_CHECKING:
    from bench.events.pipeline import Pipeline

PEERS = ("python", "bare", "faust_take", "faust", "quix", "bytewax")


@click.command()
@own_servers
@click.option("--events", type=AT_LEAST_ONE, default=400_000, show_default=True, help="How many events the log has.")
@rounds
@click.option(
    "--slots", type=SLOTS, default=(1, 12), multiple=True, show_default=True, help="How many slots an event has."
)
@click.option(
    "--peers",
    type=click.Choice([*PEERS, "all", "none"]),
    default=("bare",),
    multiple=True,
    show_default=True,
    help="Who does the same job for comparison; `python` is Reshelf uncompiled, and `make bench` installs the others.",
)
@click.option(
    "--workers",
    type=AT_LEAST_ONE,
    default=(1,),
    multiple=True,
    show_default=True,
    help="How many learners run at the same time.",
)
@click.pass_obj
def pipeline(
    front: Front,
    events: int,
    rounds: int,
    slots: tuple[int, ...],
    peers: tuple[str, ...],
    workers: tuple[int, ...],
) -> None:
    """Measure how many events a second learners bring from the log into the state.

    Everything is switched on, as in production.  Each contender is timed over the same log;
    the figures are events a second, and how many times as many as the contender Reshelf
    takes in.  A run takes a few minutes, more with slow peers.  It writes to topics of its
    own, but wants a broker and Redis that nobody else uses: --broker starts them.

    Example: reshelf bench pipeline --broker embedded --peers none
    """
    from bench.events.pipeline import measure

    chosen = _chosen(peers)
    results = []
    for size in slots:
        own = with_own_topics(front.settings, f"bench-{size}")
        results.append(measure(own, events, size, rounds, chosen, sorted(set(workers)), _say))
    content: dict[str, Any] = {
        "machine": machine(),
        "broker": broker(front),
        "pipeline": [_plain(result) for result in results],
    }
    front.answer(content | _one_slot_ratios(results), "\n".join(map(_text, results)))


def _chosen(peers: tuple[str, ...]) -> list[str]:
    if "all" in peers:
        return list(PEERS)
    return [name for name in PEERS if name in peers]


def _say(text: str) -> None:
    click.echo(text, err=True)


def _plain(result: Pipeline) -> dict[str, Any]:
    from dataclasses import asdict

    speed = {"events_per_s": result.events_per_s, "slot_impressions_per_s": result.slot_impressions_per_s}
    return asdict(result) | speed | {"ratios": result.ratios()}


def _one_slot_ratios(results: list[Pipeline]) -> dict[str, float]:
    names = {"bare": "bare_loop"}
    ratios = {name: ratio for result in results if result.slots == 1 for name, ratio in result.ratios().items()}
    keys = {f"one_slot_ratio_to_{names.get(name, name)}": ratio for name, ratio in ratios.items()}
    return keys | {"slot_impressions_per_s": max(result.slot_impressions_per_s for result in results)}


def _text(result: Pipeline) -> str:
    head = f"{result.slots} slots, {result.bytes_per_event} bytes: {result.slot_impressions_per_s:,} slot impressions/s"
    rows = [f"  {name:<18}{rate:>10,} events/s" for name, rate in result.rates.items()]
    ratios = result.ratios()
    rows = [
        row + (f"   x{ratios[name]}" if name in ratios else "") for row, name in zip(rows, result.rates, strict=True)
    ]
    return "\n".join([head, *rows])
