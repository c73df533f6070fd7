"""How long it takes until what was published after a fault is in the state."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from reshelf.drill.plan import Kind
from schemas.topic import Role
from schemas.topics import CLICKS, FOLDED_TOPICS, IMPRESSIONS
from streams.kafka.records import TopicPartition
from streams.state.clicks.progress import READ, WRITTEN, progress_keys
from streams.state.keys import GroupKeys
from streams.state.watermark import Watermark

TARGET_S = 1.0
"""How long after the healing records are published that readers have to reach."""
Reader = tuple[str, Role]
"""A topic, and who follows it: learner or attribution."""
LEARNED: tuple[Reader, ...] = ((IMPRESSIONS.name, Role.LEARNER), (CLICKS.name, Role.LEARNER))
ATTRIBUTED: tuple[Reader, ...] = tuple((topic.name, Role.ATTRIBUTION) for topic in READ)
READERS = LEARNED + ATTRIBUTED
DECIDED: tuple[Reader, ...] = tuple((topic.name, Role.LEARNER) for topic in FOLDED_TOPICS if topic in WRITTEN)
"""Who follows what attribution writes."""

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
        self._namespace = namespace
        self._groups = groups
        self._partitions = partitions
        self._waiting: list[_Waiting] = []
        self.recovered: dict[Kind, list[float]] = defaultdict(list)

    def follow(self, namespace: str, partitions: int) -> None:
        """From now on the workers use that namespace, and topics have so many partitions."""
        self._namespace, self._partitions = namespace, partitions

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

    def reached(self, read: Read, readers: Sequence[Reader] = READERS) -> list[Ends]:
        """The lowest watermark of each partition, by reader."""
        places = [(reader, number) for reader in readers for number in range(self._partitions)]
        names = [self._watermarks(reader, number) for reader, number in places]
        marks = iter([Watermark.decode(text, 0).offset for text in read([name for some in names for name in some])])
        ends: dict[Reader, Ends] = {reader: {} for reader in readers}
        for (reader, number), some in zip(places, names, strict=True):
            ends[reader][TopicPartition(reader[0], number)] = min(next(marks) for _ in some)
        return list(ends.values())

    def _watermarks(self, reader: Reader, number: int) -> list[str]:
        """The keys that say how far a reader has come with a partition."""
        topic, role = reader
        if role is Role.ATTRIBUTION:
            keys = progress_keys(self._namespace, self._groups, number)
            return [keys.marks[topic]]
        tp = TopicPartition(topic, number)
        return [GroupKeys(self._namespace, group).watermark(tp) for group in range(self._groups)]

    def quantiles(self) -> dict[str, dict[str, float]]:
        """Seconds to recover by kind: median and maximum."""
        return {
            kind.value: {"p50": round(statistics.median(times), 1), "max": round(max(times), 1)}
            for kind, times in sorted(self.recovered.items())
        }


def missing(reached: list[Ends], target: Ends) -> int:
    """Offsets up to the target that some reader has not passed."""
    return sum(max(0, target.get(tp, 0) - mark) for reader in reached for tp, mark in reader.items())
