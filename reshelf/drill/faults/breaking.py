"""Faults as they become due, what heals them, and servers that are slow to come back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import redis
from confluent_kafka import KafkaException

from reshelf.drill.faults.inject import inject
from reshelf.drill.plan import Fault, Heal, Impossible, Kind, ProvedNothing
from reshelf.drill.report import Report
from reshelf.drill.setup.environment import Environment
from reshelf.numbers import number
from reshelf.processes.children import ServerFailed

AGAIN_S = 1.0
RESTARTS = 4
"""How often a server is started that does not come up, each time given twice as long."""


@dataclass(slots=True)
class _Pending:
    due: float
    fault: Fault
    heal: Heal
    restarts: int = 0


class Breaking:
    """Breaks and heals an environment; `healed` is called with each kind that is over, and when."""

    def __init__(
        self,
        environment: Environment,
        report: Report,
        say: Callable[[str], None],
        healed: Callable[[Kind, float], None],
    ) -> None:
        self._environment = environment
        self._report = report
        self._say = say
        self._healed = healed
        self._pending: list[_Pending] = []

    @property
    def heals(self) -> bool:
        """Whether something is still to be healed."""
        return bool(self._pending)

    def inject(self, fault: Fault, begin: float) -> None:
        """Break what the fault says, where that can be done now."""
        heal: Heal | None = None
        try:
            heal = inject(self._environment, fault)
        except Impossible as why:
            self._report.impossible[fault.kind.value] += 1
            self._say(f"{number(time.monotonic() - begin, 1):>6} s  not possible now: {fault.kind.value} ({why})")
            return
        except ServerFailed as slow:
            self._note(fault)
            self._wait(_Pending(0.0, fault, lambda: None), slow)
            return
        now = time.monotonic()
        self._note(fault)
        self._say(f"{number(now - begin, 1):>6} s  {fault.kind.value}")
        if heal is None:
            self._healed(fault.kind, now)
        else:
            self._pending.append(_Pending(now + fault.lasting, fault, heal))

    def heal_due(self, now: float) -> None:
        """Heal what is due; raises `ServerFailed` where a server does not come back at all."""
        waiting, self._pending = self._pending, []
        for each in waiting:
            if each.due > now:
                self._pending.append(each)
                continue
            try:
                if each.restarts:
                    self._environment.revive(2**each.restarts)
                each.heal()
            except ServerFailed as slow:
                self._wait(each, slow)
            except (redis.RedisError, KafkaException, OSError):
                each.due = now + AGAIN_S
                self._pending.append(each)
            except ProvedNothing as why:
                self._report.proved_nothing[each.fault.kind.value] += 1
                self._say(f"proved nothing: {each.fault.kind.value} ({why})")
            else:
                self._healed(each.fault.kind, time.monotonic())

    def _note(self, fault: Fault) -> None:
        self._report.faults[fault.kind.value] += 1

    def _wait(self, pending: _Pending, slow: ServerFailed) -> None:
        """Start the server again soon."""
        pending.restarts += 1
        if pending.restarts >= RESTARTS:
            raise slow
        pending.due = time.monotonic() + AGAIN_S
        self._pending.append(pending)
        self._report.slow_restarts[pending.fault.kind.value] += 1
        why, longer = str(slow).partition(";")[0], 2**pending.restarts
        self._say(f"after '{pending.fault.kind.value}': {why}; it is started again, and given {longer} times as long")
