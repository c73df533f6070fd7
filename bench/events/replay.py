"""Events per second from a whole topic into a fresh namespace, as `reshelf replay` does it."""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.events.log import fill
from bench.events.race import forget
from reshelf.namespaces.replay import Options, run
from reshelf.settings import Settings
from streams.kafka.log_source import KafkaSource
from streams.state.connection.client import redis_servers


@dataclass(frozen=True, slots=True)
class Replay:
    """One size of event and so many processes, the whole log: medians over the rounds."""

    slots: int
    workers: int
    events: int
    rounds: int
    events_per_s: int
    slot_impressions_per_s: int


def measure(
    settings: Settings, events: int, slots: int, workers: Sequence[int], rounds: int, say: Callable[[str], None]
) -> list[Replay]:
    """Fill the topic once; then rebuild the state `rounds` times after one that does not count.

    Numbers of processes take turns, so that a machine that is busy for a while is so for all of them.
    """
    fill(settings.kafka, events, slots, seed=slots)
    rates: dict[int, list[float]] = {count: [] for count in workers}
    for _ in range(rounds + 1):
        for count, measured in rates.items():
            measured.append(_rate(settings, count))
            say(f"{slots} slots, {count} processes: {measured[-1]:,.0f} events/s")
    medians = {count: statistics.median(measured[1:]) for count, measured in rates.items()}
    return [Replay(slots, count, events, rounds, round(rate), round(rate * slots)) for count, rate in medians.items()]


def _rate(settings: Settings, workers: int) -> float:
    """Into a namespace of its own, which is gone afterwards."""
    namespace = f"bench-{uuid.uuid4().hex[:12]}"
    options = Options("beginning", "end", namespace, workers=workers)
    try:
        done = run(settings, KafkaSource(settings.kafka), options, lambda total, what: _nobody)
        return done.applied.read / done.seconds
    finally:
        with redis_servers(settings.redis) as servers:
            for server in servers.values():
                forget(server, namespace)


def _nobody(count: int) -> None:
    """Nobody watches."""
