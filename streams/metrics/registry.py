"""The values of one process; to count costs some microseconds: count by batch, never by event."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from streams.metrics.table import METRICS

Labels = tuple[str, ...]


class Distribution:
    """Observations of a histogram: `counts` by bucket, the last one being above all `bounds`."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Sample(NamedTuple):
    """A value with those of its family's labels."""

    name: str
    labels: Labels
    value: float | Distribution


class Registry:
    """Counts, gauges and histograms by name and labels.

    Raises KeyError for a name that the table does not have, ValueError for other labels than its.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._values: dict[tuple[str, Labels], float] = {}
        self._distributions: dict[tuple[str, Labels], Distribution] = {}
        self._clock = clock

    def add(self, name: str, *labels: str, by: float = 1.0) -> None:
        """Count; by 0 it is exposed from now on, so that its first rise shows as one."""
        key = name, labels
        if key not in self._values:
            _check(name, labels)
        self._values[key] = self._values.get(key, 0.0) + by

    def set(self, name: str, *labels: str, value: float) -> None:
        """This is the value of a gauge now, or of a count that is kept elsewhere."""
        _check(name, labels)
        self._values[name, labels] = value

    def put(self, name: str, values: Mapping[Labels, float]) -> None:
        """These are the values of the whole family now; others of it are gone."""
        for labels in values:
            _check(name, labels)
        others = {key: value for key, value in self._values.items() if key[0] != name}
        self._values = others | {(name, labels): value for labels, value in values.items()}

    def observe(self, name: str, *labels: str, value: float) -> None:
        """Note one observation of a histogram."""
        distribution = self._distributions.get((name, labels))
        if distribution is None:
            _check(name, labels)
            distribution = self._distributions[name, labels] = Distribution(METRICS[name].bounds)
        distribution.observe(value)

    @contextmanager
    def timed(self, name: str, *labels: str) -> Iterator[None]:
        """Observe how many seconds the block takes, if it ends well."""
        began = self._clock()
        yield
        self.observe(name, *labels, value=self._clock() - began)

    def value(self, name: str, *labels: str) -> float:
        """A count or gauge, or how many observations a histogram has; 0 where there is none."""
        distribution = self._distributions.get((name, labels))
        return float(sum(distribution.counts)) if distribution else self._values.get((name, labels), 0.0)

    def samples(self) -> list[Sample]:
        """Everything there is, in the order of names."""
        both: dict[tuple[str, Labels], float | Distribution] = {**self._values, **self._distributions}
        return [Sample(name, labels, value) for (name, labels), value in sorted(both.items(), key=lambda pair: pair[0])]


REGISTRY = Registry()
"""What this process exposes."""


def _check(name: str, labels: Labels) -> None:
    expected = METRICS[name].labels
    if len(labels) != len(expected):
        raise ValueError(f"{name}: expected values of {expected}, got {labels}")
