"""The metrics that say of a process whether it lives and what it uses."""

from __future__ import annotations

from streams.metrics.metric import Metric

PROCESSES = (
    Metric(
        "process_cpu_seconds_total",
        "counter",
        "every process",
        (),
        "Processor time that the process has used.",
        "A whole core: start more workers, at most one for each partition.",
    ),
    Metric(
        "process_resident_memory_bytes",
        "gauge",
        "every process",
        (),
        "Memory that the process uses.",
        "Rising for hours: note what it was doing, and restart it.",
    ),
    Metric(
        "process_open_fds",
        "gauge",
        "every process",
        (),
        "Files and connections that are open.",
        "Rising for hours: as for memory.",
    ),
    Metric(
        "reshelf_live",
        "gauge",
        "workers, encoder",
        (),
        "1 while the process makes progress.",
        "0: its supervisor restarts it.",
    ),
    Metric(
        "reshelf_ready",
        "gauge",
        "workers, encoder",
        (),
        "1 while GET /ready answers 200.",
        "0: GET /ready gives the reasons.",
    ),
    Metric(
        "reshelf_waiting",
        "gauge",
        "workers",
        (),
        "Calls that wait because Kafka or Redis does not answer.",
        "Not 0: `reshelf doctor` says which of them is away.",
    ),
)
