"""The page of metrics, written from their table: `make generated`."""

from __future__ import annotations

import sys
from pathlib import Path

from streams.metrics.metric import Metric
from streams.metrics.table import METRICS

HEAD = """# Metrics

Prometheus's text form under `GET /metrics`:

| process | where | token |
|---|---|---|
| workers, encoder | `health.port`, where it is set; several roles in one command take the next ports | `health.token` |
| console | the console's own port | `console.token` |
| edge | the edge's own port | `edge.token` |

Where a token is set, send it as `Authorization: Bearer ...`. A family without samples
is left out. What the alerts mean and what to do is in
[`docs/operating/operating.md`](../operating/operating.md).
"""


def written() -> str:
    """All metrics by the processes that expose them, as Markdown."""
    processes = dict.fromkeys(metric.exposed_by for metric in METRICS.values())
    return HEAD + "".join(map(_part, processes))


def _part(exposed_by: str) -> str:
    rows = [_row(metric) for metric in METRICS.values() if metric.exposed_by == exposed_by]
    table = ["| name | kind | labels | meaning | what to do |", "|---|---|---|---|---|", *rows]
    return "\n".join(["", f"## {exposed_by.capitalize()}", "", *table]) + "\n"


def _row(metric: Metric) -> str:
    labels = ", ".join(metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} | {metric.remedy} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(written(), encoding="utf-8")
