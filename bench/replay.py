"""Events per second from a whole topic into a fresh namespace, by one learner with everything on."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from bench.log import fill
from bench.race import OURS, rate
from reshelf.settings import Settings

_LIMIT_S = 300.0


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
        rates.append(rate(OURS, settings, events, _LIMIT_S))
        say(f"{slots} slots: {rates[-1]:,.0f} events/s")
    median = statistics.median(rates[1:])
    return Replay(slots, events, rounds, round(median), round(median * slots))
