"""How long it takes until what was published after a fault is in the state."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from reshelf.drill.plan import Kind
from schemas.topics import CLICKS, CONVERSIONS, IMPRESSIONS, PURCHASES
from streams.kafka.records import TopicPartition
from streams.state.watermark import Watermark

TARGET_S = 1.0
"""How long after the healing records are published that readers have to reach."""
READERS = ((IMPRESSIONS.name, ""), (CLICKS.name, ""), (CLICKS.name, "a"), (PURCHASES.name, "a"))
"""Topics, and how the names of the groups that follow them begin."""
CONVERTED = (CONVERSIONS.name, "")

Ends = dict[TopicPartition, int]
Read = Callable[[Sequence[str]], list[Any]]
"""The values of keys in Redis."""


@dataclass(slots=True)
class _Waiting:
    kind: Kind
    healed_at: float
    target: Ends = field(default_factory=dict)


class Watch:
    """Reads the watermarks of all groups and times each fault's recovery."""

    def __init__(self, namespace: str, groups: int, partitions: int) -> None:
        self._base = f"reshelf:{{{namespace}:"
        self._groups = groups
        self._partitions = partitions
        self._waiting: list[_Waiting] = []
        self.recovered: dict[Kind, list[float]] = defaultdict(list)

    @property
    def waits(self) -> bool:
        return bool(self._waiting)

    def healed(self, kind: Kind, now: float) -> None:
        """The fault is over; from now on the time runs."""
        self._waiting.append(_Waiting(kind, now))

    def look(self, reached: list[Ends], ends: Ends, now: float) -> None:
        """Compare the state with what was acknowledged up to each target."""
        still = []
        for fault in self._waiting:
            if not fault.target and now >= fault.healed_at + TARGET_S:
                fault.target = dict(ends)
            if fault.target and not missing(reached, fault.target):
                self.recovered[fault.kind].append(now - fault.healed_at)
            else:
                still.append(fault)
        self._waiting = still

    def reached(self, read: Read, readers: tuple[tuple[str, str], ...] = READERS) -> list[Ends]:
        """The lowest watermark of each partition, by reader."""
        places = [(t, g, p) for t, g in readers for p in range(self._partitions)]
        names = [
            f"{self._base}{kind}{group}}}:wm:{topic}:{partition}"
            for topic, kind, partition in places
            for group in range(self._groups)
        ]
        marks = [Watermark.decode(text, 0).offset for text in read(names)]
        ends: dict[tuple[str, str], Ends] = {reader: {} for reader in readers}
        for number, (topic, kind, partition) in enumerate(places):
            lowest = min(marks[number * self._groups : (number + 1) * self._groups])
            ends[topic, kind][TopicPartition(topic, partition)] = lowest
        return list(ends.values())

    def quantiles(self) -> dict[str, dict[str, float]]:
        """Seconds to recover by kind: median and maximum."""
        return {
            kind.value: {"p50": round(statistics.median(times), 1), "max": round(max(times), 1)}
            for kind, times in sorted(self.recovered.items())
        }


def missing(reached: list[Ends], target: Ends) -> int:
    """Offsets up to the target that some reader has not passed."""
    return sum(max(0, target.get(tp, 0) - mark) for reader in reached for tp, mark in reader.items())
