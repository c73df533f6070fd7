"""The workers, and the supervisor that starts again what ended."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reshelf.drill.plan import DRILLED
from reshelf.drill.setup.clock import command
from reshelf.processes.children import process, tail
from reshelf.settings import Settings, as_environment

AGAIN_S = 1.0
SAID_LINES = 15
STATUSES = (1, 2)
"""Those of a worker that says what is wrong."""


@dataclass(slots=True)
class Member:
    """A worker process; `expected` says that the drill ended it, `excuses` what it may name when it ends by itself."""

    role: str
    child: subprocess.Popen[bytes]
    log: Path
    stack: contextlib.ExitStack
    excuses: set[str]
    expected: bool = False

    @property
    def excused(self) -> bool:
        """Whether it ended with a word about what the drill broke."""
        said = tail(self.log, SAID_LINES)
        return self.child.returncode in STATUSES and any(excuse in said for excuse in self.excuses)


class Workers:
    """`size` workers of each role, started again a second after they end."""

    def __init__(self, settings: Settings, folder: Path, size: int) -> None:
        self.settings = settings
        self.members: list[Member] = []
        self.excuses: set[str] = set()
        """What workers may name that end while it is broken."""
        self.gave_up: list[str] = []
        """What workers said that ended by themselves, without an excuse."""
        self.excused: list[str] = []
        self._folder = folder
        self._sizes = dict.fromkeys(DRILLED, size)
        self._due: list[tuple[float, str]] = []
        self._numbers = 0

    def open(self) -> None:
        for role, size in self._sizes.items():
            for _ in range(size):
                self.add(role)

    def excuse(self, *names: str) -> None:
        """The workers that run may end with a word about one of these."""
        for member in self.members:
            member.excuses.update(names)

    def add(self, role: str, off_s: int = 0, port: int = 0) -> Member:
        """Start one more worker of a role, whose clock is `off_s` ahead and whose health is told at `port`, if any."""
        self._numbers += 1
        stack, log = contextlib.ExitStack(), self._folder / f"{role}-{self._numbers}.log"
        settings = self.settings.changed(health={"port": port, "host": "127.0.0.1", "token": ""})
        child = stack.enter_context(process(command(role, off_s), log, as_environment(settings)))
        member = Member(role, child, log, stack, set(self.excuses))
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
                said = self.excused if member.excused else self.gave_up
                said.append(f"{member.role}, status {member.child.returncode}: {tail(member.log, 3)}")
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
