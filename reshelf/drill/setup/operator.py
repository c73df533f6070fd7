"""Who operates the shop: commands of Reshelf, run one at a time, while the drill goes on."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reshelf.processes.children import process, tail
from reshelf.settings import Settings, as_environment

SAID_LINES = 3


class UnderWay(OSError):
    """A command has not ended yet."""


class Refused(Exception):
    """A command ended with another status than 0; the message is its last words."""


@dataclass(slots=True)
class _Running:
    words: Sequence[str]
    child: subprocess.Popen[bytes]
    log: Path
    stack: contextlib.ExitStack


class Operator:
    """Runs commands with logs in `folder`; `close` ends the one that runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = 0
        self._running: _Running | None = None

    def run(self, settings: Settings, *words: str) -> None:
        """Have a command done: call it until it raises `UnderWay` no more; raises `Refused` where it failed."""
        running = self._running or self._start(settings, words)
        self._running = running
        if (status := running.child.poll()) is None:
            raise UnderWay(f"`reshelf {' '.join(running.words)}` runs")
        self._running = None
        running.stack.close()
        if status:
            raise Refused(f"`reshelf {' '.join(words)}`: status {status}, {tail(running.log, SAID_LINES)}")

    def close(self) -> None:
        """End what runs."""
        if self._running is not None:
            self._running.stack.close()
            self._running = None

    def _start(self, settings: Settings, words: Sequence[str]) -> _Running:
        self._numbers += 1
        stack, log = contextlib.ExitStack(), self._folder / f"operator-{self._numbers}.log"
        command = [sys.executable, "-m", "reshelf", *words]
        child = stack.enter_context(process(command, log, as_environment(settings)))
        return _Running(words, child, log, stack)
