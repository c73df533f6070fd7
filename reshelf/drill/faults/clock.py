"""A worker on a machine whose clock is off: it counts as all others do, and publishes no layout.

It stays until it has decided something by its clock; a fault without that has proved nothing.
"""

from __future__ import annotations

import time

from reshelf.drill.plan import DRILLED, Fault, Heal, ProvedNothing
from reshelf.drill.setup.environment import Environment
from reshelf.drill.setup.probe import Probe, probe
from reshelf.drill.setup.workers import Member, Workers
from reshelf.drill.verify import Finding, Log
from reshelf.numbers import difference, number
from reshelf.processes.children import free_port
from schemas.codec import decoder
from schemas.messages.layouts import Layout, LayoutLife
from schemas.topics import LAYOUT_LIVES, LAYOUTS

OFF_S = (-86_400, -600, 600, 86_400)
MOST_OFF_MS = 300_000
"""Further from its append than any layout by a right clock, and nearer than any by a wrong one."""


DECIDED = {
    "learner": "reshelf_records_total",
    "attribution": "reshelf_purchase_lines_total",
    "layouts": "reshelf_layout_clock_skew_seconds",
}
"""What grows with a role's work; a layout worker says instead how far off it is, and that it has stopped."""
TURN_S = 120.0


class _Turn:
    """One more worker by another clock; where it is ended with others, another takes its place."""

    def __init__(self, workers: Workers, role: str, off_s: int) -> None:
        self._workers = workers
        self._role = role
        self._off_s = off_s
        self._port = 0
        self._member = self._start()

    def _start(self) -> Member:
        self._port = free_port()
        member = self._workers.add(self._role, self._off_s, self._port)
        member.excuses.add("health.port")
        return member

    def came(self) -> bool:
        """Whether it has decided something by its clock."""
        if self._member.child.poll() is not None:
            self._member = self._start()
            return False
        return decided(self._role, self._off_s, probe(self._port))

    def end(self) -> None:
        self._workers.stop(self._member)


def set_off(environment: Environment, fault: Fault) -> Heal:
    """Start one more worker, minutes or a day before or after the others; healed when it has had its turn."""
    role = (*DRILLED, "layouts")[fault.pick % (len(DRILLED) + 1)]
    off_s = OFF_S[fault.pick // 7 % len(OFF_S)]
    turn, until = _Turn(environment.workers, role, off_s), time.monotonic() + TURN_S

    def heal() -> None:
        came = turn.came()
        if not came and time.monotonic() < until:
            raise OSError("the worker whose clock is off has decided nothing yet")
        turn.end()
        if not came:
            raise ProvedNothing(
                f"the {role} whose clock is {difference(off_s)} s off decided nothing within {number(TURN_S)} s"
            )

    return heal


def decided(role: str, off_s: int, answer: Probe | None) -> bool:
    """Whether a worker has worked, by a clock that is `off_s` ahead of ours."""
    if answer is None or abs(answer.ahead_s - off_s) > MOST_OFF_MS / 1000:
        return False
    number = answer.sums.get(DECIDED[role], 0.0)
    return abs(number) > MOST_OFF_MS / 1000 if role == "layouts" else number > 0


def check_clocks(log: Log) -> Finding:
    """No layout and no sign of its life was made by a clock that is off."""
    finding = Finding("layouts by a clock that is right", 0)
    kinds = {LAYOUTS.name: decoder(Layout), LAYOUT_LIVES.name: decoder(LayoutLife)}
    for topic, record in ((tp.topic, record) for tp, those in log.items() for record in those):
        if record.value is None or topic not in kinds:
            continue
        off_ms = kinds[topic](record.value).produced_at - record.timestamp
        finding.compared += 1
        if abs(off_ms) > MOST_OFF_MS:
            finding.double += 1
            finding.examples.append(f"{record.key!r} of {topic} was made {difference(off_ms / 1000)} s from its append")
    finding.examples = finding.examples[:5]
    return finding
