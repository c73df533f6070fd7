"""What an attribution worker reports as metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.topics import PURCHASES
from streams.attribution.worker import ClicksOnDisk
from streams.fold.judge import SKIPPED
from streams.metrics import REGISTRY

BY_PREFIX = {"reshelf_signals_total": "signal_", "reshelf_returned_lines_total": "returned_"}
"""Metrics by verdict, and what the counts of their verdicts begin with."""


def report_lines(totals: Mapping[str, int]) -> None:
    """Records by topic and verdict; lines of purchases, signals and returned lines by what they were credited to."""
    lines = {name: count for name, count in totals.items() if name.startswith(("credited", "unattributed"))}
    REGISTRY.put("reshelf_purchase_lines_total", {(name,): count for name, count in lines.items()})
    for metric, prefix in BY_PREFIX.items():
        verdicts = {name.removeprefix(prefix): count for name, count in totals.items() if name.startswith(prefix)}
        REGISTRY.put(metric, {(verdict,): count for verdict, count in verdicts.items()})
    records: dict[tuple[str, ...], float] = {}
    for name, count in totals.items():
        topic, _, verdict = name.rpartition(" ")
        if verdict in ("applied", *SKIPPED) or verdict.startswith("invalid_"):
            records[topic or PURCHASES.name, verdict.removeprefix("invalid_")] = count
    REGISTRY.put("reshelf_records_total", records)
    REGISTRY.set("reshelf_attribution_overdue_records_total", value=totals.get("overdue", 0))
    REGISTRY.set("reshelf_attribution_lookups_total", value=totals.get("looked_up", 0))


def report_clicks(partitions: Sequence[ClicksOnDisk]) -> None:
    """The clicks on disk of all partitions of this process."""
    if not partitions:
        return
    values = {
        "reshelf_attribution_window_seconds": min(partition.window.covered for partition in partitions) / 1000,
        "reshelf_attribution_window_target_seconds": max(partition.window.longest for partition in partitions) / 1000,
        "reshelf_attribution_reread_records": sum(partition.to_reread for partition in partitions),
        "reshelf_attribution_clicks": sum(partition.number for partition in partitions),
        "reshelf_attribution_disk_bytes": sum(partition.size for partition in partitions),
    }
    for name, value in values.items():
        REGISTRY.put(name, {(): value})
