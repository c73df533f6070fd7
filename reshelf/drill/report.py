"""What a drill is asked to do, and what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reshelf.drill.plan import BROKER_KINDS, ONE_REDIS_KINDS, WORKER_KINDS, Kind
from reshelf.drill.samples import Use
from reshelf.drill.verify import Finding


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for; `home` is a Kafka distribution, None the embedded broker, which is spared."""

    kills: int
    seconds: float
    seed: int
    rate: float
    home: Path | None
    only: Sequence[str] = ()
    cluster: bool = False
    external: bool = False
    redis_delay_s: float = 0.0
    read_bytes_per_s: int = 0

    @property
    def kinds(self) -> list[Kind]:
        """What may be broken here, of what was asked for."""
        spared = set(Kind) - WORKER_KINDS if self.external else set[Kind]()
        spared |= BROKER_KINDS if self.home is None else set()
        spared |= ONE_REDIS_KINDS if self.cluster else set()
        possible = [kind for kind in Kind if kind not in spared]
        return [kind for kind in possible if not self.only or any(part in kind for part in self.only)]

    @property
    def soak(self) -> bool:
        """Nothing is broken: what is looked at is whether anything grows."""
        return not self.kills


@dataclass(slots=True)
class Report:
    """What was broken, how long it took to recover, and what the books say."""

    seed: int
    events: int = 0
    unacknowledged: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    impossible: Counter[str] = field(default_factory=Counter)
    slow_restarts: Counter[str] = field(default_factory=Counter)
    proved_nothing: Counter[str] = field(default_factory=Counter)
    """Faults that had no turn: what they were meant to test did not happen under them."""
    unfinished: str = ""
    """Why it could not go on; then it has less than a whole report."""
    recovery_s: dict[str, dict[str, float]] = field(default_factory=dict)
    gave_up: list[str] = field(default_factory=list)
    slowest_stop_s: float = 0.0
    torn_layouts: int = 0
    latency_s: dict[str, float] = field(default_factory=dict)
    most_behind: int = 0
    uses: list[Use] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return sum(finding.lost for finding in self.findings)

    @property
    def double(self) -> int:
        return sum(finding.double for finding in self.findings)

    @property
    def equal(self) -> bool:
        return all(finding.equal for finding in self.findings) and not self.gave_up and not self.unfinished


def as_json(report: Report) -> dict[str, Any]:
    """The report as plain values."""
    return {
        "seed": report.seed,
        "events": report.events,
        "lost": report.lost,
        "double": report.double,
        "equal": report.equal,
        "unacknowledged": report.unacknowledged,
        "faults": dict(report.faults),
        "impossible": dict(report.impossible),
        "slow_restarts": dict(report.slow_restarts),
        "proved_nothing": dict(report.proved_nothing),
        "unfinished": report.unfinished,
        "recovery_s": report.recovery_s,
        "slowest_stop_s": report.slowest_stop_s,
        "torn_layouts": report.torn_layouts,
        "latency_s": report.latency_s,
        "most_behind": report.most_behind,
        "uses": [asdict(use) for use in report.uses],
        "gave_up": report.gave_up,
        "findings": [
            {"what": f.what, "compared": f.compared, "lost": f.lost, "double": f.double, "examples": f.examples}
            for f in report.findings
        ],
    }
