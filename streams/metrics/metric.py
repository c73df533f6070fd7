"""What a metric is, and the buckets of histograms."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]


MOST_PAGES = 50
"""Pages that have samples of their own, in the order of their names."""


SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


AGES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Metric(NamedTuple):
    """One family; `exposed_by` says which processes have it, `remedy` what to do when it is not as it should be.

    `bounds` are the upper ends of a histogram's buckets, without the last one, which is infinite.
    """

    name: str
    kind: Kind
    exposed_by: str
    labels: tuple[str, ...]
    meaning: str
    remedy: str
    bounds: tuple[float, ...] = ()
