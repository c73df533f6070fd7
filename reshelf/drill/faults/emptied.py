"""All that Redis holds is gone at once, while the workers run: they have to notice, and to read the log again."""

from __future__ import annotations

import contextlib

import redis

from reshelf.drill.plan import Fault, Impossible
from reshelf.drill.setup.environment import Environment

EXCUSE = "start again to use it"
"""A worker ends with it where the name of its namespace stood for another, which is forgotten, too."""


def empty_redis(environment: Environment, fault: Fault) -> None:
    """Delete all keys of all servers; nobody has to do anything about it."""
    if environment.switching:
        raise Impossible("workers are being switched to another namespace")
    environment.workers.excuse(EXCUSE)
    with environment.store.servers() as servers:
        for server in servers:
            with contextlib.suppress(redis.ReadOnlyError):
                server.flushall()
