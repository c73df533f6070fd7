"""What a learner in a race has counted, by day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from policy.arrays import Floats, Indices
from policy.model.posteriors import DayCounts, Remembered, bucket_weights
from policy.simulation.shop import Feedback, Shape
from schemas.topics import DAY_MS


@dataclass(slots=True)
class Days:
    """Impressions and clicks [2, G, U, S] of each day, of G segments, the U items met so far and S slots."""

    shape: Shape
    half_life_days: float
    _counts: list[Floats] = field(init=False, default_factory=list)
    _items: int = field(init=False, default=0)

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, feedback: Feedback, day: int) -> None:
        """Add those of some page views."""
        while len(self._counts) <= day:
            self._counts.append(self._nothing())
        self.widen(int(feedback.slates.max(initial=-1)) + 1)
        cells = (feedback.segments[:, None], feedback.slates, np.arange(self.shape.slots)[None, :])
        np.add.at(self._counts[day][0], cells, 1.0)
        np.add.at(self._counts[day][1], cells, feedback.clicked)

    def widen(self, items: int) -> None:
        """Make room for so many items."""
        self._items = max(self._items, items)
        for at, counts in enumerate(self._counts):
            if counts.shape[2] < items:
                self._counts[at] = np.pad(counts, ((0, 0), (0, 0), (0, items - counts.shape[2]), (0, 0)))

    def total(self) -> Floats:
        """Those of all days, weighted by their age, float64[2, G, U, S]."""
        if not self._counts:
            return self._nothing()
        return np.asarray(np.tensordot(self._shares(), np.stack(self._counts), axes=1), dtype=np.float64)

    def of(self, rows: Indices, segments: Indices | slice = slice(None)) -> DayCounts:
        """Those of some items and segments, weighted by their age."""
        days = [share * day[:, segments][:, :, rows] for share, day in zip(self._shares(), self._counts, strict=True)]

        def each(examination: Floats) -> Iterator[tuple[float, Remembered]]:
            for day, (impressions, clicks) in enumerate(days):
                yield float(day), Remembered(impressions @ examination, clicks.sum(axis=2))

        return DayCounts(np.sum([impressions for impressions, _ in days], axis=0), each)

    def _nothing(self) -> Floats:
        return np.zeros((2, self.shape.segments, self._items, self.shape.slots))

    def _shares(self) -> Floats:
        """The weight of each day by its age."""
        days = np.arange(len(self._counts), dtype=np.int64) * DAY_MS
        return bucket_weights(days, int(days[-1]), int(self.half_life_days * DAY_MS))
