"""Events per second from the log into the state, everything on, compared with others at the same job.

The topic is filled first.  In each round every contender reads it once from its
beginning; the order turns from round to round, and the first round warms up.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.events.log import fill
from bench.events.race import OURS, Contender, Timing, time_contender
from bench.peers import BATCHES, PEERS
from reshelf.settings import Settings

LIMIT_S = 10.0
"""Slower contenders are timed over the part of the log that they finish in this time."""
GUARANTEES = "duplicates, late and invalid events do not count; after a crash each event counts once"
"""What holds for our own counts."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One size of event: medians over the rounds, by contender.

    `rates` are events per second; `processor_us` and `redis_us` what an event takes of a processor, in all
    processes of the contender and in Redis; `guarantees` what holds for its counts.
    """

    slots: int
    events: int
    bytes_per_event: int
    rounds: int
    rates: dict[str, int]
    processor_us: dict[str, float]
    redis_us: dict[str, float]
    guarantees: dict[str, str]
    bare_batch: int | None

    @property
    def events_per_s(self) -> int:
        return self.rates[OURS.name]

    @property
    def slot_impressions_per_s(self) -> int:
        return self.events_per_s * self.slots

    def ratios(self) -> dict[str, float]:
        """Our rate against each peer's."""
        return {name: round(self.events_per_s / self.rates[name], 2) for name in _others(self.rates)}

    def processor_ratios(self) -> dict[str, float]:
        """Our processor time for an event against each peer's."""
        spent = self.processor_us
        return {name: round(spent[OURS.name] / spent[name], 2) for name in _others(spent)}


def _others(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.startswith(OURS.name)]


def measure(
    settings: Settings, events: int, slots: int, rounds: int, peers: Sequence[str], workers: Sequence[int], say: Say
) -> Pipeline:
    """Fill the topic and time everyone `rounds` times; `say` is called with each figure as it comes."""
    size = fill(settings.kafka, events, slots, seed=slots)

    def timed(contender: Contender) -> Timing:
        timing = time_contender(contender, settings, events, LIMIT_S)
        say(
            f"{slots} slots: {contender.name} {timing.events_per_s:,.0f} events/s, "
            f"{timing.processor_us:.2f} µs of processor an event, and {timing.redis_us:.2f} in Redis"
        )
        return timing

    batch = None
    if "bare" in peers:
        batch = max(BATCHES, key=lambda size: timed(Contender("bare", size)).events_per_s)
    ours = [OURS, *(Contender(f"reshelf_{count}_workers", workers=count) for count in workers if count > 1)]
    if "python" in peers:
        ours.append(Contender("reshelf_python", compiled=False))
    others = [
        Contender(name, batch if name == "bare" and batch else PEERS[name].batch) for name in peers if name != "python"
    ]
    timings = time_rounds([*ours, *others], rounds, timed)
    guarantees = {name: PEERS[name].guarantees if name in PEERS else GUARANTEES for name in timings}
    rates = {name: round(timing.events_per_s) for name, timing in timings.items()}
    spent = {name: round(timing.processor_us, 2) for name, timing in timings.items()}
    of_redis = {name: round(timing.redis_us, 2) for name, timing in timings.items()}
    return Pipeline(slots, events, size, rounds, rates, spent, of_redis, guarantees, batch)


def time_rounds(everyone: list[Contender], rounds: int, timed: Callable[[Contender], Timing]) -> dict[str, Timing]:
    """The medians over the rounds, by contender; one more round warms up."""
    by_name: dict[str, list[Timing]] = {contender.name: [] for contender in everyone}
    for turn in range(rounds + 1):
        at = turn % len(everyone)
        for contender in everyone[at:] + everyone[:at]:
            by_name[contender.name].append(timed(contender))
    return {name: Timing(*map(statistics.median, zip(*timings[1:], strict=True))) for name, timings in by_name.items()}
