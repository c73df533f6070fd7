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
@click.option("--events", type=AT_LEAST_ONE, default=400_000, show_default=True, help="Events in the log.")
@rounds
@click.option("--slots", type=SLOTS, default=(1, 12), multiple=True, show_default=True, help="Slots of an event.")
@click.option(
    "--peers",
    type=click.Choice([*PEERS, "all", "none"]),
    default=("bare",),
    multiple=True,
    show_default=True,
    help="Who does the same job beside it: python is Reshelf with nothing compiled; `make bench` installs the others.",
)
@click.option(
    "--workers", type=AT_LEAST_ONE, default=(1,), multiple=True, show_default=True, help="Learners at the same time."
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
    """Events per second from the log into the state, by learners with everything on.

    Options may be repeated. Give it a broker and Redis of its own (or --embedded):
    it writes to topics of its own there.

    Example: reshelf bench pipeline --broker embedded --peers none
    """
    from bench.events.pipeline import measure

    chosen = _chosen(peers)
    found = []
    for size in slots:
        own = with_own_topics(front.settings, f"bench-{size}")
        found.append(measure(own, events, size, rounds, chosen, sorted(set(workers)), _say))
    content: dict[str, Any] = {
        "machine": machine(),
        "broker": broker(front),
        "pipeline": [_plain(one) for one in found],
    }
    front.answer(content | _one_slot_ratios(found), "\n".join(map(_text, found)))


def _chosen(peers: tuple[str, ...]) -> list[str]:
    if "all" in peers:
        return list(PEERS)
    return [name for name in PEERS if name in peers]


def _say(text: str) -> None:
    click.echo(text, err=True)


def _plain(found: Pipeline) -> dict[str, Any]:
    from dataclasses import asdict

    speed = {"events_per_s": found.events_per_s, "slot_impressions_per_s": found.slot_impressions_per_s}
    return asdict(found) | speed | {"ratios": found.ratios()}


def _one_slot_ratios(found: list[Pipeline]) -> dict[str, float]:
    names = {"bare": "bare_loop"}
    ratios = {name: ratio for one in found if one.slots == 1 for name, ratio in one.ratios().items()}
    keys = {f"one_slot_ratio_to_{names.get(name, name)}": ratio for name, ratio in ratios.items()}
    return keys | {"slot_impressions_per_s": max(one.slot_impressions_per_s for one in found)}


def _text(found: Pipeline) -> str:
    head = f"{found.slots} slots, {found.bytes_per_event} bytes: {found.slot_impressions_per_s:,} slot impressions/s"
    rows = [f"  {name:<18}{rate:>10,} events/s" for name, rate in found.rates.items()]
    ratios = found.ratios()
    rows = [
        row + (f"   x{ratios[name]}" if name in ratios else "") for row, name in zip(rows, found.rates, strict=True)
    ]
    return "\n".join([head, *rows])
