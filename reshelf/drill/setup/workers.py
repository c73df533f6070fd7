"""The workers, and the supervisor that starts again what ended."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reshelf.drill.plan import DRILLED
from reshelf.processes.children import process, tail
from reshelf.settings import Settings, as_environment

AGAIN_S = 1.0


@dataclass(slots=True)
class Member:
    """A worker process; `expected` says that the drill ended it."""

    role: str
    child: subprocess.Popen[bytes]
    log: Path
    stack: contextlib.ExitStack
    expected: bool = False


class Workers:
    """`size` workers of each role, started again a second after they end."""

    def __init__(self, settings: Settings, folder: Path, size: int) -> None:
        self.settings = settings
        self.members: list[Member] = []
        self.gave_up: list[str] = []
        """What workers said that ended by themselves."""
        self._folder = folder
        self._sizes = dict.fromkeys(DRILLED, size)
        self._due: list[tuple[float, str]] = []
        self._numbers = 0

    def open(self) -> None:
        for role, size in self._sizes.items():
            for _ in range(size):
                self.add(role)

    def add(self, role: str) -> Member:
        """Start one more worker of a role."""
        self._numbers += 1
        stack, log = contextlib.ExitStack(), self._folder / f"{role}-{self._numbers}.log"
        command = [sys.executable, "-m", "reshelf", "worker", role]
        member = Member(role, stack.enter_context(process(command, log, as_environment(self.settings))), log, stack)
        self.members.append(member)
        return member

    def of(self, role: str) -> list[Member]:
        return [member for member in self.members if member.role == role and member.child.poll() is None]

    def tend(self, now: float) -> None:
        """Drop members that ended, and start as many again as are wanted."""
        for member in [candidate for candidate in self.members if candidate.child.poll() is not None]:
            self.members.remove(member)
            member.stack.close()
            if not member.expected:
                self.gave_up.append(f"{member.role}, status {member.child.returncode}: {tail(member.log, 3)}")
            self._due.append((now + AGAIN_S, member.role))
        waiting, self._due = self._due, []
        for at, role in waiting:
            if at > now:
                self._due.append((at, role))
            elif sum(other.role == role for other in self.members) < self._sizes[role]:
                self.add(role)

    def kill(self, member: Member) -> None:
        member.expected = True
        _send(member, signal.SIGKILL)

    def stop(self, member: Member) -> None:
        member.expected = True
        _send(member, signal.SIGTERM)

    def freeze(self, member: Member) -> None:
        _send(member, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let all frozen workers go on."""
        for member in self.members:
            _send(member, signal.SIGCONT)

    def close(self) -> Iterator[tuple[str, float]]:
        """End all in good order: role and seconds that each took, until all are gone."""
        self.thaw()
        begin = time.monotonic()
        for member in self.members:
            self.stop(member)
        for member in self.members:
            member.child.wait(30)
            yield member.role, time.monotonic() - begin
            member.stack.close()
        self.members = []


def _send(member: Member, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        member.child.send_signal(number)
