"""What an attribution worker reports as metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.topics import PURCHASES
from streams.attribution.worker import ClicksOnDisk
from streams.metrics import REGISTRY


def report_lines(totals: Mapping[str, int]) -> None:
    """Purchases by verdict, and their lines by what they were credited to."""
    lines: dict[tuple[str, ...], float] = {
        (name,): count for name, count in totals.items() if name.startswith(("credited", "unattributed"))
    }
    records: dict[tuple[str, ...], float] = {
        (PURCHASES.name, name.removeprefix("invalid_")): count
        for name, count in totals.items()
        if name in ("applied", "duplicate") or name.startswith("invalid_")
    }
    REGISTRY.put("reshelf_purchase_lines_total", lines)
    REGISTRY.put("reshelf_records_total", records)
    REGISTRY.set("reshelf_attribution_overdue_records_total", value=totals.get("overdue", 0))


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
