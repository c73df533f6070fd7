"""What was asked for of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """Minutes of traffic, events a second, how much shorter windows are, and seconds between samples.

    `broker` is `kafka` (of `kafka_home`), `embedded`, or empty for what the settings name.
    """

    minutes: float
    rate: float
    compress: float
    sample_s: float
    process_mb: float
    broker: str
    kafka_home: Path | None

    @property
    def run_s(self) -> float:
        return self.minutes * 60
