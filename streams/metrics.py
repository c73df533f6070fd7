"""What a worker counts of itself, in one table, and Prometheus's text form of it.

Labels take few values: topics, partitions and the verdicts of the fold; never a
unit, an item or a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple


class Metric(NamedTuple):
    """One family; `remedy` says what to do when it is not as it should be."""

    name: str
    kind: Literal["counter", "gauge"]
    labels: tuple[str, ...]
    meaning: str
    remedy: str


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("reshelf_live", "gauge", (), "1 while the reader gets on.", "0: its supervisor starts it again."),
        Metric("reshelf_ready", "gauge", (), "1 while GET /ready says yes.", "0: GET /ready gives the reasons."),
        Metric(
            "reshelf_lag_records",
            "gauge",
            ("topic", "partition"),
            "Records of the log that the state has not applied.",
            "Rising: start more workers, or look whether Redis is slow.",
        ),
        Metric(
            "reshelf_records_total",
            "counter",
            ("topic", "verdict"),
            "Records judged: applied, duplicate, forgotten, or the reason why they were put aside.",
            "Many put aside: look at dead-letters for what producers send.",
        ),
        Metric(
            "reshelf_rewinds_total",
            "counter",
            ("topic",),
            "Times that Redis had lost writes and a partition was read again.",
            "Not 0: look for a failover of Redis, and at its appendfsync.",
        ),
    )
}

Sample = tuple[str, tuple[str, ...], float]
"""Name, values of the labels, value."""


class Counters:
    """The counters of one process."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, tuple[str, ...]], float] = {}

    def add(self, name: str, *labels: str, by: float = 1.0) -> None:
        """Count; raises KeyError for what the table does not know, ValueError for other labels than its."""
        expected = METRICS[name].labels
        if len(labels) != len(expected):
            raise ValueError(f"{name}: expected values of {expected}, got {labels}")
        self._counts[name, labels] = self._counts.get((name, labels), 0.0) + by

    def samples(self) -> list[Sample]:
        return [(name, labels, count) for (name, labels), count in sorted(self._counts.items())]


COUNTERS = Counters()


def exposition(samples: Iterable[Sample]) -> str:
    """Prometheus's text format 0.0.4; families without a sample are left out."""
    families: dict[str, list[str]] = {}
    for name, values, value in samples:
        labels = ",".join(
            f'{label}="{_escaped(text)}"' for label, text in zip(METRICS[name].labels, values, strict=True)
        )
        families.setdefault(name, []).append(f"{name}{{{labels}}} {value:.17g}" if labels else f"{name} {value:.17g}")
    heads = {name: f"# HELP {name} {METRICS[name].meaning}\n# TYPE {name} {METRICS[name].kind}" for name in families}
    return "".join(f"{heads[name]}\n" + "\n".join(lines) + "\n" for name, lines in families.items())


def of_health(live: bool, ready: bool, lag: Mapping[str, int]) -> list[Sample]:
    """What `/live` and `/ready` say, as samples; `lag` by "topic/partition"."""
    behind = [("reshelf_lag_records", tuple(name.rsplit("/", 1)), float(count)) for name, count in lag.items()]
    return [("reshelf_live", (), float(live)), ("reshelf_ready", (), float(ready)), *behind]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
