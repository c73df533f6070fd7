"""The uplifts of a page over the last hour, small in memory: four numbers for each outcome at each moment."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping

from policy.experiments.sequence import Uplift

MOMENTS, MOMENT_MS = 240, 15_000
"""Points of a line, at most, and how far they are apart at least: those of an hour."""
Moment = tuple[float, float, float, float]
"""Milliseconds, uplift, and its lower and upper bound."""


class UpliftLines:
    """A line of uplifts for each outcome; outcomes whose bounds are not known have no points."""

    def __init__(self) -> None:
        self._newest = -MOMENT_MS
        self._lines: dict[str, array[float]] = {}

    def add(self, at: int, uplifts: Mapping[str, Uplift]) -> None:
        """Uplifts by outcome, as of `at` milliseconds; soon after others they are not kept."""
        finite = {name: uplift for name, uplift in uplifts.items() if math.isfinite(uplift.high)}
        if not finite or at - self._newest < MOMENT_MS:
            return
        self._newest = at
        for name, uplift in finite.items():
            line = self._lines.setdefault(name, array("d"))
            line.extend((at, uplift.uplift, uplift.low, uplift.high))
            del line[: -4 * MOMENTS]

    def line(self, name: str) -> list[Moment]:
        """The points of an outcome, oldest first."""
        line = self._lines.get(name, array("d"))
        return list(zip(line[::4], line[1::4], line[2::4], line[3::4], strict=True))

    @property
    def begin(self) -> float | None:
        """The time of the oldest point, milliseconds; None without one."""
        return min((line[0] for line in self._lines.values()), default=None)
