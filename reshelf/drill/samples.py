"""What the workers use while a drill runs: memory, open files, and how late events are applied."""

from __future__ import annotations

import contextlib
import os
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from reshelf.drill.setup.workers import Member
from reshelf.drill.watch import Ends, missing

SAMPLE_S = 2.0
SETTLED_SHARE = 0.4
"""So much of a process's life is warming up; what grows afterwards grows for ever."""
NOISE_MB = 8.0
NOISE_SHARE = 0.05
NOISE_FILES = 4
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Sample(NamedTuple):
    """One look at a process."""

    at: float
    memory_mb: float
    files: int


@dataclass(slots=True)
class Use:
    """Resident memory and open files of a process: medians at the begin and the end of its settled life."""

    worker: str
    memory_mb: tuple[float, float]
    slope_mb_per_h: float
    files: tuple[int, int]

    @property
    def flat(self) -> bool:
        """Whether nothing grew beyond noise."""
        first, last = self.memory_mb
        return last - first <= max(NOISE_MB, NOISE_SHARE * first) and self.files[1] - self.files[0] <= NOISE_FILES


@dataclass(slots=True)
class Samples:
    """Collects while the drill runs."""

    processes: dict[tuple[str, int], list[Sample]] = field(default_factory=lambda: defaultdict(list))
    latencies_s: list[float] = field(default_factory=list)
    most_behind: int = 0
    _next: float = 0.0
    _probe: tuple[float, Ends] | None = None

    def look(self, members: list[Member], reached: list[Ends], ends: Ends, now: float) -> None:
        """Take note of where things stand at `now`."""
        self._time(reached, ends, now)
        if now < self._next:
            return
        self._next = now + SAMPLE_S
        self.most_behind = max(self.most_behind, missing(reached, ends))
        for member in members:
            with contextlib.suppress(OSError):
                self.processes[member.role, member.child.pid].append(_sample(member.child.pid, now))

    def _time(self, reached: list[Ends], ends: Ends, now: float) -> None:
        """From the moment an event was acknowledged to the moment all readers had passed it."""
        if self._probe is None:
            self._probe = (now, dict(ends))
        elif not missing(reached, self._probe[1]):
            self.latencies_s.append(now - self._probe[0])
            self._probe = None

    def uses(self) -> list[Use]:
        """The use of each process that was sampled often enough to say."""
        return [_use(f"{role} {pid}", samples) for (role, pid), samples in self.processes.items() if len(samples) >= 10]

    def latency_s(self) -> dict[str, float]:
        """Median, 99 of 100, and the largest."""
        if not self.latencies_s:
            return {}
        ordered = sorted(self.latencies_s)
        return {
            "p50": round(statistics.median(ordered), 2),
            "p99": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 2),
            "max": round(ordered[-1], 2),
        }


def _sample(pid: int, now: float) -> Sample:
    place = Path("/proc") / str(pid)
    pages = int((place / "statm").read_text().split()[1])
    return Sample(now, pages * _PAGE / 2**20, sum(1 for _ in (place / "fd").iterdir()))


def _use(worker: str, samples: list[Sample]) -> Use:
    settled = samples[int(SETTLED_SHARE * len(samples)) :]
    third = max(1, len(settled) // 3)
    first, last = settled[:third], settled[-third:]
    memory = [sample.memory_mb for sample in settled]
    slope = statistics.linear_regression([sample.at / 3_600 for sample in settled], memory).slope
    return Use(
        worker,
        (round(_median(first, 1), 1), round(_median(last, 1), 1)),
        round(slope, 1),
        (int(_median(first, 2)), int(_median(last, 2))),
    )


def _median(samples: list[Sample], place: int) -> float:
    return statistics.median(sample[place] for sample in samples)
