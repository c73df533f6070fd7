"""What is told of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.soak.compression import day_s, windows
from bench.soak.options import Options
from bench.soak.probes import LOOK_AT, tolerance
from bench.soak.trend import Sample, trend
from reshelf.settings import Settings


def content(
    settings: Settings, options: Options, samples: Mapping[str, Sequence[Sample]], counts: Mapping[str, int]
) -> dict[str, Any]:
    """All figures with their trends, and what grows."""
    length, keeps_all = day_s(options.compress), options.broker == "embedded"
    most = {name: tolerance(name, keeps_all, settings.kafka.partitions) for name in samples}
    figures = {name: asdict(trend(series, length, most[name])) for name, series in sorted(samples.items())}
    grows = {name: LOOK_AT[name.rpartition(" ")[2]] for name, entry in figures.items() if entry["flat"] is False}
    return {
        "minutes": options.minutes,
        "events_per_s": options.rate,
        "compress": options.compress,
        "days": round(options.run_s / length, 2),
        "windows_ms": windows(settings, 1.0, options.run_s),
        **counts,
        "figures": figures,
        "flat": not grows,
        "grows": grows,
        "samples": {name: [(round(at, 1), value) for at, value in series] for name, series in samples.items()},
    }


def text(summary: Mapping[str, Any]) -> str:
    """The same for people: a row for each figure, and what grows last."""
    head = f"{summary['days']} days of traffic in {summary['minutes']:g} minutes, {summary['sent']:,} events"
    rows = [
        ("", "level", "a day", "from", "to", ""),
        *(_row(name, entry) for name, entry in summary["figures"].items()),
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [" ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    ends = [f"{name} grows: look at {where}." for name, where in summary["grows"].items()]
    lines += ends or ["All that is judged is flat."]
    return "\n".join([head, *(line.rstrip() for line in lines)])


def _row(name: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    verdict = {True: "flat", False: "grows", None: "-"}[entry["flat"]]
    return (name, *(_number(entry[key]) for key in ("level", "per_day", "low", "high")), verdict)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"
