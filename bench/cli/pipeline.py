"""`reshelf bench pipeline`: events per second from the log into the state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bench.options import SLOTS, broker, machine, own_servers, rounds, with_own_topics
from bench.peers import PEERS
from reshelf.cli.front import AT_LEAST_ONE, Front

if TYPE_CHECKING:
    from bench.events.pipeline import Pipeline
    from bench.events.signals import SignalRates

PYTHON = "python"
"""Reshelf itself without compiled code."""


@click.command()
@own_servers
@click.option("--events", type=AT_LEAST_ONE, default=400_000, show_default=True, help="How many events the log has.")
@rounds
@click.option(
    "--slots", type=SLOTS, default=(1, 12), multiple=True, show_default=True, help="How many slots an event has."
)
@click.option(
    "--peers",
    type=click.Choice([PYTHON, *PEERS, "all", "none"]),
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
@click.option(
    "--signals",
    type=click.IntRange(min=0),
    default=50_000,
    show_default=True,
    help="How many signals, and how many purchases, attribution decides in the last line; 0: none.",
)
@click.pass_obj
def pipeline(
    front: Front,
    events: int,
    rounds: int,
    slots: tuple[int, ...],
    peers: tuple[str, ...],
    workers: tuple[int, ...],
    signals: int,
) -> None:
    """Measure how many events a second learners bring from the log into the state.

    Everything is switched on, as in production.  Each contender is timed over the same log;
    the figures are events a second, and how many times as many as the contender Reshelf
    takes in; then microseconds of processor for an event in all processes of the contender,
    with how many times as much Reshelf takes, and in Redis.  Below are what each contender
    guarantees.  A last line has signals, in rounds of their own: how many a second
    attribution credits and a learner counts, and how many purchases attribution decides,
    beside impressions (signals_ratio: that of the slower step).  Its bound is what reading
    a signal and writing a credit comes to in Python before anything is judged, kept and
    written exactly once (signals_bound_ratio).  A run takes a few minutes,
    more with slow peers.  It writes to topics of its own, but wants a broker and Redis that
    nobody else uses: --broker starts them.  Pathway is under the Business Source License,
    which lets anybody run it for a measurement.

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
    lines = [_text(result) for result in results]
    if signals:
        rates = _signals(front, slots[0], (events, signals), rounds)
        content |= {"signals": _plain_rates(rates)} | rates.ratios()
        lines.append(_signals_text(rates))
    front.answer(content | _one_slot_ratios(results), "\n".join(lines))


def _signals(front: Front, slots: int, sizes: tuple[int, int], rounds: int) -> SignalRates:
    from functools import partial
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from bench.events.signals import measure_signals

    own = partial(with_own_topics, front.settings)
    with TemporaryDirectory(prefix="reshelf-bench-") as folder:
        return measure_signals(own(f"bench-{slots}"), own, sizes, rounds, Path(folder), _say)


def _plain_rates(rates: SignalRates) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(rates)


def _signals_text(rates: SignalRates) -> str:
    ratios = rates.ratios()
    impression, credit, signal, purchase, bound = rates.processor_us
    return (
        f"signals: {rates.signals_per_s:,}/s credited ({signal} µs of processor each), {rates.credits_per_s:,}/s "
        f"counted ({credit} µs), beside {rates.impressions_per_s:,} impressions/s ({impression} µs): "
        f"x{ratios['signals_ratio']}; purchases {rates.purchases_per_s:,}/s ({purchase} µs): "
        f"x{ratios['purchases_ratio']}; bound, reading and writing alone: {rates.bound_per_s:,} signals/s "
        f"({bound} µs): x{ratios['signals_bound_ratio']}"
    )


def _chosen(peers: tuple[str, ...]) -> list[str]:
    """Who takes part; of all, those that are installed."""
    missing = [name for name, peer in PEERS.items() if (name in peers or "all" in peers) and not peer.installed]
    hint = f"not installed: {', '.join(missing)}. `make bench` installs the peers that this Python has packages of."
    if missing and "all" not in peers:
        raise click.UsageError(f"--peers: {hint}")
    if missing:
        _say(hint)
    return [name for name in (PYTHON, *PEERS) if (name in peers or "all" in peers) and name not in missing]


def _say(text: str) -> None:
    click.echo(text, err=True)


def _plain(result: Pipeline) -> dict[str, Any]:
    from dataclasses import asdict

    speed = {"events_per_s": result.events_per_s, "slot_impressions_per_s": result.slot_impressions_per_s}
    return asdict(result) | speed | {"ratios": result.ratios(), "processor_ratios": result.processor_ratios()}


def _one_slot_ratios(results: list[Pipeline]) -> dict[str, float]:
    of_one_slot = [result for result in results if result.slots == 1]
    rates = {f"one_slot_ratio_to_{_key(name)}": ratio for each in of_one_slot for name, ratio in each.ratios().items()}
    spent = {
        f"one_slot_processor_ratio_to_{_key(name)}": ratio
        for each in of_one_slot
        for name, ratio in each.processor_ratios().items()
    }
    return rates | spent | {"slot_impressions_per_s": max(result.slot_impressions_per_s for result in results)}


def _key(name: str) -> str:
    return {"bare": "bare_loop"}.get(name, name)


def _text(result: Pipeline) -> str:
    ratios, spent = result.ratios(), result.processor_ratios()
    lines = [
        f"{result.slots} slots, {result.bytes_per_event} bytes: {result.slot_impressions_per_s:,} slot impressions/s"
    ]
    for name, rate in result.rates.items():
        times = f"x{ratios[name]}" if name in ratios else ""
        share = f"x{spent[name]}" if name in spent else ""
        lines.append(
            f"  {name:<18}{rate:>10,} events/s {times:<8}{result.processor_us[name]:>7.2f} µs an event {share:<6}"
            f"{result.redis_us[name]:>6.2f} in Redis"
        )
    lines += [f"  {name}: {text}" for name, text in result.guarantees.items()]
    return "\n".join(lines)
