"""A layout worker that writes down what became of each key that was due: `python -m bench.latency_worker FILE`.

It is the worker of `reshelf worker layouts`, with the settings of its environment.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO

import faust
import msgspec

from bench.latency.delays import Decision, Deferral
from reshelf.processes.garbage import collect_rarely
from reshelf.settings import load_settings
from schemas.topics import CLICKS
from streams.catalog.page import Key
from streams.layouts.app import layouts_app
from streams.layouts.clock import Decided
from streams.transport import run_app


class Reading:
    """What a worker writes, a little at a time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._at = 0

    def more(self) -> list[tuple[Key, Decision | Deferral]]:
        """What was written since the last call; what is just being written comes the next time."""
        with self._file.open("rb") as opened:
            opened.seek(self._at)
            whole, _, _ = opened.read().rpartition(b"\n")
        self._at += len(whole) + 1 if whole else 0
        return [_decision(msgspec.json.decode(line, type=Decided)) for line in whole.splitlines()]


def _decision(decided: Decided) -> tuple[Key, Decision | Deferral]:
    if decided.result == "deferred":
        return decided.key, Deferral(decided.request)
    times = [at / 1000 for at in (decided.taken_at, decided.read_at, decided.composed_at, decided.done_at)]
    return decided.key, Decision(
        decided.watermarks.get(CLICKS.name, ()), decided.result not in ("unchanged", "held"), *times
    )


def _teller(file: BinaryIO) -> Callable[[Decided], None]:
    def tell(decided: Decided) -> None:
        file.write(msgspec.json.encode(decided) + b"\n")

    return tell


def main(file: Path) -> int:
    """Work until SIGTERM; the exit status."""
    collect_rarely()
    s = load_settings().settings
    with file.open("ab", buffering=0) as opened:

        def make() -> Awaitable[faust.App]:
            return layouts_app(s.kafka, s.redis, s.fold, s.layouts, experiment=s.experiment, report=_teller(opened))()

        return run_app(make, s.health)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
