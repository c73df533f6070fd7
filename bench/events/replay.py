"""Events per second from a whole topic into a fresh namespace, as `reshelf replay` does it."""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from bench.events.log import fill
from bench.events.race import forget
from reshelf.namespaces.replay import Options, run
from reshelf.settings import Settings
from streams.kafka.log_source import KafkaSource
from streams.state.connection.client import redis_servers


@dataclass(frozen=True, slots=True)
class Replay:
    """One size of event, the whole log: medians over the rounds."""

    slots: int
    events: int
    rounds: int
    events_per_s: int
    slot_impressions_per_s: int


def measure(settings: Settings, events: int, slots: int, rounds: int, say: Callable[[str], None]) -> Replay:
    """Fill the topic once; then rebuild the state `rounds` times after one that does not count."""
    fill(settings.kafka, events, slots, seed=slots)
    rates = []
    for _ in range(rounds + 1):
        rates.append(_rate(settings))
        say(f"{slots} slots: {rates[-1]:,.0f} events/s")
    median = statistics.median(rates[1:])
    return Replay(slots, events, rounds, round(median), round(median * slots))


def _rate(settings: Settings) -> float:
    """Into a namespace of its own, which is gone afterwards."""
    namespace = f"bench-{uuid.uuid4().hex[:12]}"
    try:
        done = run(
            settings, KafkaSource(settings.kafka), Options("beginning", "end", namespace), lambda total, what: _nobody
        )
        return done.applied.read / done.seconds
    finally:
        with redis_servers(settings.redis) as servers:
            for server in servers.values():
                forget(server, namespace)


def _nobody(count: int) -> None:
    """Nobody watches."""
