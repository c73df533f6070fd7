"""Events per second from a whole topic into a fresh namespace, as `reshelf replay` does it."""

from __future__ import annotations

import resource
import statistics
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bench.events.log import fill
from bench.events.race import forget
from reshelf.namespaces.replay import Options, run
from reshelf.settings import Settings
from streams.kafka.log_source import KafkaSource
from streams.state.connection.client import redis_servers


@dataclass(frozen=True, slots=True)
class Replay:
    """One size of event and so many processes, the whole log: medians over the rounds.

    `us_per_event` is processor time, start of the processes included.
    """

    slots: int
    workers: int
    events: int
    rounds: int
    events_per_s: int
    slot_impressions_per_s: int
    us_per_event: Mapping[str, float]


class Round(NamedTuple):
    """Events a second, and processor time for each in microseconds, of the processes and of Redis."""

    rate: float
    replay_us: float
    redis_us: float


def measure(
    settings: Settings, events: int, slots: int, workers: Sequence[int], rounds: int, say: Callable[[str], None]
) -> list[Replay]:
    """Fill the topic once; then rebuild the state `rounds` times after one that does not count.

    Numbers of processes take turns, so that a machine that is busy for a while is so for all of them.
    """
    fill(settings.kafka, events, slots, seed=slots)
    measured: dict[int, list[Round]] = {count: [] for count in workers}
    for _ in range(rounds + 1):
        for count, results in measured.items():
            results.append(_round(settings, count))
            say(f"{slots} slots, {count} processes: {results[-1].rate:,.0f} events/s")
    return [_median(slots, count, events, results[1:]) for count, results in measured.items()]


def _median(slots: int, workers: int, events: int, results: Sequence[Round]) -> Replay:
    rate, replay_us, redis_us = (statistics.median(figures) for figures in zip(*results, strict=True))
    us_per_event = {"replay": round(replay_us, 1), "redis": round(redis_us, 1)}
    return Replay(slots, workers, events, len(results), round(rate), round(rate * slots), us_per_event)


def _round(settings: Settings, workers: int) -> Round:
    """Into a namespace of its own, which is gone afterwards."""
    namespace = f"bench-{uuid.uuid4().hex[:12]}"
    options = Options("beginning", "end", namespace, workers=workers)
    with redis_servers(settings.redis) as servers:
        try:
            own, redis = _own_cpu_s(), _redis_cpu_s(servers.values())
            done = run(settings, KafkaSource(settings.kafka), options, lambda total, what: _nobody)
            own, redis = _own_cpu_s() - own, _redis_cpu_s(servers.values()) - redis
            count = done.applied.read
            return Round(count / done.seconds, own / count * 1e6, redis / count * 1e6)
        finally:
            for server in servers.values():
                forget(server, namespace)


def _own_cpu_s() -> float:
    """Processor time of this process and of those that it started and that have ended."""
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


def _redis_cpu_s(servers: Iterable[Any]) -> float:
    return float(sum(info["used_cpu_user"] + info["used_cpu_sys"] for info in (server.info() for server in servers)))


def _nobody(count: int) -> None:
    """Nobody watches."""
