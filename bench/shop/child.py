"""A part of Reshelf as a process of its own: when it is ready, what it takes of memory and processor, what it says."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reshelf.console.access_control import OURS
from reshelf.processes.children import free_port, process, processor_s, tail
from reshelf.settings import Settings, as_environment

LOOK_S = 0.1
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")


@dataclass(slots=True)
class Part:
    """A process; `peak_mb` is the most memory it had, and beyond `limit_mb` it is ended, as a machine would end it."""

    role: str
    child: subprocess.Popen[bytes]
    log: Path
    port: int
    limit_mb: float
    began: float = field(default_factory=time.monotonic)
    peak_mb: float = 0.0
    too_large: bool = False

    def started(self, limit_s: float, path: str = "/ready") -> dict[str, float | None]:
        """Seconds from its start until it says that it is ready, and of processor time; null where it never does."""
        while self.alive and (taken := time.monotonic() - self.began) < limit_s:
            if self.answers(path):
                return {"ready_s": round(taken, 2), "ready_cpu_s": round(self.cpu_s(), 2)}
            time.sleep(LOOK_S)
        return {"ready_s": None, "ready_cpu_s": None}

    def answers(self, path: str) -> bool:
        """Whether it answers with 200."""
        return self.get(path)[0] == 200

    def get(self, path: str, timeout_s: float = 30.0) -> tuple[int, bytes]:
        """Status and body; 0 where it does not answer."""
        return self._ask(timeout_s, "GET", path)

    def post(self, path: str, content: Any, timeout_s: float = 30.0) -> tuple[int, bytes]:
        """The same of a console that is sent something as JSON."""
        return self._ask(timeout_s, "POST", path, json.dumps(content), {OURS: "1"})

    def _ask(self, timeout_s: float, *request: Any) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request(*request)
            answer = connection.getresponse()
            return answer.status, answer.read()
        return 0, b""

    @property
    def alive(self) -> bool:
        return self.child.poll() is None

    @property
    def rss_mb(self) -> float | None:
        """Memory that it has now; None where it ended."""
        return self._status("VmRSS")

    def cpu_s(self) -> float:
        """Processor time so far, all threads; 0 where it ended."""
        with contextlib.suppress(OSError, IndexError):
            return processor_s(self.child.pid)
        return 0.0

    def count(self, name: str, label: str = "") -> float:
        """The sum of a metric over its labels, of those that name `label`."""
        return sum(value for labels, value in self._samples(name) if label in labels)

    def ended(self) -> str:
        """Why it does not run any more; empty while it does."""
        if self.alive:
            return ""
        if self.too_large:
            return f"it had more than {self.limit_mb:,.0f} MiB and was ended"
        return f"status {self.child.returncode}: {_last_words(self.log)}"

    def watch(self) -> None:
        """For ever: note its peak, and end it where it grows too large."""
        while self.alive:
            peak, now = self._status("VmHWM"), self.rss_mb
            self.peak_mb = max(self.peak_mb, peak or 0.0)
            if (now or 0.0) > self.limit_mb:
                self.too_large = True
                self.child.kill()
            time.sleep(LOOK_S)

    def _samples(self, name: str) -> Iterator[tuple[str, float]]:
        for line in self.get("/metrics")[1].decode().splitlines():
            if line.startswith(name) and (figures := _SAMPLE.match(line)) and figures[1] == name:
                yield figures[2] or "", float(figures[3])

    def _status(self, name: str) -> float | None:
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{self.child.pid}/status").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
        return None


@contextlib.contextmanager
def running(
    role: str, module: Sequence[str], settings: Settings, folder: Path, limit_mb: float, port: int | None = None
) -> Iterator[Part]:
    """`python -m module` with these settings, until the block is left; its health is at `port`, or any that is free."""
    at = free_port() if port is None else port
    own = settings.changed(health={"port": at if port is None else 0})
    log, command = folder / f"{role}-{time.monotonic_ns()}.log", [sys.executable, "-m", *module]
    with process(command, log, as_environment(own)) as child:
        part = Part(role, child, log, at, limit_mb)
        threading.Thread(target=part.watch, name=f"memory of {role}", daemon=True).start()
        yield part


def _last_words(log: Path) -> str:
    """The end of its log, short: its last line that says something."""
    lines = [line for line in tail(log).splitlines() if line.strip()]
    with contextlib.suppress(ValueError, KeyError, IndexError, TypeError):
        return str(json.loads(lines[-1])["message"])
    return lines[-1][-300:] if lines else "(it said nothing)"
