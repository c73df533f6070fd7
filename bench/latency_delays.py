"""How long clicks took to come back as layouts: pure functions of what was noted on both sides.

All times are seconds of one steady clock.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from schemas.errors import ReshelfError
from streams.layouts.schedule import Key


@dataclass(frozen=True, slots=True)
class SentClick:
    """A click that the broker took at this place of events-clicks; `produced_at` is when it was sent."""

    key: Key
    partition: int
    offset: int
    produced_at: float


@dataclass(frozen=True, slots=True)
class Sighting:
    """A layout that reached a renderer; `positions` are the next offsets of events-clicks that it reflects."""

    received_at: float
    version: int
    positions: Sequence[int]

    def reflects(self, click: SentClick) -> bool:
        """Whether the click is in the layout, if it is one of the click's page and segment."""
        return click.partition < len(self.positions) and self.positions[click.partition] > click.offset


@dataclass(frozen=True, slots=True)
class Window:
    """What one counted stretch of a rate showed; an infinite delay is a click that was not seen in time.

    CPU is in percent of one core.
    """

    reached_per_s: float
    delays_s: Sequence[float]
    learner_cpu: float
    layouts_cpu: float


@dataclass(frozen=True, slots=True)
class Latency:
    """One rate: `max_ms`, `clicks` and `unseen` over all rounds, the rest medians over the rounds.

    A click that was not seen in time weighs in p50, p99 and maximum as if it had
    come at the limit: a lower bound, where leaving it out would flatter.
    """

    events_per_s: int
    reached_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    clicks: int
    unseen: int
    learner_cpu: float
    layouts_cpu: float
    rounds: int


def delays_s(clicks: Sequence[SentClick], sightings: Mapping[Key, Sequence[Sighting]], limit_s: float) -> list[float]:
    """From each click to the first layout that reflects it; infinite where none came within `limit_s`.

    `sightings` of a key are in the order of their arrival, with growing versions.
    """
    reached: dict[tuple[Key, int], list[int]] = {}
    found = []
    for click in clicks:
        seen, place = sightings.get(click.key, ()), (click.key, click.partition)
        if place not in reached:
            reached[place] = list(accumulate((_position(one, click.partition) for one in seen), max))
        first = bisect_right(reached[place], click.offset)
        delay = seen[first].received_at - click.produced_at if first < len(seen) else math.inf
        found.append(delay if delay <= limit_s else math.inf)
    return found


def _position(sighting: Sighting, partition: int) -> int:
    return sighting.positions[partition] if partition < len(sighting.positions) else 0


def summary(rate: int, windows: Sequence[Window], limit_s: float) -> Latency:
    """The rounds of a rate put together; raises `ReshelfError` where a round has no click."""
    if not all(window.delays_s for window in windows):
        raise ReshelfError(f"no click fell into a round at {rate} events/s: expected some; raise --seconds or --rate")
    quantiles = [_quantiles_ms(window.delays_s, limit_s) for window in windows]
    every = [delay for window in windows for delay in window.delays_s]
    return Latency(
        events_per_s=rate,
        reached_per_s=_median([window.reached_per_s for window in windows]),
        p50_ms=_median([p50 for p50, _, _ in quantiles]),
        p99_ms=_median([p99 for _, p99, _ in quantiles]),
        max_ms=round(max(most for _, _, most in quantiles), 1),
        clicks=len(every),
        unseen=sum(math.isinf(delay) for delay in every),
        learner_cpu=_median([window.learner_cpu for window in windows]),
        layouts_cpu=_median([window.layouts_cpu for window in windows]),
        rounds=len(windows),
    )


def _quantiles_ms(delays: Sequence[float], limit_s: float) -> tuple[float, float, float]:
    p50, p99, most = np.quantile(np.minimum(delays, limit_s), [0.5, 0.99, 1.0]) * 1000
    return float(p50), float(p99), float(most)


def _median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 1)
