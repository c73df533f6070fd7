"""The segments that the web tier puts its visitors into: those that it knows, or those that are learned."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from policy.arrays import Ints
from policy.segments.rule import UNASSIGNED, choose_segment, last_items
from reshelf.demo.shop.model import Views
from reshelf.demo.shop.pages import SEGMENTS
from schemas.messages.segments import SegmentModel
from streams.catalog.segments.model_view import SegmentModelView

WINDOW = 16
"""How many items a visitor's session holds: as many as models look at."""


class Segments(Protocol):
    """Which segments visitors are in, as numbers of `names`; a name keeps its number."""

    names: list[str]

    @property
    def model(self) -> SegmentModel | None:
        """The model of learned segments, where there is one that has some."""

    def take_record(self, key: bytes | None, value: bytes | None) -> None:
        """Take one record of the topic `segments`; raises `BadRecord` where it is invalid."""

    def of(self, views: Views) -> Ints:
        """The segment that each page view is of."""

    def units(self, name: str) -> Ints:
        """The numbers of the visitors in a segment."""

    def see(self, unit: int, item: str) -> None:
        """A visitor looked at an item."""


class KnownSegments:
    """The tier knows its visitors: `unit_segment` has the segment of each."""

    model: SegmentModel | None = None

    def __init__(self, unit_segment: Ints) -> None:
        self.names = list(SEGMENTS)
        self._unit_segment = unit_segment

    def take_record(self, key: bytes | None, value: bytes | None) -> None:
        """Nobody is in a learned segment."""

    def of(self, views: Views) -> Ints:
        """Those that they are in."""
        return views.segment

    def units(self, name: str) -> Ints:
        """The visitors in a segment."""
        return np.flatnonzero(self._unit_segment == self.names.index(name))

    def see(self, unit: int, item: str) -> None:
        """Nothing follows from it."""


class LearnedSegments:
    """The tier knows nothing of its visitors but the last items that each looked at, and applies the published rule."""

    def __init__(self, units: int) -> None:
        self.names = [UNASSIGNED]
        self._view = SegmentModelView()
        self._items: list[list[str]] = [[] for _ in range(units)]
        self._unit_segment: Ints = np.zeros(units, dtype=np.int64)
        self._is_stale = np.zeros(units, dtype=bool)

    @property
    def model(self) -> SegmentModel | None:
        """The model, where tastes were found."""
        return self._view.model if self._view.names else None

    def take_record(self, key: bytes | None, value: bytes | None) -> None:
        """A model counts once all of its parts are there."""
        if self._view.take_record(key, value):
            self.names += [name for name in self._view.names if name not in self.names]
            self._is_stale[:] = True

    def of(self, views: Views) -> Ints:
        """By the rule; a visitor who looked at nothing new since the last time is where they were."""
        here = np.unique(views.unit)
        for unit in here[self._is_stale[here]].tolist():
            self._unit_segment[unit] = self._chosen(unit)
        self._is_stale[here] = False
        return self._unit_segment[views.unit]

    def _chosen(self, unit: int) -> int:
        if self._view.current is None:
            return 0
        model, points = self._view.current
        current = self.names[self._unit_segment[unit]]
        return self.names.index(choose_segment(model, points, self._items[unit], current))

    def units(self, name: str) -> Ints:
        """The visitors who were in a segment when they came last."""
        return np.flatnonzero(self._unit_segment == self.names.index(name))

    def see(self, unit: int, item: str) -> None:
        """Of the same item the newest counts."""
        self._items[unit] = [*reversed(last_items([*self._items[unit], item], WINDOW))]
        self._is_stale[unit] = True


class Taste(NamedTuple):
    """A learned segment: its words, its visitors, and what most of these really are, with their share of them."""

    segment: str
    words: list[str]
    visitors: int
    most: str
    share: float


def tastes(segments: Segments, unit_segment: Ints) -> list[Taste]:
    """The learned segments, none while there is no model; `unit_segment` says what each visitor really is."""
    if segments.model is None:
        return []
    named = zip(segments.model.names, segments.model.segments, strict=False)
    return [_taste(name, about.words, unit_segment[segments.units(name)]) for name, about in named]


def _taste(name: str, words: list[str], truth: Ints) -> Taste:
    counts = np.bincount(truth, minlength=len(SEGMENTS))
    most = int(counts.argmax())
    return Taste(name, words, len(truth), SEGMENTS[most], round(float(counts[most]) / max(1, len(truth)), 3))
