"""Events per second from the log into the state, everything on, compared with others at the same job.

The topic is filled first.  In each round every contender reads it once from its
beginning; the order turns from round to round, and the first round warms up.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.events.log import fill
from bench.events.race import OURS, Contender, rate
from bench.peers import BATCHES
from reshelf.settings import Settings

_TAKEN = {"faust": 1, "faust_take": 1_000, "quix": 10_000, "bytewax": 5_000}
"""Events for each script of the peers other than the bare loop."""
LIMIT_S = 10.0
"""Slower contenders are timed over the part of the log that they finish in this time."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One size of event: medians over the rounds; `rates` in events per second by contender."""

    slots: int
    events: int
    bytes_per_event: int
    rounds: int
    rates: dict[str, int]
    bare_batch: int | None

    @property
    def events_per_s(self) -> int:
        return self.rates[OURS.name]

    @property
    def slot_impressions_per_s(self) -> int:
        return self.events_per_s * self.slots

    def ratios(self) -> dict[str, float]:
        """Our rate against each peer's."""
        others = {name: rate for name, rate in self.rates.items() if not name.startswith(OURS.name)}
        return {name: round(self.events_per_s / rate, 2) for name, rate in others.items()}


def measure(
    settings: Settings, events: int, slots: int, rounds: int, peers: Sequence[str], workers: Sequence[int], say: Say
) -> Pipeline:
    """Fill the topic and time everyone `rounds` times; `say` is called with each figure as it comes."""
    size = fill(settings.kafka, events, slots, seed=slots)

    def timed(contender: Contender) -> float:
        events_per_s = rate(contender, settings, events, LIMIT_S)
        say(f"{slots} slots: {contender.name} {events_per_s:,.0f} events/s")
        return events_per_s

    batch = max(BATCHES, key=lambda size: timed(Contender("bare", size))) if "bare" in peers else None
    ours = [OURS, *(Contender(f"reshelf_{count}_workers", workers=count) for count in workers if count > 1)]
    if "python" in peers:
        ours.append(Contender("reshelf_python", compiled=False))
    others = [
        Contender(name, batch if name == "bare" and batch else _TAKEN[name]) for name in peers if name != "python"
    ]
    rates = _rounds([*ours, *others], rounds, timed)
    return Pipeline(slots, events, size, rounds, rates, batch)


def _rounds(everyone: list[Contender], rounds: int, timed: Callable[[Contender], float]) -> dict[str, int]:
    rates_by_name: dict[str, list[float]] = {contender.name: [] for contender in everyone}
    for turn in range(rounds + 1):
        at = turn % len(everyone)
        for contender in everyone[at:] + everyone[:at]:
            rates_by_name[contender.name].append(timed(contender))
    return {name: round(statistics.median(rates[1:])) for name, rates in rates_by_name.items()}
