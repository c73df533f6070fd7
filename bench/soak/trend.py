"""Whether a figure grows: a slope that outliers and teeth of a saw do not move, with its interval.

Samples follow one another and are not independent, so the slope is that of the medians of BLOCKS
stretches, by Theil and Sen (Sen 1968), with the interval of Kendall's rank correlation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import theilslopes

BLOCKS = 12
LEVEL = 0.98
Sample = tuple[float, float]
"""Seconds since the run began, and the figure then."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Growth in a day of traffic that is still called flat: a share of the level, or so many units where that is more.

    A figure that is not `judged` is told with its slope, and is never a failure; nor is one below a `limit`
    that it has by design, and that it may take longer than a run to reach.
    """

    share: float
    units: float
    judged: bool = True
    limit: float = 0.0


@dataclass(frozen=True, slots=True)
class Trend:
    """Level and growth of a figure over the second half of a run, in its units and in units a day of traffic.

    `flat` is None where it is not judged, where it grows below its limit, or where there are too few samples.
    """

    level: float
    first: float
    last: float
    per_day: float | None
    low: float | None
    high: float | None
    flat: bool | None


def trend(samples: Sequence[Sample], day_s: float, tolerance: Tolerance) -> Trend:
    """What the second half of a run says; `day_s` is how many seconds a day of traffic takes."""
    half = second_half(samples)
    values = np.array([value for _, value in half])
    if len(half) < 2 * BLOCKS:
        ends = (float(values[0]), float(values[-1])) if len(values) else (0.0, 0.0)
        return Trend(float(np.median(values)) if len(values) else 0.0, *ends, None, None, None, None)
    parts = np.array_split(np.array(half), BLOCKS)
    times, medians = np.array([np.median(part, axis=0) for part in parts]).T
    slope, _, low, high = (float(bound) * day_s for bound in theilslopes(medians, times, LEVEL))
    level = float(np.median(values))
    most = max(tolerance.share * abs(level), tolerance.units)
    flat: bool | None = low <= most
    if not tolerance.judged or (not flat and float(medians[-1]) < tolerance.limit):
        flat = None
    return Trend(level, float(medians[0]), float(medians[-1]), slope, low, high, flat)


def second_half(samples: Sequence[Sample]) -> list[Sample]:
    """The samples of the later half of the time."""
    if not samples:
        return []
    middle = (samples[0][0] + samples[-1][0]) / 2
    return [sample for sample in samples if sample[0] >= middle]
