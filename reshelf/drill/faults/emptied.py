"""All that Redis holds is gone at once, while the workers run: they have to notice, and to read the log again."""

from __future__ import annotations

import contextlib

import redis

from reshelf.drill.plan import Fault, Heal
from reshelf.drill.setup.environment import Environment

EXCUSE = "start again to use it"
"""A worker ends with it where the name of its namespace stood for another, which is forgotten, too."""


def empty_redis(environment: Environment, fault: Fault) -> Heal | None:
    """Delete all keys of all servers, and leave the rest to the workers.

    While they are being switched to another namespace, which is no moment for it, this waits.
    """
    if not environment.switching:
        _empty(environment)
        return None

    def heal() -> None:
        if environment.switching:
            raise OSError("workers are being switched to another namespace")
        _empty(environment)

    return heal


def _empty(environment: Environment) -> None:
    environment.workers.excuse(EXCUSE)
    with environment.store.servers() as servers:
        for server in servers:
            with contextlib.suppress(redis.ReadOnlyError):
                server.flushall()
