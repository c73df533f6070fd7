"""What breaks when: a pure function of a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

DRILLED = ("learner", "attribution", "layouts")
"""Roles that are broken; the fitter keeps nothing that could be lost."""


Heal = Callable[[], None]


class Impossible(Exception):
    """There was nothing to break."""


class ProvedNothing(Exception):
    """A fault is over, and nothing happened under it that it was meant to test."""


class Kind(StrEnum):
    """A way in which something breaks."""

    WORKER_KILLED = "worker killed"
    WORKER_FROZEN = "worker frozen past its session"
    WORKER_ADDED = "worker added, then removed"
    WORKER_STOPPED = "worker stopped"
    ATTRIBUTION_TORN = "attribution killed before its memory moved"
    REDIS_RESTARTED = "Redis restarted"
    REDIS_KILLED = "Redis killed"
    REDIS_ROLLED_BACK = "Redis restored from an older snapshot"
    REDIS_FULL = "Redis out of memory"
    REDIS_FAILED_OVER = "Redis failed over to a lagging replica"
    LAYOUTS_TORN = "layout producer killed between its topics"
    BROKER_RESTARTED = "broker restarted"
    BROKER_KILLED = "broker killed"
    BROKER_AWAY = "broker unreachable"
    REDIS_PASSWORD = "Redis password changed"
    DISK_FULL = "disk of the workers' folders full"
    CLOCK_OFF = "clock of a worker off"
    LAYOUTS_ANEW = "topic of layouts deleted and made again"
    PARTITIONS_ADDED = "partitions added to an event topic"
    REDIS_EMPTIED = "Redis emptied"


BROKER_KINDS = frozenset(
    {
        Kind.LAYOUTS_TORN,
        Kind.BROKER_RESTARTED,
        Kind.BROKER_KILLED,
        Kind.BROKER_AWAY,
        Kind.CLOCK_OFF,
        Kind.LAYOUTS_ANEW,
        Kind.PARTITIONS_ADDED,
    }
)
"""Kinds that need a broker with a disk, which stamps what it appends."""
ONE_REDIS_KINDS = frozenset({Kind.REDIS_RESTARTED, Kind.REDIS_ROLLED_BACK, Kind.REDIS_PASSWORD})
"""Kinds that a cluster does not go through as a whole."""
WORKER_KINDS = frozenset({Kind.WORKER_KILLED, Kind.WORKER_FROZEN, Kind.WORKER_ADDED, Kind.WORKER_STOPPED})
"""Kinds that leave broker and Redis alone."""

LASTING_S = {
    Kind.WORKER_FROZEN: 1.5,
    Kind.WORKER_ADDED: 1.2,
    Kind.CLOCK_OFF: 1.5,
    Kind.DISK_FULL: 1.2,
}
"""In session timeouts."""
OTHERS_LAST_S = 3.0
LONGEST_AWAY_S = 60.0
AWAY_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class Fault:
    """Break at `at` seconds after the first event, heal `lasting` seconds later; `pick` chooses among the possible."""

    at: float
    lasting: float
    kind: Kind
    pick: int


def plan(seed: int, kills: int, seconds: float, session_s: float, kinds: Sequence[Kind] = tuple(Kind)) -> list[Fault]:
    """`kills` faults within `seconds`, in order of time.

    Kinds come from shuffled decks, so each occurs before any occurs again; two in
    five come together with the one before.
    """
    chance = random.Random(seed)
    kinds_drawn: list[Kind] = []
    while len(kinds_drawn) < kills:
        deck = list(kinds)
        chance.shuffle(deck)
        kinds_drawn += deck
    moments = sorted(chance.uniform(0.0, seconds) for _ in range(kills))
    for at in range(1, kills):
        if chance.random() < 0.4:
            moments[at] = min(moments[at - 1] + chance.uniform(0.0, 2.0), seconds)
    lasting = {kind: share * session_s for kind, share in LASTING_S.items()}
    lasting[Kind.BROKER_AWAY] = min(LONGEST_AWAY_S, AWAY_SHARE * seconds)
    return [
        Fault(moment, lasting.get(kind, OTHERS_LAST_S), kind, chance.randrange(1 << 30))
        for moment, kind in zip(sorted(moments), kinds_drawn, strict=False)
    ]
